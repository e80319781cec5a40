"""The charts of the page, as Bokeh figures. Sources that the browser fills and keeps current are named.

Names from a store are plain text in a chart: `PlainText` keeps Bokeh from reading $$…$$ as mathematics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bokeh.embed import json_item
from bokeh.models import ColumnDataSource, HoverTool, LinearColorMapper, PlainText, Range1d, TapTool
from bokeh.plotting import figure

from hstore.cli.page.colours import PALETTES, SCALE, Palette
from hstore.store.terminal_text import printable, shortened

if TYPE_CHECKING:
    from bokeh.models import Model

HEIGHT = 300
TOOLS = "pan,wheel_zoom,box_zoom,reset,save"
MARKS = {"done": "circle", "failed": "x", "muted": "triangle"}
"""Kinds of trials differ by mark as well as by colour."""
LEGEND_NAMES = {"done": "done", "failed": "failed", "muted": "pruned, void or infeasible"}


def item(model: Model) -> dict[str, Any]:
    """Return *model* as `Bokeh.embed.embed_item` takes it."""
    made: dict[str, Any] = dict(json_item(model))
    return made


def history(theme: str) -> Any:
    """Return the losses by trial with the best so far: sources `done`, `failed`, `muted` (tid, loss, text), `best`."""
    palette = PALETTES[theme]
    chart = _chart("trial", "loss", palette, height=HEIGHT, is_filled_later=True)
    for kind, mark in MARKS.items():
        source = ColumnDataSource({"tid": [], "loss": [], "text": []}, name=kind)
        drawn = chart.scatter(
            "tid", "loss", source=source, marker=mark, size=6, color=getattr(palette, kind), alpha=0.75,
            legend_label=LEGEND_NAMES[kind], nonselection_alpha=0.75,
        )  # fmt: skip
        _tooltips(chart, [drawn], [("trial", "@tid"), ("loss", "@text"), ("", LEGEND_NAMES[kind])])
        _taps(chart, [drawn])
    best = ColumnDataSource({"tid": [], "loss": []}, name="best")
    chart.step("tid", "loss", source=best, mode="after", color=palette.best, line_width=2.5, legend_label="best so far")
    _finish(chart, palette)
    for kind, entry in zip(MARKS, chart.legend[0].items, strict=False):
        entry.name = f"legend {kind}"  # the page hides those without points
    return chart


def pareto(theme: str, axes: Sequence[str] = ("first loss", "second loss")) -> Any:
    """Return two losses against each other: sources `trials` and `front` (tid, x, y)."""
    palette = PALETTES[theme]
    chart = _chart(axes[0], axes[1], palette, height=HEIGHT + 60, is_filled_later=True)
    trials = ColumnDataSource({"tid": [], "x": [], "y": []}, name="trials")
    front = ColumnDataSource({"tid": [], "x": [], "y": []}, name="front")
    chart.step("x", "y", source=front, mode="after", color=palette.best, line_width=1.5, line_dash="dashed")
    drawn = [
        chart.scatter("x", "y", source=trials, size=6, color=palette.done, alpha=0.6, legend_label="trials"),
        chart.scatter(
            "x", "y", source=front, size=9, marker="diamond", color=palette.best, legend_label="Pareto front"
        ),
    ]
    _tooltips(chart, drawn, [("trial", "@tid"), ("losses", "@x, @y")])
    _taps(chart, drawn)
    _finish(chart, palette)
    return chart


def comparison(theme: str, names: Sequence[str]) -> Any:
    """Return the best loss so far of several searches: sources `search0`, `search1`, … (tid, loss)."""
    palette = PALETTES[theme]
    chart = _chart("trial", "best loss so far", palette, height=HEIGHT + 80, is_filled_later=True)
    dashes = ("solid", "dashed", "dotted", "dotdash", "dashdot", "solid")
    for n, name in enumerate(names):
        source = ColumnDataSource({"tid": [], "loss": []}, name=f"search{n}")
        drawn = chart.step(
            "tid", "loss", source=source, mode="after", line_width=2.5, color=palette.series[n % 6],
            line_dash=dashes[n % 6], legend_label=_label(name),
        )  # fmt: skip
        _tooltips(chart, [drawn], [("trial", "@tid"), ("best", "@loss")])
    _finish(chart, palette)
    return chart


def curve(theme: str, steps: Sequence[int], values: Sequence[float], attempts: Sequence[int]) -> Any:
    """Return what a trial reported, a line for each attempt."""
    palette = PALETTES[theme]
    chart = _chart("step", "reported value", palette, height=HEIGHT - 40)
    for attempt in sorted(set(attempts)):
        rows = [n for n, each in enumerate(attempts) if each == attempt]
        source = ColumnDataSource({"step": [steps[n] for n in rows], "value": [values[n] for n in rows]})
        colour = palette.series[(attempt - 1) % 6]
        chart.line("step", "value", source=source, line_width=2, color=colour, legend_label=f"attempt {attempt}")
        drawn = chart.scatter("step", "value", source=source, size=6, color=colour)
        _tooltips(chart, [drawn], [("step", "@step"), ("value", "@value"), ("attempt", str(attempt))])
    _finish(chart, palette)
    return chart


def slices(theme: str, table: Mapping[str, Any], label: str, *, is_log: bool) -> Any:
    """Return the loss by the value of *label*; *table* has `tid`, `loss` and `value`, numbers or texts."""
    palette = PALETTES[theme]
    values = table["value"]
    is_text = any(isinstance(value, str) for value in values)
    options: dict[str, Any] = {}
    if is_text:
        values = [_label(str(value)) for value in values]
        options["x_range"] = sorted(set(values))[:40]
    elif is_log and all(value > 0 for value in values):
        options["x_axis_type"] = "log"
    chart = _chart(label, "loss", palette, height=240, **options)
    source = ColumnDataSource({"tid": table["tid"], "loss": table["loss"], "value": values})
    order = LinearColorMapper(palette=SCALE, low=min(table["tid"]), high=max(table["tid"]) + 1)
    drawn = chart.scatter(
        "value", "loss", source=source, size=5, alpha=0.7, line_color=None,
        fill_color={"field": "tid", "transform": order}, nonselection_alpha=0.7,
    )  # fmt: skip
    _tooltips(chart, [drawn], [("trial", "@tid"), ("loss", "@loss"), ("value", "@value")])
    _taps(chart, [drawn])
    _finish(chart, palette)
    return chart


def parallel(theme: str, axes: Sequence[Mapping[str, Any]], losses: Sequence[float]) -> Any:
    """Return one line a trial through all its parameters, the best in the strongest colour and on top.

    axes: of each parameter and of the loss at last `label`, `places` (0 to 1, -0.15 for a parameter that is not active
        in a trial) and `ticks` (place and text).
    """
    palette = PALETTES[theme]
    count = len(axes)
    order = sorted(range(len(losses)), key=lambda n: -losses[n])
    lines = {
        "xs": [list(range(count)) for _ in order],
        "ys": [[axis["places"][n] for axis in axes] for n in order],
        "rank": [place / max(1, len(order) - 1) for place in range(len(order))],
    }
    chart = figure(
        height=HEIGHT + 40, sizing_mode="stretch_width", tools=TOOLS, output_backend="canvas",
        x_range=Range1d(start=-0.3, end=count - 0.7), y_range=Range1d(start=-0.25, end=1.12), toolbar_location="above",
    )  # fmt: skip
    mapper = LinearColorMapper(palette=[palette.grid, palette.muted, palette.done, palette.best], low=0, high=1)
    chart.multi_line(
        "xs", "ys", source=ColumnDataSource(lines), line_color={"field": "rank", "transform": mapper},
        line_alpha=0.5, line_width=1.2,
    )  # fmt: skip
    for place, axis in enumerate(axes):
        chart.line([place, place], [0, 1], color=palette.text, line_width=1)
        x, y = [place] * len(axis["ticks"]), [at for at, _ in axis["ticks"]]
        chart.text(
            x, y, [_label(text) for _, text in axis["ticks"]], text_font_size="11px", text_color=palette.text,
            x_offset=4, text_baseline="middle",
        )  # fmt: skip
        chart.text(
            [place], [1.06], [_label(axis["label"])], text_font_size="12px", text_font_style="bold",
            text_color=palette.text, text_align="center", text_baseline="middle",
        )  # fmt: skip
    if any(at < 0 for axis in axes for at in axis["places"]):
        chart.text([-0.25], [-0.15], ["not active"], text_font_size="11px", text_color=palette.muted)
    _finish(chart, palette)
    chart.axis.visible = False
    chart.grid.visible = False
    return chart


# -- what all have ------------------------------------------------------------------------------------------------


def _chart(x: str, y: str, palette: Palette, *, height: int, is_filled_later: bool = False, **options: Any) -> Any:
    if is_filled_later:  # the page sets the ranges with the data
        options |= {"x_range": Range1d(start=0, end=1), "y_range": Range1d(start=0, end=1)}
    chart = figure(
        height=height, sizing_mode="stretch_width", tools=TOOLS, output_backend="webgl", toolbar_location="above",
        active_drag="box_zoom", **options,
    )  # fmt: skip
    chart.xaxis.axis_label = PlainText(text=_label(x))
    chart.yaxis.axis_label = PlainText(text=_label(y))
    return chart


def _finish(chart: Any, palette: Palette) -> None:
    chart.background_fill_color = chart.border_fill_color = None
    chart.outline_line_color = palette.grid
    chart.grid.grid_line_color = palette.grid
    chart.toolbar.logo = None
    chart.toolbar.autohide = True
    for axis in chart.axis:
        axis.axis_label_text_color = axis.major_label_text_color = palette.text
        axis.axis_line_color = axis.major_tick_line_color = palette.muted
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
    for legend in chart.legend:
        legend.background_fill_alpha = 0
        legend.border_line_color = None
        legend.label_text_color = palette.text
        legend.orientation = "horizontal"
        legend.click_policy = "hide"
        legend.padding = legend.margin = 2
    if chart.legend:
        chart.add_layout(chart.legend[0], "below")


def _tooltips(chart: Any, renderers: list[Any], lines: list[tuple[str, str]]) -> None:
    chart.add_tools(HoverTool(renderers=renderers, tooltips=lines))


def _taps(chart: Any, renderers: list[Any]) -> None:
    chart.add_tools(TapTool(renderers=renderers))


def _label(text: str) -> str:
    shown = shortened(printable(text), 40)
    return f"\u200b{shown}" if shown.startswith(("$$", r"\[", r"\(")) else shown
