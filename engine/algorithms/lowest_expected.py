"""Lowest expected loss: the tried point that has it, which under noise need not be the one with the lowest loss.

Of many noisy losses the lowest is as much luck as merit. Whether losses are noisy is decided by evidence alone: losses
of one point that differ, or variances that the objective reports. The noise that a Gaussian process fits is none: to
losses that are only rugged it fits as much (0.6 of their variance on Griewank's function).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.expected import expected_at
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.repeated import Evaluations, are_noisy, by_point, deviation_of_one
from hstore.engine.algorithms.warping import unwarped
from hstore.engine.space import Space

Floats = NDArray[np.float64]


class Recommended(NamedTuple):
    """The point that is recommended, and what is expected of it, in the unit of the loss."""

    tids: Sequence[int]
    """The trials that evaluated it."""
    expected: float
    deviation: float
    """Of the expected loss: how far the mean of many more evaluations may lie from it. 0 where losses are not noisy."""
    noise: float
    """The standard deviation of one evaluation; 0 where losses are not noisy."""


def recommended(space: Space, history: History, variances: Floats) -> Recommended | None:
    """Return the recommended point of *history*, whose trials are all ranked or void; None if none is ranked.

    variances: (N,) what the objective reported as the variance of each loss; nan where it reported none.
    """
    points = [point for point in by_point(history) if point.losses]
    if not points:
        return None
    noise = _noise(points, variances)
    if not noise > 0.0:
        lowest = min(points, key=lambda point: (min(point.losses), point.tids[0]))
        return Recommended(lowest.tids, min(lowest.losses), 0.0, 0.0)
    expected = _by_model(space, history, points)
    if expected is None:
        expected = [(point.mean, noise / math.sqrt(len(point.losses))) for point in points]
    best = min(range(len(points)), key=lambda k: sum(expected[k]))
    return Recommended(points[best].tids, *expected[best], noise)


def _noise(points: Sequence[Evaluations], variances: Floats) -> float:
    """Return the standard deviation of one evaluation; 0 without evidence of any."""
    if are_noisy(points):
        return deviation_of_one(points) or 0.0
    known_ones = variances[np.isfinite(variances) & (variances > 0.0)]
    largest = float(known_ones.max(initial=0.0))
    return math.sqrt(largest) * math.sqrt(float((known_ones / largest).mean())) if largest else 0.0


def _by_model(space: Space, history: History, points: Sequence[Evaluations]) -> list[tuple[float, float]] | None:
    """Return what the process of `gp` expects at each of *points*, and its deviation; None without a process."""
    found = expected_at(space, history, [point.tids[0] for point in points])
    if found is None:
        return None
    means, sigmas, model, losses = found
    low, middle, high = (unwarped(means + by * sigmas, model.warped, losses) for by in (-1.0, 0.0, 1.0))
    return [*zip(middle.tolist(), (0.5 * (high - low)).tolist(), strict=True)]
