"""TrialMap: the trials of an experiment by their numbers, those that are settled made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, Sequence, ValuesView
from typing import TYPE_CHECKING

from hstore.store.fold import Trial
from hstore.store.ranked import best_first
from hstore.store.read_ahead import ReadAhead

if TYPE_CHECKING:
    from hstore.store.settled import SettledTrials

AT_ONCE = 2_000
"""Settled trials that are read at once where all are asked for."""


def _nothing(tids: Sequence[int]) -> list[Trial]:
    return []


class TrialMap(Mapping[int, Trial]):
    """The trials that are *kept*, and the *settled* ones, which *load* reads from the log; it is given their numbers.

    A settled trial does not change, so it does not matter when it is read.
    """

    def __init__(self) -> None:
        self.kept: dict[int, Trial] = {}
        self.settled: SettledTrials | None = None
        self.load: Callable[[Sequence[int]], list[Trial]] = _nothing
        self._ahead = ReadAhead(self._loaded)

    def __len__(self) -> int:
        return len(self.kept) if self.settled is None else len(self.kept) + len(self.settled)

    def __contains__(self, tid: object) -> bool:
        return tid in self.kept or (self.settled is not None and tid in self.settled)

    def __getitem__(self, tid: int) -> Trial:
        kept = self.kept.get(tid)
        if kept is not None:
            return kept
        if self.settled is None or tid not in self.settled:
            raise KeyError(tid)
        return self._ahead.get(tid, self.settled)

    def __iter__(self) -> Iterator[int]:
        return iter(self.kept) if self.settled is None else iter(self._tids())

    def values(self) -> ValuesView[Trial]:
        """See `Mapping`; many are read at once."""
        return _Values(self)

    def items(self) -> ItemsView[int, Trial]:
        """See `Mapping`; many are read at once."""
        return _Items(self)

    def several(self, tids: Sequence[int]) -> Iterator[Trial]:
        """Yield the trials *tids*, reading many at once."""
        if self.settled is None:
            yield from (self.kept[tid] for tid in tids)
            return
        for start in range(0, len(tids), AT_ONCE):
            some = tids[start : start + AT_ONCE]
            wanted = [tid for tid in some if tid not in self.kept]
            loaded = self._loaded(wanted) if wanted else {}
            yield from (loaded[tid] if tid in loaded else self.kept[tid] for tid in some)

    def _loaded(self, tids: Sequence[int]) -> dict[int, Trial]:
        return dict(zip(tids, self.load(tids), strict=True))

    def _tids(self) -> list[int]:
        settled = [] if self.settled is None else self.settled.tids().tolist()
        return sorted([*self.kept, *settled])

    def ranked_losses(self) -> Iterator[tuple[float, int]]:
        """Yield loss and tid of each kept trial that is ranked and has one loss, and of the best settled one."""
        for tid, trial in self.kept.items():
            if trial.loss is not None and not trial.why_unranked:
                yield best_first(trial.loss, tid)
        if self.settled is not None and (best := self.settled.best) is not None:
            yield best

    def ranked_vectors(self) -> Iterator[tuple[int, Sequence[float]]]:
        """Yield tid and losses of each trial that is ranked and has several."""
        for tid, trial in self.kept.items():
            if trial.losses and not trial.why_unranked:
                yield tid, trial.losses
        if self.settled is not None:
            yield from self.settled.ranked_vectors()

    def recall(self, trial: Trial) -> None:
        """Keep *trial*, which was settled."""
        assert self.settled is not None
        self.settled.drop(trial.tid)
        self._ahead.forget(trial.tid)
        self.kept[trial.tid] = trial


class _Values(ValuesView[Trial]):
    _mapping: TrialMap

    def __iter__(self) -> Iterator[Trial]:
        trials = self._mapping
        return iter(trials.kept.values()) if trials.settled is None else trials.several(list(trials))


class _Items(ItemsView[int, Trial]):
    _mapping: TrialMap

    def __iter__(self) -> Iterator[tuple[int, Trial]]:
        return ((trial.tid, trial) for trial in self._mapping.values())
