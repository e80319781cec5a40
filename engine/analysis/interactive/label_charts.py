"""Interactive figures of labels: importance, slices, contour, parallel coordinates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bokeh.layouts import gridplot
from bokeh.models import FixedTicker, LinearColorMapper, Range1d
from bokeh.models.annotations import ColorBar, Whisker

from hstore.engine.analysis.importance import LabelImportance
from hstore.engine.analysis.interactive.chart_parts import (
    HEIGHT,
    MARKS,
    WIDEST,
    axis_type,
    chart,
    finish,
    finish_axis,
    label,
    labels_on_axis,
    mark_size,
    outcome_color,
    palette_of,
    range_of,
    range_over,
    source,
    taps,
    tooltips,
)
from hstore.engine.analysis.interactive.palette import SCALE, Palette
from hstore.engine.analysis.label_data import ContourData, SliceData, places, sampled_by_rank, thinned
from hstore.engine.analysis.label_scale import LabelScale, jittered, spread
from hstore.engine.analysis.loss_data import cut
from hstore.engine.analysis.trial_columns import OUTCOMES, LabelColumn

MOST_LABELS = 40
MOST_TRIALS = 3000
"""In a slice: all of the best third of that, and of the rest every n-th."""
MOST_LINES = 600
MOST_POINTS = 2000
"""Marks in a contour; all trials count."""
BELOW = -0.14
"""Height of the place of inactive labels in parallel coordinates."""


def importance(labels: Sequence[LabelImportance], theme: str = "light", quantile: float = 0.1) -> Any:
    """Return a bar for each of *labels*, the most important at the top, with its interval."""
    palette = palette_of(theme)
    shown = labels[:MOST_LABELS]
    n = len(shown)
    made = chart(
        f"share in being among the best {quantile:.0%}", "", palette, height=90 + 26 * n,
        x_range=Range1d(start=0, end=1.08 * max([0.1, *(max(e["high"], e["importance"]) for e in shown)])),
        y_range=Range1d(start=-0.6, end=n - 0.4),
    )  # fmt: skip
    rows = [n - 1 - place for place in range(n)]
    data = source({
        "row": rows, "share": [e["importance"] for e in shown], "low": [e["low"] for e in shown],
        "high": [e["high"] for e in shown], "label": [label(e["label"]) for e in shown],
        "active": [e["active"] for e in shown],
    })  # fmt: skip
    drawn = made.hbar("row", right="share", height=0.7, source=data, color=palette.done, alpha=0.85)
    whisker: Any = Whisker(
        base="row", lower="low", upper="high", source=data, dimension="width", line_color=palette.text
    )
    for head in (whisker.upper_head, whisker.lower_head):
        head.size, head.line_color = 6, palette.text
    made.add_layout(whisker)
    made.yaxis.ticker = FixedTicker(ticks=rows)
    made.yaxis.major_label_overrides = dict(zip(rows, labels_on_axis([e["label"] for e in shown], 28), strict=True))
    lines = [("", "@label"), ("share", "@share{0.000}"), ("from", "@low{0.000}"), ("to", "@high{0.000}")]
    tooltips(made, [drawn], [*lines, ("active in", "@active{0 %}")])
    made.ygrid.visible = False
    return finish(made, palette)


def slices(data: SliceData, theme: str = "light") -> list[tuple[str, Any]]:
    """Return the label and the figure of the loss over it, for each label."""
    few = thinned(data, MOST_TRIALS)
    return [(column["label"], _slice(few, column, theme)) for column in few["labels"][:MOST_LABELS]]


def slice_grid(data: SliceData, theme: str = "light") -> Any:
    """Return the slices of all labels in rows of three."""
    return gridplot([made for _, made in slices(data, theme)], ncols=3, sizing_mode="stretch_width", merge_tools=False)


def _slice(data: SliceData, column: LabelColumn, theme: str) -> Any:
    palette, scale = palette_of(theme), LabelScale(column)
    made = chart(
        column["label"], "loss", palette, height=240, x_range=range_of(scale), x_axis_type=axis_type(column)
    )  # fmt: skip
    top = cut([x for x, kind in zip(data["loss"], data["outcome"], strict=True) if x is not None and kind == "ok"])
    order = LinearColorMapper(palette=SCALE, low=0, high=max(data["tid"], default=0) + 1)
    finite = [loss for loss in data["loss"] if loss is not None]
    least, most = (min(finite), max(finite) if top is None else top) if finite else (0.0, 1.0)
    least, most = max(least, -WIDEST), min(most, WIDEST)
    edge = least - 0.06 * (most - least or abs(most) or 1.0)  # where trials without a loss are marked
    made.y_range = range_over(edge, most)
    for outcome in OUTCOMES:
        is_over = outcome != "unfinished"
        mine = [
            i for i, kind in enumerate(data["outcome"]) if kind == outcome and (is_over or data["loss"][i] is not None)
        ]
        if not mine:
            continue
        tids = [data["tid"][i] for i in mine]
        found = [column["values"][i] for i in mine]
        losses = [data["loss"][i] for i in mine]
        columns = source({
            "x": scale.positions(tids, jittered(column, tids, found)), "tid": tids,
            "loss": ["none" if loss is None else f"{loss:.8g}" for loss in losses],
            "y": [edge if loss is None else min(loss, most) for loss in losses],
            "text": [_text(column, value) for value in found], "outcome": [outcome] * len(mine),
        })  # fmt: skip
        color: Any = outcome_color(outcome, palette)
        if outcome == "ok":
            color = {"field": "tid", "transform": order}
        drawn = made.scatter(
            "x", "y", source=columns, marker=MARKS[outcome], fill_color=color,
            line_color=None if outcome == "ok" else color, **mark_size(len(data["tid"])), nonselection_alpha=0.7,
        )  # fmt: skip
        drawn.glyph.size = 5
        tooltips(made, [drawn], [("trial", "@tid"), ("loss", "@loss"), ("value", "@text"), ("", "@outcome")])
        taps(made, [drawn])
    finish_axis(made, "x", scale, palette)
    return finish(made, palette)


def contour(data: ContourData, theme: str = "light") -> Any:
    """Return the rank of the loss over two labels: bright where good trials are, empty where there are none."""
    palette = palette_of(theme)
    across, up = LabelScale(data["x"]), LabelScale(data["y"])
    made = chart(
        data["x"]["label"], data["y"]["label"], palette, height=HEIGHT + 100, x_range=range_of(across),
        y_range=range_of(up), x_axis_type=axis_type(data["x"]), y_axis_type=axis_type(data["y"]),
    )  # fmt: skip
    ranks = LinearColorMapper(palette=SCALE, low=0, high=1)
    x, y = data["x_edges"], data["y_edges"]
    cells = [
        (x[i], x[i + 1], y[j], y[j + 1], rank)
        for j, line in enumerate(data["field"]) for i, rank in enumerate(line) if rank is not None
    ]  # fmt: skip
    field = source({name: [cell[n] for cell in cells] for n, name in enumerate(("l", "r", "b", "t", "rank"))})
    made.quad("l", "r", "b", "t", source=field, color={"field": "rank", "transform": ranks})
    step = -(-len(data["outcome"]) // MOST_POINTS)
    for outcome in OUTCOMES:
        mine = [i for i, kind in enumerate(data["outcome"]) if kind == outcome and i % max(1, step) == 0]
        if not mine or outcome == "unfinished":
            continue
        values = [[column["values"][i] for i in mine] for column in (data["x"], data["y"])]
        columns = source({
            "x": across.positions(mine, jittered(data["x"], mine, values[0])),
            "y": up.positions(mine, jittered(data["y"], mine, values[1], other=True)),
            "x_text": [_text(data["x"], value) for value in values[0]],
            "y_text": [_text(data["y"], value) for value in values[1]],
            "tid": [data["tid"][i] for i in mine], "outcome": [outcome] * len(mine),
        })  # fmt: skip
        look = (
            {"fill_color": "white", "line_color": "#222222"}
            if outcome == "ok"
            else {"color": outcome_color(outcome, palette)}
        )
        drawn = made.scatter("x", "y", source=columns, marker=MARKS[outcome], size=5, alpha=0.8, **look)
        tooltips(made, [drawn], [("trial", "@tid"), ("", "@x_text; @y_text"), ("", "@outcome")])
        taps(made, [drawn])
    best = [i for i, rank in enumerate(data["rank"]) if rank == 0.0][:1]
    made.scatter(
        across.positions(best, [data["x"]["values"][i] for i in best]),
        up.positions(best, [data["y"]["values"][i] for i in best]),
        marker="star", size=18, fill_color=palette.best, line_color="white",
    )  # fmt: skip
    finish_axis(made, "x", across, palette)
    finish_axis(made, "y", up, palette)
    made.grid.visible = False
    made.add_layout(_ranks(ranks, palette), "right")
    return finish(made, palette)


def parallel(data: SliceData, theme: str = "light") -> Any:
    """Return one line a ranked trial through its values, the better the darker; the best is thick."""
    palette, columns = palette_of(theme), data["labels"][:MOST_LABELS]
    chosen = sampled_by_rank(data, MOST_LINES)
    tracks = [places(column) for column in columns]
    n = len(columns)
    lines = [
        [_height(column, track[i], data["tid"][i]) for column, track in zip(columns, tracks, strict=True)]
        for i in chosen
    ]
    has_inactive = any(value is None for column in columns for value in column["values"])
    made = chart(
        "", "", palette, height=HEIGHT + 90, output_backend="canvas", x_axis_location=None, y_axis_location=None,
        x_range=Range1d(start=-0.25, end=max(n - 0.6, 0.6)),
        y_range=Range1d(start=BELOW - 0.08 if has_inactive else -0.06, end=1.3),
    )  # fmt: skip
    ranks = LinearColorMapper(palette=SCALE, low=0, high=1)
    table = source({
        "xs": [list(range(n)) for _ in chosen], "ys": lines, "rank": [data["rank"][i] for i in chosen],
        "tid": [data["tid"][i] for i in chosen], "loss": [data["loss"][i] for i in chosen],
    })  # fmt: skip
    drawn = made.multi_line(
        "xs", "ys", source=table, line_color={"field": "rank", "transform": ranks}, line_alpha=0.55, line_width=1.3
    )
    tooltips(made, [drawn], [("trial", "@tid"), ("loss", "@loss")])
    if lines:
        made.line(list(range(n)), lines[-1], color=palette.best, line_width=3)
    names = labels_on_axis([column["label"] for column in columns], 24)
    for place, (column, name) in enumerate(zip(columns, names, strict=True)):
        made.line([place, place], [0, 1], color=palette.text, line_width=1)
        ticks = _ticks(column)
        look = {"text_font_size": "11px", "text_color": palette.text, "text_baseline": "middle"}
        made.text(
            [place] * len(ticks), [at for at, _ in ticks], [text for _, text in ticks], x_offset=4,
            background_fill_color=palette.ground, background_fill_alpha=0.6, **look,
        )  # fmt: skip
        made.text([place], [1.06], [name], text_font_style="bold", text_align="left", angle=0.3, **look)
    if has_inactive:
        made.text([-0.2], [BELOW], ["inactive"], text_font_size="11px", text_color=palette.text, text_baseline="middle")
    made.add_layout(_ranks(ranks, palette), "right")
    finish(made, palette)
    made.grid.visible = False
    return made


def _ranks(mapper: Any, palette: Palette) -> Any:
    return ColorBar(
        color_mapper=mapper, width=10, title="rank (0: best)", title_text_font_style="normal", background_fill_alpha=0,
        title_text_color=palette.text, major_label_text_color=palette.text, bar_line_color=None, padding=4,
        title_text_font_size="11px",
    )  # fmt: skip


def _height(column: LabelColumn, place: float | None, tid: int) -> float:
    if place is None:
        return BELOW
    apart = 0.5 * (spread(tid) - 0.5) / len(column["options"]) if column["is_category"] else 0.0
    return min(max(place + apart, 0.0), 1.0)


def _ticks(column: LabelColumn) -> list[tuple[float, str]]:
    if column["is_category"]:
        n = len(column["options"])
        return [((at + 0.5) / n, label(column["options"][at], 12)) for at in range(0, n, math.ceil(n / 12))]
    low, high = column["low"], column["high"]
    if low is None or high is None:
        return []
    middle = math.sqrt(low * high) if column["is_log"] else (low + high) / 2.0
    return [(0.0, f"{low:.3g}"), (0.5, f"{middle:.3g}"), (1.0, f"{high:.3g}")]


def _text(column: LabelColumn, value: float | None) -> str:
    if value is None:
        return "inactive"
    return label(column["options"][int(value)]) if column["is_category"] else f"{value:.6g}"
