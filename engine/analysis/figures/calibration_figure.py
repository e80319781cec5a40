"""The figure of calibration: how far the model of a search was right."""

from __future__ import annotations

from typing import Any

from hstore.engine.analysis.calibration_data import CalibrationData, limits
from hstore.engine.analysis.figures.canvas import COLORS, axes_on, legend, titled

_LOOKS = {
    "68": ("within the 68 %", COLORS["ok"], "o"), "95": ("within the 95 %", COLORS["pruned"], "D"),
    "no": ("outside", COLORS["failed"], "x"),
}  # fmt: skip


def draw_calibration(data: CalibrationData, on: Any = None) -> Any:
    """Draw each loss over what the model expected of it, with a bar where it expected 68 %; return the axes."""
    axes = axes_on(on, size=(5.6, 4.6))
    for kind, (name, color, mark) in _LOOKS.items():
        mine = [n for n, within in enumerate(data["within"]) if within == kind]
        if not mine:
            continue
        x, y = [data["median"][n] for n in mine], [data["loss"][n] for n in mine]
        bars = [[x[i] - data["low_68"][n] for i, n in enumerate(mine)],
                [data["high_68"][n] - x[i] for i, n in enumerate(mine)]]  # fmt: skip
        axes.errorbar(x, y, xerr=[[max(0.0, each) for each in side] for side in bars], fmt="none", ecolor=color,
                      alpha=0.35, elinewidth=0.8)  # fmt: skip
        axes.scatter(x, y, marker=mark, color=color, s=18, label=f"{name} ({len(mine)})", zorder=3)
    if (ends := limits(data)) is not None:
        axes.plot(ends, ends, color="#888888", linestyle="--", linewidth=1.0, label="as expected", zorder=1)
        axes.set(xlim=ends, ylim=ends)
    axes.set(xlabel="expected loss (median)", ylabel="loss", title=titled(data["name"]))
    legend(axes, loc="best")
    return axes
