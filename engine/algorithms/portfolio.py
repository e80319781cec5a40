"""A portfolio: whose turn it is among several ways to choose a point, by what each has earned in this search.

The account is a fold over the trials in the order of their ids, so it follows from the history alone: there is nothing
to record and nothing to restore. It takes each trial to have been chosen when those before it had ended: with workers
an arm may be credited with another's trial now and then, which moves its turns and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

_PATIENCE = 10  # trials without a better loss
_EVERY = 4


@dataclass(slots=True)
class Account:
    """What each of *n_arms* has got and earned, the first of them the one that has most turns."""

    n_arms: int
    best: float = math.inf
    n_since: int = 0
    """Trials that ended well since the best one."""
    trials: list[int] = field(init=False)
    earned: list[int] = field(init=False)
    """How often a trial of the arm had the lowest loss so far."""

    def __post_init__(self) -> None:
        self.trials, self.earned = [0] * self.n_arms, [0] * self.n_arms

    def turn(self, tid: int) -> int:
        """Return which arm chooses trial *tid*.

        It is the first one; but while the best loss has stood still for 10 trials, every fourth trial goes to the
        one of the others that has earned the largest share of its trials (Laplace's estimate: one of two to begin
        with), so that all of them are tried in turn until one earns.
        """
        if self.n_arms == 1 or self.n_since < _PATIENCE or tid % _EVERY:
            return 0
        others = range(1, self.n_arms)
        return max(others, key=lambda arm: ((self.earned[arm] + 1) / (self.trials[arm] + 2), -arm))

    def enter(self, tid: int, loss: float | None) -> None:
        """Enter trial *tid*, which ended with *loss*; None: it did not end, or not well."""
        arm = self.turn(tid)
        self.trials[arm] += 1
        if loss is None:
            return
        self.n_since += 1
        if loss < self.best:
            self.earned[arm] += self.best < math.inf  # the first loss of all is nobody's merit
            self.best, self.n_since = loss, 0


def account(losses: Iterable[float | None], n_arms: int) -> Account:
    """Return the account of *n_arms* over trials with *losses*, None for those without one, in the order of tids."""
    kept = Account(n_arms)
    for tid, loss in enumerate(losses):
        kept.enter(tid, loss)
    return kept
