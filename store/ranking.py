"""The ranking: the best trial of an experiment, and its Pareto front; `ranked` says who takes part. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hstore.store.fold import Trial
from hstore.store.ranked import best_first


class Ranking:
    """Keeps the best and the Pareto front of *trials* as they change: call `update` for each trial that did."""

    def __init__(self, trials: Mapping[int, Trial]) -> None:
        self._trials = trials
        self._best: int | None = None
        self._front: list[int] = []

    @property
    def best(self) -> Trial | None:
        """The ranked trial with the smallest loss, the first on ties; None if there is none."""
        return None if self._best is None else self._trials[self._best]

    @property
    def front(self) -> list[Trial]:
        """The ranked trials with several losses, by tid, that no other dominates."""
        return [self._trials[tid] for tid in self._front]

    def update(self, trial: Trial) -> None:
        """Rank *trial*, whose end or whose exclusion has changed."""
        best, is_ranked = self.best, not trial.why_unranked
        if trial.tid == self._best:
            with_loss = [t for t in self._trials.values() if t.loss is not None and not t.why_unranked]
            self._best = min(with_loss, key=_best_first).tid if with_loss else None
        elif trial.loss is not None and is_ranked and (best is None or _best_first(trial) < _best_first(best)):
            self._best = trial.tid
        if trial.tid in self._front:
            with_losses = [t for t in self._trials.values() if t.losses and not t.why_unranked]
            self._front = []
            for each in sorted(with_losses, key=lambda t: t.tid):
                self._join_front(each)
        elif trial.losses and is_ranked:
            self._join_front(trial)

    def remove(self, tid: int) -> None:
        """Forget trial *tid*."""
        if self._best == tid:
            self._best = None
        self._front = [other for other in self._front if other != tid]

    def _join_front(self, trial: Trial) -> None:
        mine = trial.losses or ()
        theirs = {tid: self._trials[tid].losses or () for tid in self._front}
        if not any(dominates(losses, mine) or len(losses) != len(mine) for losses in theirs.values()):
            self._front = sorted([trial.tid, *(tid for tid, losses in theirs.items() if not dominates(mine, losses))])


def dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    """Return whether the losses of *one* are nowhere worse than those of the *other*, and somewhere better."""
    return all(a <= b for a, b in zip(one, other, strict=False)) and tuple(one) != tuple(other)


def _best_first(trial: Trial) -> tuple[float, int]:
    return best_first(trial.loss, trial.tid)
