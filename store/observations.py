"""Observations: which news of an experiment its decisions have observed, and which the next one has to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore.store.settled import SettledTrials


class Observations:
    """What a driver has to know of a log beside what the experiment is. A chain is a tid, or None: the experiment's."""

    def __init__(self) -> None:
        self.settled: SettledTrials | None = None
        """Trials of which only columns are known, what was observed of them included."""
        self.known: dict[int | None, int] = {}
        """Up to which ver of each chain decisions have observed; see `decided` for trials that are settled as well."""
        self._at_end: dict[int | None, int] = {}
        """What the ends of the search list, which no decision need have observed."""
        self.watched: set[int] = set()
        """Ended trials of which a note said that their chains go on."""
        self._news: dict[int | None, int] = {}

    @property
    def unobserved(self) -> list[int | None]:
        """Chains with ends, voids or changes that no decision has observed, in the order in which they were read."""
        return list(self._news)

    def decided(self, chain: int | None) -> int:
        """Return up to which ver of *chain* decisions have observed; -1 if none did."""
        ver = self.known.get(chain)
        if ver is not None:
            return ver
        return int(self.settled.known[chain]) if self.settled is not None and chain in self.settled else -1

    def known_of(self, chain: int | None) -> int:
        """Return the same, by decisions or by an end of the search."""
        return max(self.decided(chain), self._at_end.get(chain, -1))

    def begin_from(self, settled: SettledTrials) -> None:
        """Go on from the columns of *settled*: what the decisions before had observed of all chains."""
        self.settled = settled
        for tid, ver in settled.known_others.items():
            self.known[tid] = ver
        if settled.known_own >= 0:
            self.known[None] = settled.known_own

    def settle(self, settled: SettledTrials) -> None:
        """Go on with the columns of *settled* in the place of what is known of these trials."""
        self.settled = settled
        settled.take_from(self.known, self._at_end)

    def recall(self, tid: int) -> None:
        """Note that trial *tid* is settled no longer."""
        assert self.settled is not None
        self.known[tid] = int(self.settled.known[tid])

    def add(self, chain: int | None, ver: int) -> None:
        """Take event *ver* of *chain* as news, unless a decision has observed it already."""
        self._news.pop(chain, None)  # the latest news of a chain goes to the end of the line
        if ver > self.known_of(chain):
            self._news[chain] = ver

    def observe(self, observed: Iterable[Any], *, at_end: bool = False) -> None:
        """Take *observed*, [chain, ver, digest] of each chain, from the news: a decision lists it, or the end."""
        observed_until = self._at_end if at_end else self.known
        for chain, ver, _ in observed:
            observed_until[chain] = max(ver, self._at_end.get(chain, -1) if at_end else self.decided(chain))
            if self.known_of(chain) >= self._news.get(chain, 2**63):
                del self._news[chain]

    def evict(self, tid: int) -> None:
        """Forget the news of trial *tid*."""
        self._news.pop(tid, None)
        self.watched.discard(tid)
