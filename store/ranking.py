"""The ranking: the best trial of an experiment, and its Pareto front; `ranked` says who takes part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hstore.store.fold import Trial
from hstore.store.ranked import best_first
from hstore.store.trial_map import TrialMap


class Ranking:
    """Keeps the best and the Pareto front of *trials* as they change: call `update` for each trial that did."""

    def __init__(self, trials: TrialMap) -> None:
        self._trials = trials
        self._best: tuple[float, int] | None = None
        self._front: dict[int, Sequence[float]] = {}
        """By tid the losses of each trial on it."""

    @property
    def best(self) -> Trial | None:
        """The ranked trial with the smallest loss, the first on ties; None if there is none."""
        return None if self._best is None else self._trials[self._best[1]]

    @property
    def front(self) -> list[Trial]:
        """The ranked trials with several losses, by tid, that no other dominates."""
        return [self._trials[tid] for tid in sorted(self._front)]

    def update(self, trial: Trial) -> None:
        """Rank *trial*, whose end or whose exclusion has changed."""
        loss = trial.loss
        if self._best is not None and trial.tid == self._best[1]:
            self._best = min(self._trials.ranked_losses(), default=None)
        elif loss is not None:
            mine = best_first(loss, trial.tid)
            if (self._best is None or mine < self._best) and not trial.why_unranked:  # most are no better, so not asked
                self._best = mine
        if trial.tid in self._front:
            self._front = front_of(self._trials.ranked_vectors())
        elif trial.losses and not trial.why_unranked:
            _join(self._front, trial.tid, trial.losses)

    def remove(self, tid: int) -> None:
        """Forget trial *tid*."""
        if self._best is not None and self._best[1] == tid:
            self._best = None
        self._front.pop(tid, None)


def front_of(ranked: Iterable[tuple[int, Sequence[float]]]) -> dict[int, Sequence[float]]:
    """Return those of the *ranked* trials, given with their losses, that no other dominates."""
    front: dict[int, Sequence[float]] = {}
    for tid, losses in sorted(ranked):
        _join(front, tid, losses)
    return front


def _join(front: dict[int, Sequence[float]], tid: int, mine: Sequence[float]) -> None:
    if not any(dominates(losses, mine) or len(losses) != len(mine) for losses in front.values()):
        for other in [other for other, losses in front.items() if dominates(mine, losses)]:
            del front[other]
        front[tid] = mine


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether the losses of *one* are nowhere worse than those of the *other*, and somewhere better."""
    return all(a <= b for a, b in zip(one, other, strict=False)) and tuple(one) != tuple(other)
