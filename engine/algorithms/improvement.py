"""The expected hypervolume improvement: by how much a point is expected to enlarge the volume that a front dominates.

Emmerich, Giannakoglou and Naujoks, Single- and Multiobjective Evolutionary Optimization Assisted by Gaussian Random
Field Metamodels (IEEE TEC 2006). It is exact for one, two and three losses that are normal and independent: the space
that the front does not dominate is cut into boxes, and the expected improvement within a box is a product over the
losses. A front of p points in three losses leaves at most 2 p + 1 boxes (Lacour, Klamroth and Fonseca, A box
decomposition algorithm to compute the hypervolume indicator, 2017).

Notation (k: losses, p: points of the front, b: boxes, c: cuts along one loss, m: points asked about):

    front        (p, k)  losses that are to be improved on, in any unit; lower is better
    reference    (k,)    the corner that bounds the volume, worse than the front in each loss
    mean, sigma  (m, k)  predicted means and deviations of the losses of a point, in the unit of the front
    bounds       k times (c,)    the values at which there are cuts
    lower, upper (b, k)  the bounds of each box, by their place
    improvement  (m,)    a volume: the product of the units of the losses, times the weights
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
    """For each loss (c,) the ascending values at which there are cuts, the last of them the reference's."""
    lower: Integers
    """(b, k) Each box's lower bound by its place in *bounds*, counted from 1; 0 is minus infinity."""
    upper: Integers
    """(b, k) Likewise each box's upper bound."""
    weights: tuple[Floats, ...]
    """For each loss (c,) the weight of one unit of it, between the bound before and each bound."""


def boxes(front: Floats, reference: Floats) -> Boxes:
    """Return the space that is better than *reference* and that no point of *front* dominates, cut into boxes.

    front: (p, k), of one to three losses. Points that are not better than *reference* (k,) in each loss are ignored.
    All weights are 1.
    """
    below = front[(front < reference).all(axis=1)]
    cuts = [np.unique(column) for column in below.T]
    ranks = [1 + np.searchsorted(cut, column) for cut, column in zip(cuts, below.T, strict=True)]
    bounds = tuple(np.append(cut, end) for cut, end in zip(cuts, reference, strict=True))
    places = zip(*(rank.tolist() for rank in ranks), strict=True)
    table = np.array(_cut([*places], [len(b) for b in bounds]), dtype=np.intp).reshape(-1, len(bounds), 2)
    return Boxes(bounds, table[:, :, 0], table[:, :, 1], tuple(np.ones(len(b)) for b in bounds))


def _cut(points: Sequence[tuple[int, ...]], last: Sequence[int]) -> list[_Box]:
    """Return the boxes below *last*, the places of the reference's bounds, that none of *points* dominates."""
    if len(last) == 1:
        return [((0, min((point[0] for point in points), default=last[0])),)]
    if len(last) == 2:
        return _stairs(points, last)[1]
    # A sweep along the third loss: at each point some boxes that are free in the other two end, and others begin.
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
    """Return (m,) the expected improvement by points with predicted *mean* (m, k) and deviation *sigma* (m, k)."""
    product = np.ones((len(mean), len(cut.lower)))
    for j in range(mean.shape[1]):
        product *= _between(cut, j, _expected(cut, j, mean[:, j], sigma[:, j])[0])
    return np.asarray(product.sum(axis=1))


def improvement_slopes(cut: Boxes, mean: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Return what `improvement` does, and its derivatives (m, k) by *mean* and by *sigma*."""
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
    """Return (m, b) by how much *table* (m, c + 1) grows between the bounds of each box in loss *j*."""
    return np.asarray(table[:, cut.upper[:, j]] - table[:, cut.lower[:, j]])


def _expected(cut: Boxes, j: int, mean: Floats, sigma: Floats) -> tuple[Floats, Floats, Floats]:
    """Return E max(bound - loss, 0) for each bound of loss *j*, weighed, and its derivatives by *mean* and *sigma*.

    mean, sigma: (m,). The result is three times (m, c + 1), with 0 for minus infinity in the first column.
    """
    from scipy.special import ndtr

    z = (cut.bounds[j] - mean[:, None]) / sigma[:, None]
    density, mass = np.exp(-0.5 * z * z) / _ROOT_2_PI, ndtr(z)
    value = np.maximum(sigma[:, None] * (density + z * mass), 0.0)
    return _weighed(cut, j, value), _weighed(cut, j, -mass), _weighed(cut, j, density)


def _weighed(cut: Boxes, j: int, table: Floats) -> Floats:
    """Return (m, c + 1) *table* (m, c) with each step from bound to bound taken times its weight, and 0 before."""
    whole = np.zeros((len(table), table.shape[1] + 1))
    np.cumsum(np.diff(table, axis=1, prepend=0.0) * cut.weights[j], axis=1, out=whole[:, 1:])
    return whole
