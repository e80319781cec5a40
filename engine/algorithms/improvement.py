"""The expected hypervolume improvement: how much more than a front of losses a point is expected to do better than.

Emmerich, Giannakoglou and Naujoks, Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
Field Metamodels (IEEE TEC 2006). It is exact for one, two and three losses that are normal and independent: the space
that the front leaves is cut into boxes, and what is expected of a box is a product over the losses. A front of n points
in three losses leaves at most 2 n + 1 boxes (Lacour, Klamroth and Fonseca, A box decomposition algorithm to compute the
hypervolume indicator, 2017).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]
_Box: TypeAlias = tuple[tuple[int, int], ...]
"""For each loss the places of its two bounds."""

_ROOT_2_PI = math.sqrt(2.0 * math.pi)


class Boxes(NamedTuple):
    """Boxes that do not overlap, cut along a grid."""

    bounds: tuple[Floats, ...]
    """For each loss the ascending values at which there are cuts, the last of them the reference's."""
    lower: Integers
    """(boxes, losses) Each box's lower bound by its place in *bounds*, counted from 1; 0 is minus infinity."""
    upper: Integers
    weights: tuple[Floats, ...]
    """For each loss how much a unit of it counts, below each of the bounds."""


def boxes(front: Floats, reference: Floats) -> Boxes:
    """Return what is better than *reference* in everything and no point of *front* is as good as, cut into boxes.

    front: points x losses, of which there are up to three. Points that are not better than *reference* in everything
    take nothing away. Each unit of a loss counts 1.
    """
    below = front[(front < reference).all(axis=1)]
    cuts = [np.unique(column) for column in below.T]
    ranks = [1 + np.searchsorted(cut, column) for cut, column in zip(cuts, below.T, strict=True)]
    bounds = tuple(np.append(cut, end) for cut, end in zip(cuts, reference, strict=True))
    places = zip(*(rank.tolist() for rank in ranks), strict=True)
    table = np.array(_cut([*places], [len(b) for b in bounds]), dtype=np.intp).reshape(-1, len(bounds), 2)
    return Boxes(bounds, table[:, :, 0], table[:, :, 1], tuple(np.ones(len(b)) for b in bounds))


def _cut(points: Sequence[tuple[int, ...]], last: Sequence[int]) -> list[_Box]:
    if len(last) == 1:
        return [((0, min((point[0] for point in points), default=last[0])),)]
    if len(last) == 2:
        return _stairs(points, last)[1]
    # A sweep along the third loss: where a point comes in, some of what is free in the other two ends, and some begins.
    seen: list[tuple[int, ...]] = []
    since: dict[_Box, int] = dict.fromkeys(_stairs(seen, last)[1], 0)
    found: list[_Box] = []
    for height in sorted({point[2] for point in points}):
        seen, free = _stairs([*seen, *(point for point in points if point[2] == height)], last)
        before, since = since, {box: since.get(box, height) for box in free}
        found += [(*box, (start, height)) for box, start in before.items() if box not in since]
    return found + [(*box, (start, last[2])) for box, start in since.items()]


def _stairs(points: Iterable[tuple[int, ...]], last: Sequence[int]) -> tuple[list[tuple[int, ...]], list[_Box]]:
    """Return those of *points* that no other dominates in the first two losses, and what is free below them."""
    corners: list[tuple[int, ...]] = []
    found: list[_Box] = []
    width, start = last[0], 0
    for point in sorted(points, key=lambda p: (p[1], p[0])):
        if point[0] < width:
            found.append(((0, width), (start, point[1])))
            corners.append(point)
            width, start = point[0], point[1]
    return corners, [*found, ((0, width), (start, last[1]))]


def improvement(cut: Boxes, mean: Floats, sigma: Floats) -> Floats:
    """Return (n,) the expected improvement by points of which (n, losses) *mean* and deviation *sigma* are expected."""
    product = np.ones((len(mean), len(cut.lower)))
    for j in range(mean.shape[1]):
        product *= _between(cut, j, _expected(cut, j, mean[:, j], sigma[:, j])[0])
    return np.asarray(product.sum(axis=1))


def improvement_slopes(cut: Boxes, mean: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what `improvement` does, and its derivatives by *mean* and *sigma*, of their shape."""
    k = mean.shape[1]
    tables = [[_between(cut, j, t) for t in _expected(cut, j, mean[:, j], sigma[:, j])] for j in range(k)]
    by_mean, by_sigma = np.empty_like(mean), np.empty_like(sigma)
    for j, (_, d_mean, d_sigma) in enumerate(tables):
        others = np.ones_like(d_mean)
        for i in range(k):
            if i != j:
                others *= tables[i][0]
        by_mean[:, j] = (others * d_mean).sum(axis=1)
        by_sigma[:, j] = (others * d_sigma).sum(axis=1)
    return np.asarray((others * tables[-1][0]).sum(axis=1)), by_mean, by_sigma


def _between(cut: Boxes, j: int, table: Floats) -> Floats:
    return np.asarray(table[:, cut.upper[:, j]] - table[:, cut.lower[:, j]])


def _expected(cut: Boxes, j: int, mean: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Return (n, bounds + 1) E max(bound - loss, 0), weighed, and its derivatives by *mean* and *sigma* (n,)."""
    from scipy.special import ndtr

    z = (cut.bounds[j] - mean[:, None]) / sigma[:, None]
    density, mass = np.exp(-0.5 * z * z) / _ROOT_2_PI, ndtr(z)
    value = np.maximum(sigma[:, None] * (density + z * mass), 0.0)
    return _weighed(cut, j, value), _weighed(cut, j, -mass), _weighed(cut, j, density)


def _weighed(cut: Boxes, j: int, table: Floats) -> Floats:
    whole = np.zeros((len(table), table.shape[1] + 1))
    np.cumsum(np.diff(table, axis=1, prepend=0.0) * cut.weights[j], axis=1, out=whole[:, 1:])
    return whole
