"""What the figure of calibration shows, as plain columns: losses beside what the model expected of them. Pure."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypedDict

from hstore.engine.analysis.loss_data import cut

Within: TypeAlias = Literal["68", "95", "no"]


class CalibrationData(TypedDict):
    """The trials with a prediction and a loss; all lists have one entry a trial. `calibration_data` makes it."""

    name: str
    tid: list[int]
    loss: list[float]
    median: list[float]
    """What was expected; in the unit of the loss, as the ends of the intervals."""
    low_68: list[float]
    high_68: list[float]
    low_95: list[float]
    high_95: list[float]
    within: list[Within]
    """Where the loss came out: where the model expected 68 % of them, 95 %, or outside."""


def limits(data: CalibrationData) -> tuple[float, float] | None:
    """Return the ends of both axes, beyond which a few losses and medians may be; None without trials."""
    if not data["loss"]:
        return None
    medians = sorted(data["median"])
    low = min(*data["loss"], medians[0])
    high = max(cut(data["loss"]) or max(data["loss"]), medians[len(medians) * 9 // 10 - (len(medians) > 9)])
    margin = 0.05 * (high - low or abs(high) or 1.0)
    return low - margin, high + margin
