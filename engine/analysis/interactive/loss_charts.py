"""Interactive figures of losses: history, several searches beside each other, distribution, Pareto front."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from bokeh.layouts import row
from bokeh.models import Range1d

from hstore.engine.analysis.interactive.chart_parts import (
    HEIGHT,
    chart,
    finish,
    label,
    palette_of,
    range_over,
    source,
    taps,
    tooltips,
)
from hstore.engine.analysis.loss_data import DistributionData, HistoryData, ParetoData, QuantilesData, cut

KINDS = {"done": "circle", "failed": "x", "muted": "triangle"}
LEGEND_NAMES = {"done": "done", "failed": "failed", "muted": "pruned, void or infeasible"}
_KIND_OF = {"ok": "done", "failed": "failed", "pruned": "muted", "void": "muted", "infeasible": "muted"}
DASHES = ("solid", "dashed", "dotted", "dotdash", "dashdot", "solid")
EMPTY: HistoryData = {"name": "", "tid": [], "outcome": [], "loss": [], "best": []}
"""Of a figure that the page fills and keeps current."""
NO_FRONT: ParetoData = {"name": "", "tid": [], "outcome": [], "losses": [[], []], "is_front": []}


def history(data: HistoryData = EMPTY, theme: str = "light", *, is_log: bool = False) -> Any:
    """Return the losses by trial with the best so far: sources `done`, `failed`, `muted` (tid, loss, text), `best`."""
    palette = palette_of(theme)
    made = chart("trial", "loss", palette, is_filled_later=not data["tid"], y_axis_type="log" if is_log else "auto")
    finite = [loss for loss in data["loss"] if loss is not None and (loss > 0 or not is_log)]
    top = cut(finite)
    if finite and is_log:
        made.y_range = Range1d(start=min(finite) / 1.2, end=max(finite) * 1.2)
    elif finite:
        made.y_range = range_over(min(finite), max(finite) if top is None else top)
    edge = made.y_range.end if finite else 1.0
    for kind, mark in KINDS.items():
        rows = [
            (tid, loss) for tid, outcome, loss in zip(data["tid"], data["outcome"], data["loss"], strict=True)
            if _KIND_OF.get(outcome) == kind
        ]  # fmt: skip
        columns = {
            "tid": [tid for tid, _ in rows],
            "loss": [edge if loss is None else loss for _, loss in rows],  # without one it is marked at the edge
            "text": ["none" if loss is None else f"{loss:.8g}" for _, loss in rows],
        }
        drawn = made.scatter(
            "tid", "loss", source=source(columns, kind), marker=mark, size=6, color=getattr(palette, kind), alpha=0.75,
            legend_label=LEGEND_NAMES[kind], nonselection_alpha=0.75,
        )  # fmt: skip
        drawn.visible = bool(rows) or not data["tid"]
        tooltips(made, [drawn], [("trial", "@tid"), ("loss", "@text"), ("", LEGEND_NAMES[kind])])
        taps(made, [drawn])
    best = source({"tid": data["tid"], "loss": data["best"]}, "best")
    made.step("tid", "loss", source=best, mode="after", color=palette.best, line_width=2.5, legend_label="best so far")
    finish(made, palette)
    for kind, entry in zip(KINDS, made.legend[0].items, strict=False):
        entry.name = f"legend {kind}"  # the page hides those without points
        entry.visible = entry.renderers[0].visible
    return made


def comparison(
    names: Sequence[str], histories: Sequence[HistoryData] = (), quartiles: QuantilesData | None = None,
    theme: str = "light", *, is_log: bool = False,
) -> Any:  # fmt: skip
    """Return the best loss so far of several searches: sources `search0`, `search1`, … (tid, loss), a line for each.

    quartiles: drawn as a band with its median. Without *histories* the page fills the lines.
    """
    palette = palette_of(theme)
    made = chart(
        "trial", "best loss so far", palette, height=HEIGHT + 80, is_filled_later=not histories,
        y_axis_type="log" if is_log else "auto"
    )  # fmt: skip
    seen = [value for each in histories for value in each["best"] if value is not None]
    if seen and not is_log:
        top = cut(seen)
        made.y_range = range_over(min(seen), max(seen) if top is None else top)
    if quartiles is not None:
        columns = {
            "tid": [n - 1 for n in quartiles["trials"]],
            **{key: quartiles[key] for key in ("low", "middle", "high")},
        }
        band = source(columns)
        made.varea_step("tid", "low", "high", source=band, step_mode="after", color=palette.done, alpha=0.2,
                        legend_label="quartiles")  # fmt: skip
        made.step("tid", "middle", source=band, mode="after", color=palette.done, line_width=3, legend_label="median")
    for n, name in enumerate(names):
        found = histories[n] if histories else EMPTY
        drawn = made.step(
            "tid", "loss", source=source({"tid": found["tid"], "loss": found["best"]}, f"search{n}"), mode="after",
            line_width=2.5 if quartiles is None else 1, color=palette.series[n % 6], line_dash=DASHES[n % 6],
            legend_label=label(name),
        )  # fmt: skip
        tooltips(made, [drawn], [("trial", "@tid"), ("best", "@loss")])
    return finish(made, palette)


def edf(found: Sequence[DistributionData], theme: str = "light") -> Any:
    """Return the part of the trials whose loss is at most so much, a line for each search."""
    palette = palette_of(theme)
    made = chart("loss", "part of the trials", palette, y_range=Range1d(start=0.0, end=1.02))
    every = [loss for data in found for loss in data["loss"]]
    if every:
        top = cut(every)
        made.x_range = range_over(min(every), max(every) if top is None else top, 0.03)
    for n, data in enumerate(found):
        drawn = made.step(
            "loss", "share", source=source({"loss": data["loss"], "share": data["share"]}), mode="after", line_width=2,
            color=palette.series[n % 6], line_dash=DASHES[n % 6],
            legend_label=f"{label(data['name'])} ({len(data['loss']):,})",
        )  # fmt: skip
        tooltips(made, [drawn], [("loss", "@loss"), ("part with at most this", "@share{0.000}")])
    return finish(made, palette)


def pareto(data: ParetoData = NO_FRONT, theme: str = "light") -> Any:
    """Return two losses against each other: sources `trials` and `front` (tid, x, y); of three losses each two."""
    pairs = list(combinations(range(min(3, len(data["losses"]))), 2))
    made = [_front(data, x, y, theme, is_line=len(data["losses"]) == 2) for x, y in pairs]
    return made[0] if len(made) == 1 else row(*made, sizing_mode="stretch_width")


def _front(data: ParetoData, x: int, y: int, theme: str, *, is_line: bool) -> Any:
    palette = palette_of(theme)
    made = chart(f"loss {x}", f"loss {y}", palette, height=HEIGHT + 60, is_filled_later=not data["tid"])
    rows = list(zip(data["tid"], data["losses"][x], data["losses"][y], data["is_front"], strict=True))
    front = sorted((row for row in rows if row[3]), key=lambda row: row[1:3])
    trials, best = (
        source({name: [row[n] for row in some] for n, name in enumerate(("tid", "x", "y"))}, called)
        for some, called in ((rows, "trials"), (front, "front"))
    )
    if is_line:
        made.step("x", "y", source=best, mode="after", color=palette.best, line_width=1.5, line_dash="dashed")
    drawn = [
        made.scatter("x", "y", source=trials, size=6, color=palette.done, alpha=0.6, legend_label="trials"),
        made.scatter("x", "y", source=best, size=9, marker="diamond", color=palette.best, legend_label="Pareto front"),
    ]
    tooltips(made, drawn, [("trial", "@tid"), ("losses", "@x, @y")])
    taps(made, drawn)
    return finish(made, palette)
