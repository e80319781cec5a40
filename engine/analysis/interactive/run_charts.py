"""Interactive figures of the run of a search: learning curves, who evaluated what when, calibration of its model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bokeh.models import FixedTicker, Range1d

from hstore.engine.analysis.calibration_data import CalibrationData, limits
from hstore.engine.analysis.interactive.canvas import (
    HEIGHT,
    chart,
    finish,
    label,
    outcome_color,
    palette_of,
    source,
    taps,
    tooltips,
)
from hstore.engine.analysis.loss_data import cut
from hstore.engine.analysis.run_data import ATTEMPT_OUTCOMES, CurvesData, TimelineData, unit_of
from hstore.engine.analysis.trial_columns import OUTCOMES

MOST_CURVES = 400
MOST_LANES = 40


def curves(data: CurvesData, best: int | None = None, theme: str = "light", *, is_log: bool = False) -> Any:
    """Return what each trial reported by step; trials that were stopped early, or failed, end in a mark.

    best: the trial that is drawn thick. Of more than 400 curves an even sample is drawn.
    """
    palette, found = palette_of(theme), data["curves"]
    step = max(1, -(-len(found) // MOST_CURVES))
    drawn = [each for n, each in enumerate(found) if n % step == 0 or each["tid"] == best]
    made = chart("step", "reported value", palette, height=HEIGHT + 20, y_axis_type="log" if is_log else "auto")
    values = [value for each in drawn for value in each["value"]]
    if not is_log and (most := cut(values)) is not None:
        made.y_range = Range1d(start=min(values) - 0.05 * (most - min(values)), end=most)
    for outcome in OUTCOMES:
        mine = [each for each in drawn if each["outcome"] == outcome]
        if not mine:
            continue
        named = f"{outcome} ({sum(each['outcome'] == outcome for each in found):,})"
        columns = source({
            "xs": [each["step"] for each in mine], "ys": [each["value"] for each in mine],
            "tid": [each["tid"] for each in mine], "x": [each["step"][-1] for each in mine],
            "y": [each["value"][-1] for each in mine],
        })  # fmt: skip
        color = outcome_color(outcome, palette)
        lines = made.multi_line(
            "xs", "ys", source=columns, color=color, line_width=1.2, alpha=max(0.2, min(0.8, 40.0 / len(mine))),
            legend_label=named,
        )  # fmt: skip
        tooltips(made, [lines], [("trial", "@tid"), ("last value", "@y"), ("", outcome)])
        taps(made, [lines])
        if outcome in ("pruned", "failed"):
            mark = "inverted_triangle" if outcome == "pruned" else "x"
            made.scatter("x", "y", source=columns, marker=mark, size=6, color=color, legend_label=named)
    for each in drawn:
        if each["tid"] == best:
            made.line(each["step"], each["value"], color=palette.best, line_width=3, legend_label=f"best: trial {best}")
    return finish(made, palette)


def attempts(steps: Sequence[int], values: Sequence[float], numbers: Sequence[int], theme: str = "light") -> Any:
    """Return what one trial reported, a line for each of its attempts, whose *numbers* are beside each report."""
    palette = palette_of(theme)
    made = chart("step", "reported value", palette, height=HEIGHT - 40)
    for attempt in sorted(set(numbers)):
        rows = [n for n, each in enumerate(numbers) if each == attempt]
        columns = source({"step": [steps[n] for n in rows], "value": [values[n] for n in rows]})
        colour = palette.series[(attempt - 1) % 6]
        made.line("step", "value", source=columns, line_width=2, color=colour, legend_label=f"attempt {attempt}")
        drawn = made.scatter("step", "value", source=columns, size=6, color=colour)
        tooltips(made, [drawn], [("step", "@step"), ("value", "@value"), ("attempt", str(attempt))])
    return finish(made, palette)


def timeline(data: TimelineData, theme: str = "light") -> Any:
    """Return when each worker evaluated which trial, coloured by how that ended."""
    palette, lanes = palette_of(theme), len(data["workers"])
    first = data["start"][0]
    last = max(end if end is not None else start for start, end in zip(data["start"], data["end"], strict=True))
    unit, name = unit_of(last - first)
    width = max((last - first) / unit, 1e-9)
    made = chart(
        f"{name} since the first trial", "", palette, height=110 + 26 * min(lanes, 20),
        x_range=Range1d(start=0, end=width), y_range=Range1d(start=lanes - 0.4, end=-0.6),
    )  # fmt: skip
    colors = {
        "done": palette.done, "pruned": palette.series[4], "failed": palette.failed, "requeued": palette.series[3],
        "cancelled": palette.muted, "running": palette.series[2],
    }  # fmt: skip
    rows = list(
        zip(data["worker"], data["start"], data["end"], data["outcome"], data["tid"], data["attempt"], strict=True)
    )
    for outcome in ATTEMPT_OUTCOMES:
        mine = [row for row in rows if row[3] == outcome]
        if not mine:
            continue
        columns = source({
            "lane": [row[0] for row in mine], "left": [(row[1] - first) / unit for row in mine],
            "right": [((last if row[2] is None else row[2]) - first) / unit for row in mine],
            "seconds": [(last if row[2] is None else row[2]) - row[1] for row in mine],
            "tid": [row[4] for row in mine], "attempt": [row[5] for row in mine],
        })  # fmt: skip
        drawn = made.hbar(
            "lane", left="left", right="right", height=0.76, source=columns, fill_color=colors[outcome],
            line_color=palette.ground if len(rows) <= 500 else None, line_width=0.5,
            legend_label=f"{outcome} ({len(mine):,})",
        )  # fmt: skip
        lines = [("trial", "@tid"), ("attempt", "@attempt"), ("seconds", "@seconds"), ("", outcome)]
        tooltips(made, [drawn], lines)
        taps(made, [drawn])
    shown = list(range(lanes)) if lanes <= MOST_LANES else []
    made.yaxis.ticker = FixedTicker(ticks=shown)
    made.yaxis.major_label_overrides = {lane: label(data["workers"][lane], 28) for lane in shown}
    made.ygrid.visible = False
    return finish(made, palette)


def calibration(data: CalibrationData, theme: str = "light") -> Any:
    """Return the losses over what the model expected of them, with the bars in which it expected 68 %."""
    palette = palette_of(theme)
    made = chart("expected loss (median)", "loss", palette, height=HEIGHT + 60)
    if (ends := limits(data)) is not None:
        low, high = ends
        made.x_range, made.y_range = (Range1d(start=low, end=high) for _ in range(2))
        made.line([low, high], [low, high], color=palette.muted, line_dash="dashed", legend_label="as expected")
    for kind, where, color, mark in (
        ("68", "within the 68 %", palette.done, "circle"), ("95", "within the 95 %", palette.series[4], "diamond"),
        ("no", "outside", palette.failed, "x"),
    ):  # fmt: skip
        mine = [n for n, within in enumerate(data["within"]) if within == kind]
        if not mine:
            continue
        columns = source({
            key: [data[key][n] for n in mine]
            for key in ("tid", "loss", "median", "low_68", "high_68", "low_95", "high_95")
        })  # fmt: skip
        made.hbar(  # the bar lies along the axis of what was expected
            "loss", left="low_68", right="high_68", height=0, source=columns, line_color=color, line_alpha=0.4
        )
        drawn = made.scatter(
            "median", "loss", source=columns, marker=mark, size=8, color=color, alpha=0.85,
            legend_label=f"{where} ({len(mine)})",
        )  # fmt: skip
        lines = [("trial", "@tid"), ("loss", "@loss"), ("expected", "@median"), ("68 %", "@low_68 to @high_68")]
        tooltips(made, [drawn], [*lines, ("95 %", "@low_95 to @high_95")])
        taps(made, [drawn])
    return finish(made, palette)
