"""Observations: which news of an experiment its decisions have observed, and which the next one has to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


class Observations:
    """What a driver has to know of a log beside what the experiment is. A chain is a tid, or None: the experiment's."""

    def __init__(self) -> None:
        self.known: dict[int | None, int] = {}
        """Up to which ver of each chain decisions have observed."""
        self.watched: set[int] = set()
        """Ended trials of which a note said that their chains go on."""
        self._news: dict[int | None, int] = {}

    @property
    def unobserved(self) -> list[int | None]:
        """Chains with ends, voids or changes that no decision has observed, in the order in which they were read."""
        return list(self._news)

    def add(self, chain: int | None, ver: int) -> None:
        """Take event *ver* of *chain* as news, unless a decision has observed it already."""
        self._news.pop(chain, None)  # the latest news of a chain goes to the end of the line
        if ver > self.known.get(chain, -1):
            self._news[chain] = ver

    def observe(self, observed: Iterable[Any]) -> None:
        """Take *observed*, [chain, ver, digest] of each chain, from the news: a decision, or the end, lists it."""
        for chain, ver, _ in observed:
            known = self.known[chain] = max(ver, self.known.get(chain, -1))
            if known >= self._news.get(chain, 2**63):
                del self._news[chain]

    def evict(self, tid: int) -> None:
        """Forget the news of trial *tid*."""
        self._news.pop(tid, None)
        self.watched.discard(tid)
