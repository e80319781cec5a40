"""The rule: which trials are ranked, and why the others are not. Pure; what is called best anywhere goes by it.

MongoDB applies the same rule to the documents of `trials`: see `migrations.m0006_results`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

VOID, PRUNED, INFEASIBLE, NAN, NO_LOSS = "void", "pruned", "infeasible", "nan", "no loss"


def is_feasible(constraints: Sequence[float] | None) -> bool:
    """Return whether none of *constraints* is violated: each is at most 0. One that is NaN is violated."""
    return all(constraint <= 0 for constraint in constraints or ())


def why_unranked(
    *,
    status: str | None,
    loss: float | None,
    losses: Sequence[float] | None = None,
    constraints: Sequence[float] | None = None,
    is_pruned: bool = False,
    is_void: bool = False,
) -> tuple[str, ...]:
    """Return why a trial that ended so cannot be the best, nor on the Pareto front; nothing if it is ranked.

    status: hyperopt's, None of a trial that is not done. A ranked trial is done with status ok, and has a loss, or
    several `losses`, none of which is NaN; infinities count. It is not void, was not pruned and violates no
    constraint. The reasons are among "void", "pruned", "infeasible", "nan" and "no loss", or say the status.
    """
    if status is None:
        return (VOID, NO_LOSS) if is_void else (NO_LOSS,)
    values = [*(losses or ()), *(() if loss is None else (loss,))]
    reasons = {
        VOID: is_void,
        PRUNED: is_pruned,
        f"status {status}": status != "ok" and not is_pruned,
        INFEASIBLE: not is_feasible(constraints),
        NAN: any(map(math.isnan, values)),
        NO_LOSS: not values and status == "ok",
    }
    return tuple(reason for reason, holds in reasons.items() if holds)


def best_first(loss: float | None, tid: int) -> tuple[float, int]:
    """Return the key by which ranked trials with one loss are sorted: the smallest loss, then the smallest tid."""
    return math.inf if loss is None else loss, tid
