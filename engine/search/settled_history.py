"""What decisions knew of settled trials, from their columns: no trial is looked at by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.history import ERROR, FAIL, OK, PENDING, PRUNED, VOID, History
from hstore.store import settled as rows
from hstore.store.settled import SettledTrials

if TYPE_CHECKING:
    from hstore.engine.space import Space

Mask = NDArray[np.bool_]


def history_of(settled: SettledTrials, space: Space) -> History | None:
    """Return the history with the rows of *settled*, the other trials empty and pending; None: it must be read.

    That is so if a trial that does not count any more had several losses, or constraints: how many there are of each
    is known from the first that counted.
    """
    is_settled = settled.vers >= 0

    def has(flag: int) -> Mask:
        return np.asarray(is_settled & ((settled.flags & flag) != 0))

    is_void, is_done = has(rows.VOID), is_settled & (settled.states == rows.STATES.index("done"))
    has_loss, has_losses = has(rows.HAS_LOSS), has(rows.HAS_LOSSES)
    if np.any(is_void & (has_losses | has(rows.HAS_CONSTRAINTS))):
        return None
    is_pruned = is_done & has(rows.PRUNED) & ~is_void
    is_ok = is_done & has(rows.OK) & ~is_pruned & (has_loss | has_losses) & ~is_void
    is_failure = is_done & ~is_void & ~is_pruned & ~is_ok
    kinds = np.full(settled.n, PENDING, dtype=np.int8)
    kinds[is_settled] = ERROR
    kinds[is_void], kinds[is_pruned], kinds[is_ok], kinds[is_failure] = VOID, PRUNED, OK, FAIL
    losses = np.full(settled.n, np.inf)
    losses[(kinds == ERROR) | is_void] = np.nan
    counts = (is_ok | is_failure) & has_loss
    losses[counts] = settled.losses[counts]
    partials = np.where(is_pruned, settled.partials, np.nan)
    vectors = _of(settled.vectors, is_ok & has_losses)
    if vectors is not None:
        kinds[is_ok & has_losses & np.isnan(vectors).all(axis=1)] = FAIL
    return History.from_columns(
        space, settled.n, settled.points, kinds=kinds, losses=losses, partials=partials, vectors=vectors,
        constraints=_of(settled.constraints, is_ok & has(rows.HAS_CONSTRAINTS)),
    )  # fmt: skip


def _of(values: NDArray[np.float64] | None, which: Mask) -> NDArray[np.float64] | None:
    return None if values is None or not which.any() else np.where(which[:, None], values, np.nan)
