"""Figures of labels: importance, slices, contour, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from hstore.engine.analysis.figures.backends import MATPLOTLIB, interactive, is_interactive
from hstore.engine.analysis.figures.canvas import (
    BEST,
    COLORS,
    CYCLE,
    MARKERS,
    RANKS,
    LabelAxis,
    axes_on,
    figure_on,
    heights,
    legend,
    mark,
    mark_size,
    printable_short,
    rug,
    titled,
)
from hstore.engine.analysis.importance import importance as importance_of
from hstore.engine.analysis.label_data import contour_data, sampled_by_rank, slice_data, two_labels
from hstore.engine.analysis.label_scale import jittered, spread
from hstore.engine.analysis.loss_data import cut
from hstore.engine.analysis.short_labels import short_labels
from hstore.engine.analysis.trial_columns import OUTCOMES, LabelColumn, experiment_of

_COLUMNS = 4
_MOST_LABELS = 16
_LINES = 1000
"""Of parallel coordinates: the most that are drawn."""
_POINTS = 2000
"""Of a contour: the most trials that are marked; all of them count."""
_BELOW = -0.14
"""Height of the place of inactive labels in parallel coordinates."""


def importance(search: Any, *, quantile: float = 0.1, loss: int = 0, on: Any = None, backend: str = MATPLOTLIB) -> Any:
    """Draw how important each label is, with 90 % intervals; return the axes. See `hstore.importance`."""
    found = importance_of(search, quantile=quantile, loss=loss)
    if is_interactive(backend, on):
        return interactive("label_charts").importance(found, quantile=quantile)
    labels = found[:_MOST_LABELS][::-1]
    axes = axes_on(on, size=(6.4, 1.2 + 0.32 * len(labels)))
    shares = [each["importance"] for each in labels]
    below = [max(0.0, each["importance"] - each["low"]) for each in labels]
    above = [max(0.0, each["high"] - each["importance"]) for each in labels]
    rows = range(len(labels))
    axes.barh(rows, shares, color=CYCLE[0], height=0.7)
    axes.errorbar(shares, rows, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=1.0, capsize=2.5)
    for row, each in enumerate(labels):
        part = "" if each["active"] == 1.0 else f", active in {each['active']:.0%}"
        axes.annotate(f"{each['importance']:.2f}{part}", (max(each["high"], each["importance"]), row),
                      xytext=(5, 0), textcoords="offset points", va="center", fontsize="small")  # fmt: skip
    axes.set_yticks(rows, [titled(text) for text in short_labels([each["label"] for each in labels], 28)])
    most = max((max(each["high"], each["importance"]) for each in labels), default=1.0)
    axes.set(xlabel="share of what decides whether a trial is among the best "
             f"{quantile:.0%}", xlim=(0.0, 1.3 * most), title=titled(experiment_of(search).name))  # fmt: skip
    return axes


def slice(
    search: Any, labels: Sequence[str] | None = None, *, loss: int = 0, on: Any = None, backend: str = MATPLOTLIB
) -> Any:
    """Draw the loss over each label, a panel each: of at most 16 labels, in the order of the space. Return their axes.

    labels: which of them; all for None. loss: which of several losses. on: a figure; a new one by default. Trials in
    which the label is not active are in a band at the left. Return an array of axes, one for each label.
    """
    import numpy as np

    data = slice_data(search, labels, loss=loss)
    if is_interactive(backend, on):
        return interactive("label_charts").slice_grid(data)
    columns = data["labels"][:_MOST_LABELS]
    width = min(_COLUMNS, len(columns))
    height = math.ceil(len(columns) / width)
    figure = figure_on(on, size=(1.0 + 2.9 * width, 0.8 + 2.6 * height))
    grid = figure.subplots(height, width, sharey=True, squeeze=False).ravel()
    rows = [(i, loss) for i, loss in enumerate(data["loss"]) if loss is not None]
    lost = [i for i, value in enumerate(data["loss"]) if value is None and data["outcome"][i] != "unfinished"]
    top = cut([loss for i, loss in rows if data["outcome"][i] == "ok"])
    for axes, column in zip(grid, columns, strict=False):
        shown = LabelAxis(axes, "x", column)
        for outcome in OUTCOMES:
            mine = [(i, loss) for i, loss in rows if data["outcome"][i] == outcome]
            tids = [data["tid"][i] for i, _ in mine]
            xs = shown.positions(tids, jittered(column, tids, [column["values"][i] for i, _ in mine]))
            if mine:
                mark(axes, xs, [loss if top is None else min(loss, top) for _, loss in mine], outcome, total=len(rows))
            if without := [i for i in lost if data["outcome"][i] == outcome]:
                tids = [data["tid"][i] for i in without]
                values = jittered(column, tids, [column["values"][i] for i in without])
                rug(axes, shown.positions(tids, values), outcome, total=len(rows))
        shown.finish()
    for axes in grid[len(columns) :]:
        axes.remove()
    for n, axes in enumerate(grid[: len(columns)]):
        if n % width == 0:
            axes.set_ylabel("loss" if loss == 0 else f"loss {loss}")
    if len(grid[0].get_legend_handles_labels()[0]) > 1:
        legend(figure, loc="outside right upper", of=grid[0])
    more = f", {len(columns)} of {len(data['labels'])} labels" if len(columns) < len(data["labels"]) else ""
    figure.suptitle(f"{titled(data['name'])}{more}")
    return np.array(grid[: len(columns)])


def contour(
    search: Any, x: str | None = None, y: str | None = None, *, loss: int = 0, on: Any = None,
    backend: str = MATPLOTLIB,
) -> Any:  # fmt: skip
    """Draw how good trials are over the plane of labels *x* and *y*, the two most important by default; return axes.

    The colour is the rank of the loss, smoothed: 0 of the best, 1 of the worst; white where there are no trials. The
    best trial is a star. Trials in which one label is not active are in a band.
    """
    if x is None or y is None:
        x, y = two_labels(search, x, y, loss)
    data = contour_data(search, x, y, loss=loss)
    if is_interactive(backend, on):
        return interactive("label_charts").contour(data)
    axes = axes_on(on, size=(5.6, 4.4))
    across, up = LabelAxis(axes, "x", data["x"]), LabelAxis(axes, "y", data["y"])
    field = [[math.nan if value is None else value for value in row] for row in data["field"]]
    drawn = axes.pcolormesh(data["x_edges"], data["y_edges"], field, cmap=RANKS, vmin=0.0, vmax=1.0, rasterized=True,
                            zorder=1)  # fmt: skip
    axes.figure.colorbar(drawn, ax=axes, label="rank of the loss (0: best)")
    n = len(data["outcome"])
    step = -(-n // _POINTS)
    for outcome in OUTCOMES:
        mine = [i for i, kind in enumerate(data["outcome"]) if kind == outcome and i % step == 0]
        if not mine or outcome == "unfinished":
            continue
        xs = across.positions(mine, jittered(data["x"], mine, [data["x"]["values"][i] for i in mine]))
        ys = up.positions(mine, jittered(data["y"], mine, [data["y"]["values"][i] for i in mine], other=True))
        look = {**mark_size(n), "s": 8.0 if n <= 500 else 3.0, "zorder": 2}
        if outcome == "ok":
            axes.scatter(xs, ys, color="white", edgecolors="#222222", **look)
        else:
            axes.scatter(xs, ys, color=COLORS[outcome], marker=MARKERS[outcome], **look)
    best = [i for i, rank in enumerate(data["rank"]) if rank == 0.0][:1]
    for i in best:
        axes.scatter(across.positions([i], [data["x"]["values"][i]]), up.positions([i], [data["y"]["values"][i]]),
                     marker="*", s=130, color=BEST, edgecolors="white", linewidths=0.7, zorder=4)  # fmt: skip
    across.finish()
    up.finish()
    axes.set_title(titled(data["name"]))
    return axes


def parallel(
    search: Any, labels: Sequence[str] | None = None, *, loss: int = 0, on: Any = None, backend: str = MATPLOTLIB
) -> Any:
    """Draw each ranked trial as a line through its values, the better the darker; return the axes.

    labels: which of them, and in which order; all (at most 16) for None. Labels that are not active are below their
    axis. Of more than a thousand trials the best hundred and a sample of the others are drawn.
    """
    from matplotlib.collections import LineCollection

    data = slice_data(search, labels, loss=loss)
    if is_interactive(backend, on):
        return interactive("label_charts").parallel(data)
    columns = data["labels"][:_MOST_LABELS]
    axes = axes_on(on, size=(1.5 + 1.25 * len(columns), 4.4))
    chosen = sampled_by_rank(data, _LINES)
    n_ranked = sum(rank is not None for rank in data["rank"])
    tracks = [heights(column) for column in columns]
    has_inactive = [any(value is None for value in column["values"]) for column in columns]
    lines, colors = [], []
    for i in chosen:  # the best at last, on top
        lines.append([
            (place, _height(column, track[i], data["tid"][i]))
            for place, (column, track) in enumerate(zip(columns, tracks, strict=True))
        ])  # fmt: skip
        colors.append(data["rank"][i])
    n = len(lines)
    drawn = LineCollection(lines, cmap=RANKS, array=colors, alpha=0.55 if n <= 200 else 0.3, rasterized=n > 200,
                           linewidths=1.0 if n <= 200 else 0.6)  # fmt: skip
    drawn.set_clim(0.0, 1.0)
    axes.add_collection(drawn)
    if lines:
        axes.plot(*zip(*lines[-1], strict=True), color=BEST, linewidth=2.0, zorder=4)
    for place, (column, has_band) in enumerate(zip(columns, has_inactive, strict=True)):
        axes.plot([place, place], [0.0, 1.0], color="#333333", linewidth=0.8, zorder=3)
        _parallel_ticks(axes, place, column)
        if has_band:
            axes.axhspan(_BELOW - 0.04, _BELOW + 0.04, (place + 0.32) / len(columns), (place + 0.68) / len(columns),
                         color="#888888", alpha=0.25, linewidth=0)  # fmt: skip
    if any(has_inactive):
        axes.text(-0.45, _BELOW, "inactive", ha="left", va="center", fontsize="small", color="#444444")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(_BELOW - 0.08 if any(has_inactive) else -0.06, 1.06), yticks=[])
    axes.set_xticks(
        range(len(columns)), [titled(text) for text in short_labels([column["label"] for column in columns], 18)]
    )
    if len(columns) > 6:
        axes.tick_params(axis="x", rotation=30)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.tick_params(axis="x", length=0)
    axes.figure.colorbar(drawn, ax=axes, label="rank of the loss (0: best)").solids.set_alpha(1.0)
    sampled = f", {n:,} of {n_ranked:,} trials" if n < n_ranked else ""
    axes.set_title(f"{titled(data['name'])}{sampled}")
    return axes


def _parallel_ticks(axes: Any, place: int, column: LabelColumn) -> None:
    look: dict[str, Any] = {
        "fontsize": "x-small", "zorder": 6, "ha": "left",
        "bbox": {"boxstyle": "round,pad=0.1", "facecolor": "white", "alpha": 0.75, "linewidth": 0},
    }  # fmt: skip
    if column["is_category"]:
        n = len(column["options"])
        for option in range(0, n, math.ceil(n / 12)):
            text = titled(printable_short(column["options"][option], 12))
            axes.text(place + 0.04, (option + 0.5) / n, text, va="center", **look)
    elif column["low"] is not None and column["high"] is not None:
        low, high = column["low"], column["high"]
        middle = math.sqrt(low * high) if column["is_log"] else (low + high) / 2.0
        for height, value in ((0.0, low), (0.5, middle), (1.0, high)):
            axes.text(place + 0.04, height, f"{value:.3g}", va="center", **look)


def _height(column: LabelColumn, place: float | None, tid: int) -> float:
    if place is None:
        return _BELOW
    return place + 0.5 * (spread(tid) - 0.5) / len(column["options"]) if column["is_category"] else place
