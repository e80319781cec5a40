"""Where values of a label are drawn: ends of its axis, a band for those that are not active, jitter. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hstore.engine.analysis.trial_columns import LabelColumn

BAND, GAP = 0.12, 0.04
"""Of the width of an axis: how wide the band of inactive trials is, and how far from the values."""


class LabelScale:
    """The scale of the axis of one label; a *place* on it is 0 at its least value and 1 at its greatest."""

    def __init__(self, column: LabelColumn) -> None:
        self.column = column
        self.is_log = column["is_log"]
        self.has_band = any(value is None for value in column["values"])
        self.low, self.high = _ends(column)

    def positions(self, tids: Sequence[int], values: Sequence[float | None]) -> list[float]:
        """Return where *values* of trials *tids* are drawn; those that are None spread over the band."""
        return [
            self.outside(spread(tid)) if value is None else (max(value, self.low) if self.is_log else value)
            for tid, value in zip(tids, values, strict=True)
        ]

    def at(self, place: float) -> float:
        """Return what is at *place* of the axis."""
        if self.is_log:
            low, high = math.log(self.low), math.log(self.high)
            return math.exp(low + place * (high - low))
        return self.low + place * (self.high - self.low)

    def outside(self, part: float) -> float:
        """Return what is at *part* of the width of the band, 0 at its side that is near to the values."""
        return self.at(-(GAP / 2.0 + (0.15 + 0.7 * part) * (BAND + GAP / 2.0)))

    @property
    def band(self) -> tuple[float, float]:
        """The ends of the band."""
        return self.at(-(BAND + GAP)), self.at(-GAP / 2.0)

    @property
    def limits(self) -> tuple[float, float]:
        """The ends of the axis, with its band and a little room."""
        margin = 0.0 if self.column["is_category"] else 0.02
        return self.at(-(BAND + GAP) if self.has_band else -margin), self.at(1.0 + margin)


def jittered(
    column: LabelColumn, tids: Sequence[int], values: Sequence[float | None], *, other: bool = False
) -> list[float | None]:
    """Return *values*, those of categories spread around the position of their option, where marks would coincide."""
    if not column["is_category"]:
        return list(values)
    return [
        None if v is None else v + 0.6 * (spread(tid, other=other) - 0.5) for tid, v in zip(tids, values, strict=True)
    ]


def spread(tid: int, *, other: bool = False) -> float:
    """Return a number in [0, 1) for *tid*, evenly spread over successive ones; *other*: unlike those without it."""
    return tid * (0.7548776662466927 if other else 0.6180339887498949) % 1.0


def _ends(column: LabelColumn) -> tuple[float, float]:
    if column["is_category"]:
        return -0.5, len(column["options"]) - 0.5
    low, high = column["low"], column["high"]
    if low is None or high is None:  # unbounded, and without a value
        return (0.1, 10.0) if column["is_log"] else (0.0, 1.0)
    if low == high:
        return (low / 2.0, high * 2.0) if column["is_log"] else (low - 0.5, high + 0.5)
    return low, high
