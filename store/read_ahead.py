"""Reading ahead: what is not kept of trials, for those who ask for one trial after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from hstore.store.chain_digests import Chain
from hstore.store.events import Event

if TYPE_CHECKING:
    from hstore.store.folded_log import FoldedLog
    from hstore.store.settled import SettledTrials

AHEAD = 256
"""Settled trials that are read at once where one after the other is asked for."""

Found = TypeVar("Found")


class ReadAhead(Generic[Found]):
    """What *load* returns of settled trials, given their numbers: what was read last, and what before that, is kept."""

    def __init__(self, load: Callable[[Sequence[int]], Mapping[int, Found]]) -> None:
        self._load = load
        self._recent: dict[int, Found] = {}
        self._before: dict[int, Found] = {}

    def get(self, tid: int, settled: SettledTrials, *, is_next: bool = False) -> Found:
        """Return what there is of trial *tid*, one of the *settled* ones.

        Those behind it are read as well if it *is_next* behind one that was asked for, as it is if that was read here.
        """
        found = self._recent.get(tid) or self._before.get(tid)
        if found is not None:
            return found
        n = AHEAD if is_next or tid - 1 in self._recent else 1
        wanted = [each for each in range(tid, tid + n) if each in settled]
        if len(self._recent) >= AHEAD:
            self._before, self._recent = self._recent, {}  # what is asked for next may be of shortly before
        self._recent.update(self._load(wanted))
        return self._recent[tid]

    def forget(self, tid: int) -> None:
        """Keep nothing of trial *tid*."""
        self._recent.pop(tid, None)
        self._before.pop(tid, None)


class ChainsAhead(Mapping[Chain, Sequence[Event]]):
    """The chains of *experiment* by tid, as it has read them. Who takes one after the other reads many at once."""

    def __init__(self, experiment: FoldedLog) -> None:
        self._experiment = experiment
        self._ahead = ReadAhead(experiment.several_chains)

    def __getitem__(self, tid: Chain) -> Sequence[Event]:
        settled = self._experiment.state.settled
        if tid is None or settled is None or tid not in settled:
            return self._experiment.all_chains[tid]
        return self._ahead.get(tid, settled, is_next=tid == 0 or tid - 1 not in settled)

    def last(self, tid: Chain) -> int:
        """Return the place of the last event of the chain of *tid*, which is not read for that."""
        return self._experiment.all_chains.last(tid)

    def __iter__(self) -> Iterator[Chain]:
        return iter(self._experiment.all_chains)

    def __len__(self) -> int:
        return len(self._experiment.all_chains)
