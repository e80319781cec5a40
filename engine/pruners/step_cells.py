"""Cells of steps, wider the later they are, and curves by one point for each: a long curve costs little more."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

_GROWTH = 4
"""A cell of steps ends a quarter beyond its beginning."""


class Points(NamedTuple):
    """A curve by a few points, one for each cell of steps, which are wider the later they are."""

    x: list[float]
    y: list[float]


@cache
def _edges() -> list[int]:
    """Return where cells of steps begin: 1, 2, 3, … 8, 10, 12, 15, 18, 22, 27, … ."""
    edges = [1]
    while edges[-1] < 2**64:
        edges.append(edges[-1] + max(1, edges[-1] // _GROWTH))
    return edges


def cell(x: float) -> int:
    """Return which cell step *x* is in, counted from 1 on; 0 below the first step."""
    return bisect_right(_edges(), x)


def points(steps: Sequence[int], values: Sequence[float], until: int | None = None) -> Points:
    """Return the means of ascending *steps* up to *until*, all from 1 on, and of their *values*, in each cell of steps.

    Values that are not finite are left out.
    """
    found = Points([], [])
    at, end = 0, len(steps) if until is None else bisect_right(steps, until)
    while at < end:
        following = min(end, bisect_left(steps, _edges()[cell(steps[at])]))
        known = [k for k in range(at, following) if math.isfinite(values[k])]
        if known:
            found.x.append(sum(steps[k] for k in known) / len(known))
            found.y.append(math.fsum(values[k] / len(known) for k in known))
        at = following
    return found
