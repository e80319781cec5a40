"""A portfolio: which of several ways to choose a point (arms) has its turn, by how often each found a better loss.

The account is a fold over the trials in the order of their ids, so it follows from the history alone: there is nothing
to record and nothing to restore. It assumes that each trial was chosen when those before it had ended. With workers an
arm may now and then be credited with another one's trial, which changes whose turn it is and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

_PATIENCE = 10  # trials without a better loss
_EVERY = 4


@dataclass(slots=True)
class Account:
    """How many trials each of *n_arms* had, and how many of them were better than all before; arm 0 has most turns."""

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

        It is arm 0. But after 10 trials without a better loss, every fourth trial goes to the one of the others with
        the largest share of trials that were better than all before (Laplace's estimate, which begins at 1 of 2).
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
            self.earned[arm] += self.best < math.inf  # the first loss of all counts for no arm
            self.best, self.n_since = loss, 0


def account(losses: Iterable[float | None], n_arms: int) -> Account:
    """Return the account of *n_arms* over trials with *losses*, None for those without one, in the order of tids."""
    kept = Account(n_arms)
    for tid, loss in enumerate(losses):
        kept.enter(tid, loss)
    return kept
