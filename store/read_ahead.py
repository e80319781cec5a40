"""Chains read ahead: those of all trials, one after the other, of an experiment that does not keep them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from hstore.store.chain_digests import Chain
from hstore.store.events import Event

if TYPE_CHECKING:
    from hstore.store.folded_log import FoldedLog

AHEAD = 250
"""Chains that are read at once."""


class ChainsAhead(Mapping[Chain, Sequence[Event]]):
    """The chains of *experiment* by tid, as it has read them. Who takes one after the other reads many at once.

    What is kept are those that were read last, and those before them.
    """

    def __init__(self, experiment: FoldedLog) -> None:
        self._experiment = experiment
        self._recent: dict[int, Sequence[Event]] = {}
        self._before: dict[int, Sequence[Event]] = {}

    def __getitem__(self, tid: Chain) -> Sequence[Event]:
        settled = self._experiment.state.settled
        if tid is None or settled is None or tid not in settled:
            return self._experiment.all_chains[tid]
        found = self._recent.get(tid) or self._before.get(tid)
        if found is not None:
            return found
        is_next = tid == 0 or tid - 1 in self._recent or tid - 1 not in settled
        wanted = [each for each in range(tid, tid + (AHEAD if is_next else 1)) if each in settled]
        if len(self._recent) >= AHEAD:
            self._before, self._recent = self._recent, {}
        self._recent.update(self._experiment.several_chains(wanted))
        return self._recent[tid]

    def last(self, tid: Chain) -> int:
        """Return the place of the last event of the chain of *tid*, which is not read for that."""
        return self._experiment.all_chains.last(tid)

    def __iter__(self) -> Iterator[Chain]:
        return iter(self._experiment.all_chains)

    def __len__(self) -> int:
        return len(self._experiment.all_chains)
