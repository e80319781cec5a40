"""The hypervolume of a set of losses: how much of the space below a reference point they cover."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hstore.store.errors import InvalidValue


def hypervolume(losses: ArrayLike, reference: Sequence[float]) -> float:
    """Return the volume of what is at least as bad as one of *losses* in everything and better than *reference*.

    losses: points x objectives; those that are not better than *reference* in everything add nothing, nor does NaN.
    Zitzler and Thiele, Multiobjective Optimization Using Evolutionary Algorithms (PPSN 1998); computed slice by slice
    along one objective after the other, which takes n log n steps for n points with two losses, and at most n times as
    many for each further one. Raises `InvalidValue` for points of another length than *reference*.
    """
    bound = np.asarray(reference, dtype=float)
    points = np.asarray(losses, dtype=float)
    if not points.size:
        return 0.0
    if points.ndim != 2 or points.shape[1] != len(bound):
        raise InvalidValue(f"losses of shape {points.shape} do not go with {len(bound)} numbers of the reference")
    return _volume(points[(points < bound).all(axis=1)], bound)


def _volume(points: NDArray[np.float64], bound: NDArray[np.float64]) -> float:
    if not len(points):
        return 0.0
    if len(bound) == 1:
        return float(bound[0] - points.min())
    points = points[np.argsort(points[:, -1], kind="stable")]
    ends = np.append(points[1:, -1], bound[-1])
    if len(bound) == 2:
        widths = bound[0] - np.minimum.accumulate(points[:, 0])
        return float((widths * (ends - points[:, 1])).sum())
    slices = (
        (end - points[n, -1]) * _volume(points[: n + 1, :-1], bound[:-1])
        for n, end in enumerate(ends)
        if end > points[n, -1]
    )
    return float(sum(slices))
