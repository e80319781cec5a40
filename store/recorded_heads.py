"""The heads that a log records: each is computed again from the events that it covers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import zip_longest
from typing import Any

import bson

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import are_tips, unspill
from hstore.store.events import Document
from hstore.store.head import chain_at, index_of, move
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log_chains import Finding, LogChain, data_of, head_tree, is_whole, last_of

Fetch = Callable[[bytes], bytes]


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHead:
    """A head in the log that is the one of the events that it covers."""

    ver: int
    """Place of the event that holds it, in the experiment's own chain."""
    head: bytes
    decisions: int
    """How many decisions it covers."""
    events: int
    """How many events in all."""


class RecordedHeads:
    """The heads that *chains* record.

    fetch: returns the content of an attachment, for what was too large for an event; without it a head whose tips are
        there is skipped, and those after it.
    """

    def __init__(self, chains: Mapping[int | None, LogChain], fetch: Fetch | None) -> None:
        self.right: list[RecordedHead] = []
        self.finding: Finding | None = None
        """What is wrong with the first one that is not."""
        self.covered: list[int] = []
        """How far the right ones cover each chain."""
        self._chains = chains
        self._fetch = fetch
        self._tree = head_tree(chains)
        self._cut: list[int] = []
        self._events = 0
        """How many the head covers that is looked at."""
        if is_whole(chains):
            self._check()

    def _check(self) -> None:
        own, cut = self._chains[None], self._cut
        for ver, document in own.counting:
            if document.get("type") not in ("sealed", "finished") or "raw" in document:
                continue
            try:
                data = self.data(document, self._fetch)
            except (NotFound, VerificationFailed) as error:
                self.finding = own.finding(ver, "lost", f"what its head covers cannot be read: {error}")
                return
            if data is None:
                return
            if document["type"] == "finished" and data.get("head") is None and data.get("tips") is None:
                continue  # of an older version
            head, tips = data.get("head"), data.get("tips")
            if not (isinstance(head, bytes) and isinstance(tips, list) and are_tips(tips)):
                self.finding = own.finding(ver, "stripped", "it does not hold a head, or not what that covers")
                return
            self.finding = self._moved(cut, tips, ver)
            if self.finding is not None:
                return
            if self._tree.head != head:
                first = self.right[-1] if self.right else None
                still = f"; the one in event {first.ver} is that of the first {first.events}" if first else ""
                n = self._events
                self.finding = own.contradiction(ver, f"its head is not that of the {n} events that it covers{still}")
                return
            if document["type"] == "sealed" and data.get("decisions") != len(cut) - 1:
                self.finding = own.contradiction(ver, f"its head covers {len(cut) - 1} decisions")
                return
            self.right.append(RecordedHead(ver=ver, head=head, decisions=len(cut) - 1, events=self._events))
            self._cover(cut, tips)

    def _moved(self, cut: list[int], tips: list[Any], ver: int) -> Finding | None:
        """Move *cut* on by the *tips* of event *ver*; return what is missing of the log for that."""
        own, chains = self._chains[None], self._chains
        before = sum(cut[index] + 1 for index in _indexes(tips, len(cut)))
        if not move(cut, tips, most=len(chains)):
            return own.contradiction(ver, "its head covers more trials than there are")
        if not cut or cut[0] >= ver:
            return own.contradiction(ver, "its head covers no event, or some that come after it")
        changed = _indexes(tips, len(cut))
        self._events += sum(cut[index] + 1 for index in changed) - before
        for index in changed:
            last = last_of(chains, chain_at(index))
            if cut[index] > last:
                return chains[chain_at(index)].finding(last + 1, "removed", f"event {ver} of {own.name} covers it")
        self._tree.move((chain_at(index), cut[index]) for index in changed)
        return None

    def head_of_all(self) -> bytes:
        """Return the head of all chains, if nothing was found; afterwards this looks at no other head."""
        chains, cut = self._chains, self._cut
        tips = ((tid, last_of(chains, tid)) for tid in chains)
        self._tree.move((tid, ver) for tid, ver in tips if index_of(tid) >= len(cut) or cut[index_of(tid)] != ver)
        return self._tree.head

    def _cover(self, cut: list[int], tips: list[Any]) -> None:
        """Note that a right head covers *cut*; only *tips* moved since the one before it."""
        covered = self.covered
        covered += [-1] * (len(cut) - len(covered))
        for index in _indexes(tips, len(cut)):
            covered[index] = max(covered[index], cut[index])

    @staticmethod
    def data(document: Document, fetch: Fetch | None) -> Document | None:
        """Return the data of *document* with what was moved out of it; None if it cannot be fetched here.

        Raises `NotFound` or `VerificationFailed` if it is lost.
        """
        data = data_of(document)
        if "spilled" not in data:
            return data
        if fetch is None:
            return None
        try:
            return unspill(data, fetch)
        except (bson.errors.BSONError, KeyError, TypeError, AttributeError):
            return {}


def _indexes(tips: list[Any], most: int) -> list[int]:
    """Return the places, below *most*, of the chains that *tips* are about, in order."""
    found: set[int] = set()
    for tid, n, _ in tips:
        first = index_of(tid)
        found.update(range(first, min(first + n, most)))
    return sorted(found)


def furthest(one: list[int], other: list[int]) -> list[int]:
    """Return how far each chain is covered by either."""
    return [max(pair) for pair in zip_longest(one, other, fillvalue=-1)]


def uncommitted(
    chains: Mapping[int | None, LogChain], covered: list[int], observed: dict[int | None, int], decisions: set[bytes]
) -> int:
    """Return how many events of *chains* nothing commits to, but for the event that holds the last head.

    covered: how far recorded heads cover each chain; observed: how far decisions do, and `finished`; decisions: digests
    of the decisions that others follow.
    """
    n = 0
    for tid, chain in chains.items():
        index = index_of(tid)
        last = max(covered[index] if index < len(covered) else -1, observed.get(tid, -1))
        if last < 0 and chain.digests[0] in decisions:
            last = 0
        left = len(chain.digests) - 1 - last
        if tid is None and left and covered and holds_head(chain.documents[-1]):
            left -= 1
        n += max(0, left)
    return n


def holds_head(document: Document) -> bool:
    """Return whether *document* records a head."""
    return data_of(document).get("head") is not None
