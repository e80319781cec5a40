"""What all interactive figures share: frame, tooltips, taps, legends, and axes of labels with an inactive band."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from bokeh.models import BasicTickFormatter, ColumnDataSource, FixedTicker, HoverTool, PlainText, Range1d, TapTool
from bokeh.models.annotations import BoxAnnotation, Label
from bokeh.plotting import figure

from hstore.engine.analysis.interactive.palette import PALETTES, Palette
from hstore.engine.analysis.label_scale import LabelScale
from hstore.engine.analysis.short_labels import middle_cut, short_labels
from hstore.engine.analysis.trial_columns import LabelColumn
from hstore.store.terminal_text import printable

HEIGHT = 300
TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
MARKS = {
    "ok": "circle", "infeasible": "diamond", "pruned": "inverted_triangle", "failed": "x", "void": "cross",
    "cancelled": "cross", "unfinished": "square",
}  # fmt: skip
"""Outcomes differ by mark as well as by colour."""
_TICK_LETTERS = 14
_MOST_TICKS = 24
_MANY = 2000
WIDEST = 1e300
"""Where an axis ends: the difference of two losses that are greater may be none of the numbers."""


def palette_of(theme: str) -> Palette:
    """Return the colours of *theme*."""
    return PALETTES["dark" if theme == "dark" else "light"]


def chart(
    x: str, y: str, palette: Palette, *, height: int = HEIGHT, is_filled_later: bool = False, **options: Any
) -> Any:
    """Return an empty figure with named axes. is_filled_later: the page sets the ranges with the data."""
    if is_filled_later:
        options |= {"x_range": Range1d(start=0, end=1), "y_range": Range1d(start=0, end=1)}
    made = figure(**{
        "height": height, "sizing_mode": "stretch_width", "tools": TOOLS, "output_backend": "webgl",
        "toolbar_location": "above", "active_drag": "box_zoom", **options,
    })  # fmt: skip
    for axis, name, room in ((made.xaxis, x, 44), (made.yaxis, y, max(24, height // 8))):
        if name:
            axis.axis_label = PlainText(text=label(name, room))
    if x == "trial":  # a number that people look up, not a quantity: 20000, not 2.000e+4
        made.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    return made


def finish(made: Any, palette: Palette) -> Any:
    """Give *made* its colours and its legend, and return it."""
    made.background_fill_color = made.border_fill_color = None
    made.outline_line_color = palette.grid
    made.grid.grid_line_color = palette.grid
    made.toolbar.logo = None
    made.toolbar.autohide = True
    for axis in made.axis:
        axis.axis_label_text_color = axis.major_label_text_color = palette.text
        axis.axis_line_color = axis.major_tick_line_color = palette.muted
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
    for legend in made.legend:
        legend.background_fill_alpha = 0
        legend.border_line_color = None
        legend.label_text_color = palette.text
        legend.orientation = "horizontal"
        legend.click_policy = "hide"
        legend.padding = legend.margin = 2
        legend.ncols = 3
    if made.legend:
        made.add_layout(made.legend[0], "below")
    return made


def source(columns: Mapping[str, Any], name: str | None = None) -> Any:
    """Return *columns* as Bokeh takes them; None becomes NaN, which is not drawn."""
    return ColumnDataSource({key: [_drawable(value) for value in column] for key, column in columns.items()}, name=name)


def tooltips(made: Any, renderers: list[Any], lines: list[tuple[str, str]]) -> None:
    """Show *lines* where the mouse is over *renderers*."""
    made.add_tools(HoverTool(renderers=renderers, tooltips=lines))


def taps(made: Any, renderers: list[Any]) -> None:
    """Let points of *renderers* be clicked: the page opens their trial."""
    made.add_tools(TapTool(renderers=renderers))


def mark_size(n: int) -> dict[str, Any]:
    """Return how *n* marks are drawn: small and pale if they are many."""
    return {"size": 6, "alpha": 0.75} if n <= _MANY else {"size": 4, "alpha": 0.4}


def outcome_color(outcome: str, palette: Palette) -> str:
    """Return the colour of trials with *outcome*."""
    return {
        "ok": palette.done, "failed": palette.failed, "infeasible": palette.series[3], "pruned": palette.series[4],
        "unfinished": palette.series[5],
    }.get(outcome, palette.muted)  # fmt: skip


def label(text: str, length: int = 40) -> str:
    """Return *text* in one line, cut in its middle to *length*, that Bokeh does not take for mathematics."""
    shown = middle_cut(printable(text), length)
    for sign in ("$$", r"\[", r"\("):  # wherever they are in it
        shown = shown.replace(sign, f"{sign[0]}\u200b{sign[1]}")
    return shown


def labels_on_axis(texts: Sequence[str], length: int) -> list[str]:
    """Return *texts* for one axis, each in at most *length* columns, all different; see `label`."""
    return [label(text, 2 * length) for text in short_labels(texts, length)]


def range_over(low: float, high: float, share: float = 0.06) -> Any:
    """Return the range from *low* to *high*, with a margin of that *share*, at most as wide as Bokeh can draw."""
    low, high = max(low, -WIDEST), min(high, WIDEST)
    margin = share * (high - low or abs(high) or 1.0)
    return Range1d(start=low - margin, end=high + margin)


def axis_type(column: LabelColumn) -> str:
    """Return the kind of an axis of *column*."""
    return "log" if column["is_log"] else "linear"


def range_of(scale: LabelScale) -> Any:
    """Return the range of an axis on *scale*."""
    low, high = scale.limits
    return Range1d(start=low, end=high)


def finish_axis(made: Any, which: str, scale: LabelScale, palette: Palette) -> None:
    """Name the options on an axis (x or y) of *made*, and draw its band of trials in which the label is not active."""
    column, axis = scale.column, getattr(made, f"{which}axis")[0]
    if column["is_category"]:
        options = column["options"]
        shown = range(0, len(options), max(1, math.ceil(len(options) / _MOST_TICKS)))
        axis.ticker = FixedTicker(ticks=list(shown))
        texts = labels_on_axis([options[n] for n in shown], _TICK_LETTERS)
        axis.major_label_overrides = dict(zip(shown, texts, strict=True))
        if which == "x" and (len(options) > 4 or max(map(len, options)) > 7):
            axis.major_label_orientation = 0.6
    if not scale.has_band:
        return
    far, near = scale.band
    ends: dict[str, Any] = {"left": far, "right": near} if which == "x" else {"bottom": far, "top": near}
    made.add_layout(BoxAnnotation(**ends, fill_color=palette.muted, fill_alpha=0.18, line_color=None, level="underlay"))
    look: dict[str, Any] = {"text": "inactive", "text_font_size": "10px", "text_color": palette.text}
    if which == "x":
        look |= {"x": scale.outside(0.5), "y": 4, "y_units": "screen", "angle": math.pi / 2, "text_baseline": "middle"}
    else:
        look |= {"x": 4, "x_units": "screen", "y": scale.outside(0.5), "text_baseline": "middle"}
    made.add_layout(Label(**look))


def _drawable(value: Any) -> Any:
    return math.nan if value is None else value
