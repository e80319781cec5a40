"""Repeated points: which trials are evaluations of one point, what these say of noise, and which is to be repeated.

Only operations that are exact everywhere are used, so which trial is repeated is the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.history import OK, VOID, History
from hstore.engine.plain_numbers import as_whole
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue

REPLICATES = "replicates"
"""A setting of every algorithm: how often a point is evaluated at most; see `to_repeat`."""
_FIRST, _EVERY = 20, 2
_ENOUGH = 3
"""How many points have to be repeated without a difference for an objective to count as deterministic."""


class Evaluations(NamedTuple):
    """The trials at one point, but for void ones."""

    tids: Sequence[int]
    """All of them, those that are pending or failed included."""
    losses: Sequence[float]
    """The finite losses of those that ended well and violate no constraint."""

    @property
    def mean(self) -> float:
        """Their mean; inf without any."""
        return math.fsum(loss / len(self.losses) for loss in self.losses) if self.losses else math.inf


def by_point(history: History) -> list[Evaluations]:
    """Return the trials of *history* by their points, in the order in which the points were first tried."""
    columns = [history.column(label) for label in history.space.labels]
    rows = np.ascontiguousarray(np.stack(columns, axis=1)) if columns else np.empty((len(history), 0))
    rows[np.isnan(rows)] = np.inf  # which no label has as a value
    rows += 0.0  # of the two zeros there is one
    counts, losses = _can_be_best(history), history.losses
    found: dict[bytes, list[int]] = {}
    for tid in np.flatnonzero(history.kinds != VOID):
        found.setdefault(rows[tid].tobytes(), []).append(int(tid))
    return [Evaluations(tids, [float(losses[tid]) for tid in tids if counts[tid]]) for tids in found.values()]


def _can_be_best(history: History) -> NDArray[np.bool_]:
    """Return whether each trial of *history* ended well, with a finite loss, and violates no constraint."""
    counts = (history.kinds == OK) & np.isfinite(history.losses)
    constraints = history.constraints
    if constraints.shape[1]:
        counts &= np.isnan(constraints).all(axis=1) | (constraints <= 0.0).all(axis=1)
    return np.asarray(counts)


def are_noisy(points: Sequence[Evaluations]) -> bool | None:
    """Return whether evaluations of one point differ; None if none was repeated."""
    repeated = [point.losses for point in points if len(point.losses) > 1]
    return any(min(losses) != max(losses) for losses in repeated) if repeated else None


def deviation_of_one(points: Sequence[Evaluations]) -> float | None:
    """Return the standard deviation of one evaluation, pooled over the points; None if none was repeated."""
    repeated = [point for point in points if len(point.losses) > 1]
    if not repeated:
        return None
    gaps = [loss - point.mean for point in repeated for loss in point.losses]
    square = math.fsum(gap * gap for gap in gaps)  # `gap ** 2` raises where that is inf
    return math.sqrt(square / sum(len(point.losses) - 1 for point in repeated))


def to_repeat(space: Space, history: History, most: int, *, is_exhausted: bool = False) -> int | None:
    """Return the trial whose point is to be evaluated again; None: a new point is to be chosen.

    It is the point with the lowest mean of its evaluations, as long as it has fewer than *most*, pending and failed
    ones included. So a point that was lucky once loses its place, and a hopeless one is evaluated once. Nothing is
    repeated before the 20th trial, when the leading point is soon another one, and no more than every other trial is a
    repeat; nor is anything with several losses, or once three points were repeated without any difference: the
    objective is deterministic.

    is_exhausted: whether there is no new point. Then a repeat takes the place of none, so it may be any trial.
    """
    tid = history.next_tid
    if most < 2 or history.loss_vectors.shape[1] or ((tid < _FIRST or tid % _EVERY) and not is_exhausted):
        return None
    points = by_point(history)
    if sum(len(point.losses) > 1 for point in points) >= _ENOUGH and not are_noisy(points):
        return None
    for point in sorted(points, key=lambda point: (point.mean, point.tids[0])):
        if not point.losses:
            return None
        if is_whole(space, point_of(space, history, point.tids[0])):
            return point.tids[0] if len(point.tids) < most else None
    return None


def point_of(space: Space, history: History, tid: int) -> Point:
    """Return the point of trial *tid*."""
    point: Point = {}
    for parameter in space.parameters:
        value = float(history.column(parameter.label)[tid])
        if not math.isnan(value):
            point[parameter.label] = int(value) if parameter.is_categorical else value
    return point


def is_whole(space: Space, point: Point) -> bool:
    """Return whether *point* has a value for each label that is active in it: a trial of an older space may not."""
    return all(space.is_active(label, point) == (label in point) for label in space.labels)


def plain_replicates(value: Any) -> int:
    """Return the setting `replicates` that a user gave as *value*; raises InvalidValue if it is none."""
    n = as_whole(value)
    if n is None or n < 1:
        raise InvalidValue(f"replicates must be a whole number of at least 1, not {value!r:.60}", path=REPLICATES)
    return n


def without_replicates(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of *settings* that an algorithm's own function takes."""
    return {setting: value for setting, value in settings.items() if setting != REPLICATES}
