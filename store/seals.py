"""Seals: the heads that an experiment's own chain records, which events they cover, and the head now."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from hstore.store.events import Event, Finished, Sealed
from hstore.store.head import Chain, Cut, HeadTree, Runs, chain_at, index_of, move, runs

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.snapshots import AllChains


class Seals:
    """The head of *chains*, as far as they were read, and what of them an event commits to.

    digest: see `HeadTree`. ends: returns the digests of all chains up to a cut.

    What it costs is in proportion to what is new, so that a search of any length can be sealed again and again.
    """

    def __init__(
        self, chains: AllChains, digest: Callable[[Chain, int], bytes], ends: Callable[[Cut], Sequence[bytes]]
    ) -> None:
        self._chains = chains
        self._last = chains.last
        self._digest = digest
        self._ends = ends
        self._tree = HeadTree(digest)
        self._grown: set[Chain] | None = set()
        """Chains whose ends the tree does not know; None: all."""
        self._covered: list[int] = []
        """How far the latest recorded head covers each chain."""
        self._uncovered: set[Chain] = set()
        """Chains that may not end where that one says."""
        self._right: bytes | None = None
        """The recorded head that was found to be right last: what it covers does not change any more."""

    def take(self, events: Iterable[Event]) -> None:
        """Note that *events* are in their chains now."""
        is_sealed = False
        for event in events:
            if self._grown is not None:
                self._grown.add(event.tid)
            self._uncovered.add(event.tid)
            if isinstance(event, (Sealed, Finished)) and event.tips is not None:
                if move(self._covered, event.tips, most=len(self._chains)):
                    self._uncovered.update(_chains_of(event.tips))
                is_sealed = True
        if is_sealed:  # of many chains, all are compared in less time than these are one by one
            is_many = 4 * len(self._uncovered) > len(self._chains)
            self._uncovered = self._behind() if is_many else self.uncovered

    def begin_from_settled(self) -> None:
        """Note the chains of settled trials, of which no event is taken; those of the experiment itself have been."""
        self._grown = None
        self._uncovered = self._behind()

    @property
    def decisions(self) -> int:
        """How many decisions the latest recorded head covers."""
        return max(0, len(self._covered) - 1)

    @property
    def head(self) -> bytes:
        """The head of all that was read."""
        return self._current().head

    @property
    def cut(self) -> list[int]:
        """How far each chain was read: see `head.Cut`."""
        return self._chains.cut()

    def is_last_right(self) -> bool:
        """Return whether the latest recorded head is that of what it covers; True if there is none.

        The tree that this takes is the one that later heads go on from.
        """
        own = self._chains[None]
        holders = (event for event in reversed(own) if isinstance(event, (Sealed, Finished)))
        latest = next((event.head for event in holders if event.head is not None), None)
        if latest is None or latest == self._right:
            return True
        cut = self._chains.cut()
        if len(self._covered) > len(cut) or any(map(operator.gt, self._covered, cut)):
            return False
        tree = HeadTree(self._digest)
        tree.begin(self._covered, self._ends(self._covered))
        if tree.head != latest:
            return False
        if not len(self._tree):
            self._tree = tree
            self._grown = self.uncovered if self._grown is None else self._grown & self.uncovered
        self._right = latest
        return True

    def prove(self, tid: int) -> dict[str, Any]:
        """Return the proof that the head holds trial *tid* as it was read: see `HeadTree.prove`."""
        return self._current().prove(tid, len(self._chains[tid]) - 1)

    def is_due(self, every: int) -> bool:
        """Return whether no recorded head covers the last *every* decisions."""
        return len(self._chains) - 1 - self.decisions >= every

    def has_news(self) -> bool:
        """Return whether there is anything that no recorded head covers, beside the event that holds it."""
        own = self._chains[None]
        return bool(self.uncovered - {None}) or not (
            isinstance(own[-1], (Sealed, Finished)) and own[-1].head is not None
        )

    @property
    def uncovered(self) -> set[Chain]:
        """The chains that do not end where the latest recorded head says."""
        return {tid for tid in self._uncovered if not self._is_covered(tid)}

    def _behind(self) -> set[Chain]:
        """Return what `uncovered` does, of all chains, whether they are known to be behind or not."""
        cut = self._chains.cut()
        covered = [*self._covered[: len(cut)], *[-1] * (len(cut) - len(self._covered))]
        return {chain_at(n) for n, (ver, last) in enumerate(zip(covered, cut, strict=True)) if ver != last}

    def sealed(self) -> dict[str, Any]:
        """Return the data of a `Sealed` that commits to all that was read."""
        return {**self._head_and_tips(), "decisions": len(self._chains) - 1}

    def ending(self) -> dict[str, Any]:
        """Return what a `Finished` holds beside what it observed, to commit to all that was read."""
        last = len(self._chains) - 2
        return {**self._head_and_tips(), "decision": self._digest(last if last >= 0 else None, 0)}

    def _head_and_tips(self) -> dict[str, Any]:
        return {"head": self.head, "tips": self._tips()}

    def _tips(self) -> Runs:
        return runs((tid, self._last(tid)) for tid in self.uncovered)

    def _is_covered(self, tid: Chain) -> bool:
        index = index_of(tid)
        return index < len(self._covered) and self._covered[index] == self._last(tid)

    def _current(self) -> HeadTree:
        if self._grown is None:
            cut = self._chains.cut()
            self._tree.begin(cut, self._ends(cut))
        elif self._grown:
            self._tree.move((tid, self._last(tid)) for tid in self._grown)
        self._grown = set()
        return self._tree


def seal(experiment: Experiment) -> Event | None:
    """Append an event that commits to all that was read of *experiment*; return it, or None if its last one does.

    Raises `Conflict` if the experiment's own chain has gone on meanwhile.
    """
    if not experiment.seals.has_news():
        return None
    [event] = experiment.compose((Sealed, None, experiment.seals.sealed()))
    experiment.append([event])
    return event


def _chains_of(tips: Sequence[Sequence[Any]]) -> Iterable[Chain]:
    for tid, n, _ in tips:
        first = index_of(tid)
        yield from map(chain_at, range(first, first + n))
