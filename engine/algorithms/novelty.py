"""Novelty: points that were tried or are being tried are not suggested again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.exhausted import Exhausted
from hstore.engine.algorithms.finite import Finite, endless, is_separate, remoteness
from hstore.engine.algorithms.history import VOID, History
from hstore.engine.space import Parameter, Point, Space

_PROPOSALS = 64

_LISTED = 512  # points that are all looked at

Repeats: TypeAlias = bool | Literal["endless", "drawn"]


class Tried:
    """The points of all trials but void ones."""

    def __init__(self, space: Space, history: History) -> None:
        self._history = history
        # A continuous label leaves hardly a trial to be looked at further, so one column is compared, not all.
        self._labels = sorted(space.labels, key=lambda label: _is_coarse(space[label]))

    def __len__(self) -> int:
        return int(np.count_nonzero(self._history.kinds != VOID))

    def __contains__(self, point: object) -> bool:
        assert isinstance(point, dict)
        same: NDArray[np.intp] | None = None
        for label in self._labels:
            column = self._history.column(label)
            values = column if same is None else column[same]
            value = point.get(label)
            found = np.flatnonzero(np.isnan(values) if value is None else values == value)
            same = found if same is None else same[found]
            if not len(same):
                return False
        kinds = self._history.kinds
        return bool(np.any((kinds if same is None else kinds[same]) != VOID))


def _is_coarse(parameter: Parameter) -> bool:
    return parameter.is_categorical or parameter.q is not None


def new_point(
    space: Space, history: History, proposals: Iterable[Point], *, seed: int, repeats: Repeats = False
) -> Point:
    """Return the first of *proposals* that was not tried; if all of the first 64 were, some point that was not.

    What was tried are finished and pending trials, but not void ones: a deterministic objective would return the
    same again. Where a space is not finite, its corners, bounds and grids are tried again and again by a search
    that has found its best point there: so up to 64 points are drawn from the prior, and where each label has a step,
    all values within reach are tried before any is tried again.
    With *repeats* it is the first proposal, whatever was tried; with "endless" it is so where the space is not
    finite; with "drawn", there, the last of the 64. Raises `Exhausted` when a finite space has no untried point.
    """
    if may_repeat(space, repeats):
        return next(iter(proposals))
    tried = Tried(space, history)
    for _, point in zip(range(_PROPOSALS), proposals, strict=False):
        if point not in tried:
            return point
    rng = np.random.default_rng(seed)
    if endless(space) is not None:
        for _ in range(_PROPOSALS):
            point = space.sample(rng)
            if point not in tried:
                return point
        left = None if repeats == "drawn" or not is_separate(space) else _left_in_reach(space, tried, rng)
        return point if left is None else left
    size = finite(space).size
    start = int.from_bytes(rng.bytes(size.bit_length() // 8 + 8), "little")
    return untried(space, tried, start % size)


def _left_in_reach(space: Space, tried: Tried, rng: np.random.Generator) -> Point | None:
    """Return an untried point among those within reach, the likeliest of those looked at; None if there is none."""
    points = finite(space)
    if points.size <= _LISTED:
        numbers: Iterable[int] = range(points.size)
    else:
        n_bytes = points.size.bit_length() // 8 + 8
        numbers = [int.from_bytes(rng.bytes(n_bytes), "little") % points.size for _ in range(_PROPOSALS)]
    found = [point for number in numbers if (point := points[number]) not in tried]
    if not found and points.size > _LISTED:
        with contextlib.suppress(Exhausted):
            found.append(untried(space, tried, 0))
    return min(found, key=lambda point: remoteness(space, point), default=None)


def may_repeat(space: Space, repeats: Repeats) -> bool:
    """Return whether points of *space* may be suggested again; see `new_point`."""
    # Without hyperparameters every trial is the same, as in hyperopt.
    return repeats is True or not space.labels or (repeats == "endless" and endless(space) is not None)


def untried(space: Space, tried: Tried, start: int) -> Point:
    """Return the first untried point, of those that `finite` has, from number *start* on, around; or `Exhausted`."""
    points = finite(space)
    for k in range(min(points.size, len(tried) + 1)):  # among one more than were tried there is a new one
        point = points[(start + k) % points.size]
        if point not in tried:
            return point
    raise Exhausted(f"all {points.size} points of the space were tried")


@lru_cache(maxsize=16)
def finite(space: Space) -> Finite:
    """Return the points of *space*, of which `is_separate` must be true."""
    return Finite(space)
