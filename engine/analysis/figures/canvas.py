"""What all figures share: where they are drawn, their colours, and axes of labels with a band for "inactive".

matplotlib is imported when something is drawn, so the data behind figures needs no matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from hstore.engine.analysis.label_data import places
from hstore.engine.analysis.label_scale import LabelScale
from hstore.engine.analysis.trial_columns import LabelColumn
from hstore.store.errors import CannotLoad, InvalidValue

MANY = 500
"""Marks beyond which they are small, and drawn as a picture within an SVG or PDF."""
COLORS = {
    "ok": "#0072B2", "infeasible": "#CC79A7", "pruned": "#E69F00", "failed": "#000000", "void": "#999999",
    "cancelled": "#999999", "unfinished": "#56B4E9",
}  # fmt: skip
"""By outcome; those of Okabe and Ito, which people with any colour vision can tell apart."""
MARKERS = {"ok": "o", "infeasible": "D", "pruned": "v", "failed": "x", "void": "+", "cancelled": "+", "unfinished": "s"}
BEST = "#D55E00"
RANKS = "viridis"
"""Colour map of ranks: the best are dark."""
CYCLE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_LONG_TICK = 16


def figure_on(on: Any, *, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """Return the figure to draw panels on: *on*, or a new one; raises `InvalidValue` for axes, which hold one panel."""
    if on is None:
        return _pyplot().figure(figsize=size, layout="constrained")
    if not hasattr(on, "subplots"):
        raise InvalidValue("this figure has several panels, so it cannot be drawn on one axes", hint="pass a Figure")
    return on


def axes_on(on: Any, *, size: tuple[float, float] = (6.4, 4.0)) -> Any:
    """Return the axes to draw on: *on*, or the only ones of a figure, or those of a new figure."""
    if on is None:
        return _pyplot().subplots(figsize=size, layout="constrained")[1]
    if hasattr(on, "subplots"):
        return on.subplots()
    if not hasattr(on, "scatter"):
        raise InvalidValue(f"{on!r:.60} is nothing to draw on", hint="pass matplotlib axes or a Figure")
    return on


def _pyplot() -> Any:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise CannotLoad(f"figures need {error.name}", hint="pip install 'hstore[plot]'") from error
    return plt


def mark_size(n: int) -> dict[str, Any]:
    """Return how *n* marks are drawn: small and pale if they are many, and as one picture in vector files."""
    if n <= MANY:
        return {"s": 18.0, "alpha": 0.8, "linewidths": 0.8}
    return {"s": 5.0, "alpha": max(0.15, 0.8 * (MANY / n) ** 0.4), "linewidths": 0.4, "rasterized": True}


def mark(axes: Any, x: Sequence[float], y: Sequence[float], outcome: str, *, total: int, **how: Any) -> None:
    """Draw trials of one *outcome*, of *total* trials in the panel, and name it with their number for the legend."""
    label = f"{outcome} ({len(x):,})"
    color = {} if "c" in how else {"color": COLORS[outcome]}
    axes.scatter(x, y, marker=MARKERS[outcome], label=label, **{**mark_size(total), **color, **how})


def legend(on: Any, *, of: Any = None, **how: Any) -> None:
    """Show a legend on axes or a figure, of the marks of axes *of* (*on* itself by default); none without names."""
    handles, names = (of or on).get_legend_handles_labels()
    if not handles:
        return
    shown = on.legend(handles, names, fontsize="small", framealpha=0.85, **({"loc": "upper right"} | how))
    for handle in shown.legend_handles:
        if hasattr(handle, "set_sizes"):
            handle.set_sizes([18.0])
        if hasattr(handle, "set_sizes") or not hasattr(handle, "get_facecolor"):  # marks and lines, not areas
            handle.set_alpha(1.0)


def rug(axes: Any, x: Sequence[float], outcome: str, *, total: int) -> None:
    """Mark trials of one *outcome* that have no loss by strokes at the lower edge."""
    look = {**mark_size(total), "s": 20.0, "marker": "|", "color": COLORS[outcome]}
    axes.scatter(x, [0.025] * len(x), transform=axes.get_xaxis_transform(), label=f"{outcome}, no loss ({len(x):,})",
                 zorder=3, **look)  # fmt: skip


def titled(text: str) -> str:
    """Return *text*, such as the name of a search, as matplotlib shows it: a $ there begins no formula."""
    return printable_short(text).replace("$", r"\$")


def printable_short(text: str, length: int = 60) -> str:
    """Return *text* in one line, cut to *length*."""
    from hstore.store.terminal_text import printable, shortened

    return shortened(printable(text), length)


class LabelAxis(LabelScale):
    """One axis (x or y) of a panel that shows a label: its scale, ticks, and a band for trials without a value."""

    def __init__(self, axes: Any, which: str, column: LabelColumn) -> None:
        super().__init__(column)
        self.axes, self.which = axes, which
        if self.is_log:
            axes.set(**{f"{which}scale": "log"})

    def finish(self) -> None:
        """Set limits and ticks, and draw the band; to be called when everything else is drawn."""
        axes, which, column = self.axes, self.which, self.column
        axis = getattr(axes, f"{which}axis")
        if column["is_category"]:
            options = [titled(printable_short(option, _LONG_TICK)) for option in column["options"]]
            axis.set_ticks(_thinned(range(len(options))), _thinned(options))
            if which == "x" and (len(options) > 4 or max(map(len, options)) > 7):
                axis.set_tick_params(rotation=30)
                for tick in axes.get_xticklabels():
                    tick.set(ha="right", rotation_mode="anchor")
        elif self.has_band:
            for is_minor in (False, True):
                found = [tick for tick in axis.get_ticklocs(minor=is_minor) if self.low <= tick <= self.high]
                if found:
                    axis.set_ticks(found, minor=is_minor)
        axes.set(**{f"{which}lim": self.limits})
        if self.has_band:
            self._draw_band()
        axes.set(**{f"{which}label": titled(column["label"])})

    def _draw_band(self) -> None:
        from matplotlib.transforms import blended_transform_factory as blended

        axes, (far, near) = self.axes, self.band
        span = axes.axvspan if self.which == "x" else axes.axhspan
        span(far, near, color="#888888", alpha=0.18, linewidth=0, zorder=0)
        middle = self.outside(0.5)
        look = {"ha": "center", "va": "center", "fontsize": "x-small", "color": "#444444", "zorder": 5}
        if self.which == "x":
            axes.text(middle, 0.97, "inactive", transform=blended(axes.transData, axes.transAxes), rotation=90,
                      **{**look, "va": "top"})  # fmt: skip
        else:
            axes.text(0.02, middle, "inactive", transform=blended(axes.transAxes, axes.transData),
                      **{**look, "ha": "left"})  # fmt: skip


def heights(column: LabelColumn) -> list[float | None]:
    """Return where in its range each value of *column* is drawn, 0 to 1."""
    return [None if place is None else min(max(place, 0.0), 1.0) for place in places(column)]


def _thinned(values: Iterable[Any]) -> list[Any]:
    every = list(values)
    return every[:: max(1, math.ceil(len(every) / 24))]
