"""Figures of losses: history, distribution, Pareto front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from hstore.engine.analysis.figures.backends import MATPLOTLIB, interactive, is_interactive
from hstore.engine.analysis.figures.canvas import (
    BEST,
    COLORS,
    CYCLE,
    MANY,
    axes_on,
    figure_on,
    legend,
    mark,
    mark_size,
    rug,
    titled,
)
from hstore.engine.analysis.loss_data import cut, edf_data, history_data, pareto_data, quantiles_data
from hstore.engine.analysis.trial_columns import OUTCOMES


def history(*searches: Any, loss: int = 0, log: bool = False, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw the loss of each trial and the best so far; of several searches, the quartiles of their best. Return axes.

    searches: each an `Experiment` or `Trials`. loss: which of several losses, 0 for the first. log: a logarithmic
    axis of losses. on: matplotlib axes or a figure; a new one by default. Losses far above the rest are drawn at the
    upper edge as triangles; trials without a loss at the lower one. Raises `InvalidValue` without searches.
    backend: "bokeh" returns a figure of the page instead, to `show` in a notebook; so do all functions here.
    """
    if is_interactive(backend, on):
        charts = interactive("loss_charts")
        found = [history_data(each, loss=loss) for each in searches]
        if len(found) == 1:
            return charts.history(found[0], is_log=log)
        return charts.comparison(
            [each["name"] for each in found], found, quantiles_data(searches, loss=loss), is_log=log
        )  # fmt: skip
    if len(searches) != 1:
        return _quantiles(searches, loss=loss, log=log, on=on)
    data = history_data(searches[0], loss=loss)
    axes = axes_on(on)
    if log:
        axes.set_yscale("log")
    top = None if log else cut([x for x in data["loss"] if x is not None])
    rows = list(zip(data["tid"], data["loss"], data["outcome"], strict=True))
    for outcome in OUTCOMES:
        shown = [(tid, loss) for tid, loss, kind in rows if kind == outcome and loss is not None]
        if shown:
            inside = [(x, y) for x, y in shown if top is None or y <= top]
            mark(axes, [x for x, _ in inside], [y for _, y in inside], outcome, total=len(rows))
            if above := [x for x, y in shown if top is not None and y > top]:
                look = {**mark_size(len(rows)), "marker": "^", "color": COLORS[outcome], "clip_on": False}
                axes.scatter(above, [0.99] * len(above), transform=axes.get_xaxis_transform(), **look)
        lost = [tid for tid, loss, kind in rows if kind == outcome and loss is None and kind != "unfinished"]
        if lost:
            rug(axes, lost, outcome, total=len(rows))
    if any(best is not None for best in data["best"]):
        best = _drawable(data["best"])
        axes.plot(data["tid"], best, color=BEST, linewidth=1.6, drawstyle="steps-post", label="best so far", zorder=4)
    if top is not None:
        low = min(x for x in data["loss"] if x is not None)
        axes.set_ylim(low - 0.08 * (top - low), top + 0.02 * (top - low))
    axes.set(xlabel="trial", ylabel=_loss_name(loss), title=titled(data["name"]))
    legend(axes)
    return axes


def _quantiles(searches: Sequence[Any], *, loss: int, log: bool, on: Any) -> Any:
    data = quantiles_data(searches, loss=loss)
    axes = axes_on(on)
    if log:
        axes.set_yscale("log")
    low, middle, high = (_drawable(each) for each in (data["low"], data["middle"], data["high"]))
    axes.fill_between(
        data["trials"], low, high, step="post", alpha=0.25, color=CYCLE[0], linewidth=0, label="quartiles"
    )
    seen: list[float] = []
    for n, each in enumerate(searches):
        found = history_data(each, loss=loss)["best"]
        seen += [value for value in found if value is not None]
        look = {"color": "#777777", "alpha": 0.45, "linewidth": 0.7, "drawstyle": "steps-post"}
        axes.plot(range(1, len(found) + 1), _drawable(found), label=None if n else "each search", **look)
    axes.plot(data["trials"], middle, color=CYCLE[0], linewidth=1.8, drawstyle="steps-post", label="median")
    if not log and (most := cut(seen)) is not None:
        axes.set_ylim(min(seen) - 0.05 * (most - min(seen)), most)
    axes.set(xlabel="trials", ylabel=f"best {_loss_name(loss)} so far", title=f"{len(searches)} searches")
    legend(axes)
    return axes


def edf(*searches: Any, loss: int = 0, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw the part of the trials whose loss is at most so much, a line for each search; return the axes.

    For the arguments see `history`. A search with more good trials has the higher line at the left.
    """
    found = [edf_data(search, loss=loss) for search in searches]
    if is_interactive(backend, on):
        return interactive("loss_charts").edf(found)
    axes = axes_on(on)
    for n, data in enumerate(found):
        name = f"{titled(data['name'])} ({len(data['loss']):,})"
        axes.step(data["loss"], data["share"], where="post", color=CYCLE[n % len(CYCLE)], linewidth=1.5, label=name,
                  linestyle=("-", "--", "-.", ":")[n // len(CYCLE) % 4])  # fmt: skip
    every = [value for data in found for value in data["loss"]]
    if (most := cut(every)) is not None:
        axes.set_xlim(min(every) - 0.03 * (most - min(every)), most)
    axes.set(xlabel=_loss_name(loss), ylabel="part of the trials", ylim=(0.0, 1.02), title="distribution of losses")
    legend(axes, loc="lower right")
    return axes


def pareto(search: Any, *, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw the Pareto front of a search with several losses: a panel for each two of its first three. Return the axes.

    One panel for two losses, else an array of three. on: a figure, or for two losses axes. Raises `InvalidValue` for a
    search with one loss.
    """
    data = pareto_data(search)
    if is_interactive(backend, on):
        return interactive("loss_charts").pareto(data)
    pairs = list(combinations(range(min(3, len(data["losses"]))), 2))
    if len(pairs) == 1:
        panels = [axes_on(on, size=(5.2, 4.2))]
    else:
        figure = figure_on(on, size=(4.2 * len(pairs), 3.8))
        panels = list(figure.subplots(1, len(pairs)))
        figure.suptitle(titled(data["name"]))
    for axes, (x, y) in zip(panels, pairs, strict=True):
        _front(axes, data, x, y, is_line=len(pairs) == 1 and len(data["losses"]) == 2)
    if len(pairs) == 1:
        panels[0].set_title(titled(data["name"]))
        return panels[0]
    import numpy as np

    return np.array(panels)


def _front(axes: Any, data: Any, x: int, y: int, *, is_line: bool) -> None:
    xs, ys = data["losses"][x], data["losses"][y]
    rows = list(zip(xs, ys, data["outcome"], data["is_front"], strict=True))
    for outcome in OUTCOMES:
        shown = [(a, b) for a, b, kind, is_front in rows if kind == outcome and not is_front]
        if shown:
            mark(axes, [a for a, _ in shown], [b for _, b in shown], outcome, total=len(rows))
    front = sorted((a, b) for a, b, _, is_front in rows if is_front)
    if front and is_line:
        axes.step([a for a, _ in front], [b for _, b in front], where="post", color=BEST, linewidth=1.0, alpha=0.7)
    axes.scatter([a for a, _ in front], [b for _, b in front], color=BEST, s=26, zorder=4, edgecolors="white",
                 linewidths=0.5, label=f"Pareto front ({len(front):,})")  # fmt: skip
    axes.set(xlabel=f"loss {x}", ylabel=f"loss {y}")
    legend(axes, loc="best" if len(rows) <= MANY else "upper right")


def _drawable(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _loss_name(loss: int) -> str:
    return "loss" if loss == 0 else f"loss {loss}"
