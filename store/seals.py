"""Seals: the heads that an experiment's own chain records, which events they cover, and the head now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import gt
from typing import TYPE_CHECKING, Any

from hstore.store.events import Event, Finished, Sealed
from hstore.store.head import Chain, HeadTree, Runs, chain_at, index_of, move, runs

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.snapshots import AllChains


FEW = 1000
"""Of fewer chains one is looked at after the other."""


class Seals:
    """The head of *chains*, as far as they were read, and what of them an event commits to. *digest*: see `HeadTree`.

    What it costs is in proportion to what is new, so that a search of any length can be sealed again and again.
    """

    def __init__(self, chains: AllChains, digest: Callable[[Chain, int], bytes]) -> None:
        self._chains = chains
        self._last = chains.last
        self._digest = digest
        self._tree = HeadTree(digest)
        self._grown: set[Chain] = set()
        """Chains whose ends the tree does not know."""
        self._covered: list[int] = []
        """How far the latest recorded head covers each chain."""
        self._uncovered: set[Chain] = set()
        """Chains that may not end where that one says."""

    def take(self, events: Iterable[Event]) -> None:
        """Note that *events* are in their chains now."""
        is_sealed = False
        for event in events:
            self._grown.add(event.tid)
            self._uncovered.add(event.tid)
            if isinstance(event, (Sealed, Finished)) and event.tips is not None:
                if move(self._covered, event.tips, most=len(self._chains)):
                    self._uncovered.update(_chains_of(event.tips))
                is_sealed = True
        if is_sealed:
            self._uncovered = self.uncovered

    def begin_from(self, settled: Iterable[int]) -> None:
        """Note the chains of *settled* trials, of which no event is taken; those of the experiment itself have been."""
        chains: set[Chain] = set(settled)
        self._grown |= chains
        self._uncovered |= self._not_covered(chains)

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
        return self._chains.lasts()

    def is_last_right(self) -> bool:
        """Return whether the latest recorded head is that of what it covers; True if there is none.

        The tree that this takes is the one that later heads go on from.
        """
        own = self._chains[None]
        holders = (event for event in reversed(own) if isinstance(event, (Sealed, Finished)))
        latest = next((event.head for event in holders if event.head is not None), None)
        if latest is None:
            return True
        lasts = self._chains.lasts()
        if len(self._covered) > len(lasts) or any(map(gt, self._covered, lasts)):
            return False
        tree = HeadTree(self._digest)
        self._move(tree, [(chain_at(index), ver) for index, ver in enumerate(self._covered)])
        if tree.head != latest:
            return False
        if not len(self._tree):
            self._tree = tree
            self._grown &= self.uncovered
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
        return self._not_covered(self._uncovered)

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

    def _not_covered(self, tids: set[Chain]) -> set[Chain]:
        """Return those of *tids* whose chains do not end where the latest recorded head says."""
        covered = self._covered
        if len(tids) < FEW:
            at = dict(zip(tids, map(index_of, tids), strict=True))
            return {tid for tid, i in at.items() if i >= len(covered) or covered[i] != self._last(tid)}
        lasts = self._chains.lasts()
        wrong = {chain_at(i) for i, pair in enumerate(zip(covered, lasts, strict=False)) if pair[0] != pair[1]}
        return {tid for tid in tids if tid in wrong or index_of(tid) >= len(covered)}

    def _current(self) -> HeadTree:
        if self._grown:
            self._move(self._tree, [(tid, self._last(tid)) for tid in self._grown])
            self._grown.clear()
        return self._tree

    def _move(self, tree: HeadTree, ends: Sequence[tuple[Chain, int]]) -> None:
        tree.move(ends, self._digest if len(ends) < FEW else self._chains.digests_by(self._digest))


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
