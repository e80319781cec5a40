"""Decision: what gp knows when it chooses a point, in which order it would take points, and how far one falls short.

`choose` takes the first of the order. On another kind of machine linear algebra rounds differently, and where several
points are worth nearly the same, another of them comes first. `shortfall` says whether that can be: it bounds what a
point is worth by what rounding may change.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.acquisition import AcquisitionFunction, best_first
from hstore.engine.algorithms.candidates import nearest
from hstore.engine.algorithms.encoding import Encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Repeats, Tried, may_repeat
from hstore.engine.algorithms.surrogate import KnownTrials
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.space import Point, Space

Floats = NDArray[np.float64]

_SAME = 1e-9  # ranges: rows of the pool that differ by less are the same
_ROUNDINGS = (-1.0, 0.0, 1.0)
_SEARCHES = (0.0, -1.0, 1.0, -0.5, 0.5, -0.25, 0.25, -0.1, 0.1)  # of what rounding may change
_JITTER = 1e-9  # ranges
_LEAST = 1e-12  # squared distance, before its logarithm is taken


class Decision(NamedTuple):
    """What one decision goes by."""

    code: Encoding
    rows: Floats
    """(N, labels) the trials of the history in the encoding."""
    trials: KnownTrials
    criterion: AcquisitionFunction | None
    """What is to be made great; None of the first trials, which are spread over the space."""
    pool: Floats
    """(any number, labels) rows that the search for the greatest value starts from; of the first trials those to
    choose from, the farthest from all others first."""

    def order(self) -> Floats:
        """Return rows to try, the best first."""
        if self.criterion is None:
            return self.pool
        return best_first(self.criterion, self.pool, self.rows[self.trials.ended], self.rows[self.trials.pending])

    def points(self) -> Iterator[Point]:
        """Yield the points of `order`."""
        with one_thread():
            order = self.order()
        yield from map(self.code.point, order)

    def shortfall(self, space: Space, history: History, point: Point, repeats: Repeats) -> float | None:
        """Return by how much *point* is certainly worth less than the best point found, as a logarithm; at least 0.

        What is compared is the most that *point* may be worth and the least that the others are worth, whichever way
        a machine rounds. Worth is the acquisition function; of the first trials, the squared distance from the
        nearest one. None if the point would not be proposed at all: it is no point of the space, was tried, takes
        another option than those in turn, or is not among those that the first trials are chosen from.
        """
        row = self.code.row(point)
        tried = None if may_repeat(space, repeats) else Tried(space, history)
        if row is None or (tried is not None and point in tried):
            return None
        with one_thread():
            if self.criterion is None:
                return self._shortfall_of_first(row)
            if not all((self.pool[:, lead] == row[lead]).any() for lead in self.code.leads):
                return None
            machines = [self.criterion.rounded(by) for by in _ROUNDINGS]
            most = max(float(machine.at(row[None])[0]) for machine in machines)
            best = min(self._certain(each.order(), machines, tried) for each in self._elsewhere())
        return max(best - most, 0.0)

    def _elsewhere(self) -> Iterator[Decision]:
        """Yield this decision as machines that round differently may make it.

        Which hills are climbed, and how far, depends on every digit: all starts are climbed at once, and share their
        steps.
        """
        assert self.criterion is not None
        rng = np.random.default_rng(0)
        smooth = self.code.numbers[~self.code.is_coarse]
        bounds = self.code.lowest[~self.code.is_coarse], self.code.highest[~self.code.is_coarse]
        for k, by in enumerate(_SEARCHES):
            pool = self.pool.copy()
            if k:
                pool[:, smooth] += _JITTER * rng.standard_normal((len(pool), len(smooth)))
                pool[:, smooth] = np.clip(pool[:, smooth], *bounds)
            yield self._replace(criterion=self.criterion.rounded(by), pool=self.code.tidy(pool))

    def _certain(self, order: Floats, machines: Sequence[AcquisitionFunction], tried: Tried | None) -> float:
        """Return the most that a row of *order* is worth on all *machines*, of those not *tried*."""
        least = np.min([machine.at(order) for machine in machines], axis=0)
        for k in np.argsort(-least, kind="stable"):
            if tried is None or self.code.point(order[k]) not in tried:
                return float(least[k])
        return -math.inf

    def _shortfall_of_first(self, row: Floats) -> float | None:
        is_same = np.abs(self.pool - row).max(1, initial=0.0) <= _SAME
        taken = self.rows[self.trials.taken]
        if not is_same.any() or not len(taken):
            return None
        worth = np.log(np.maximum(nearest(self.code, self.pool, taken), _LEAST))
        return float(worth.max() - worth[is_same].max())
