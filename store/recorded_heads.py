"""The heads that a log records: each is computed again from the events that it covers. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import bson

from hstore.store.errors import NotFound, VerificationFailed
from hstore.store.event_documents import are_tips, unspill
from hstore.store.events import Document
from hstore.store.head import chain_at, index_of, move
from hstore.store.log_chains import Finding, LogChain, data_of, head_tree, is_whole

Fetch = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
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
        if is_whole(chains):
            self._check()

    def _check(self) -> None:
        own, cut, events = self._chains[None], list[int](), 0
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
                n = sum(cut) + len(cut)
                still = f"; the one in event {self.right[-1].ver} is that of the first {events}" if self.right else ""
                self.finding = own.contradiction(ver, f"its head is not that of the {n} events that it covers{still}")
                return
            if document["type"] == "sealed" and data.get("decisions") != len(cut) - 1:
                self.finding = own.contradiction(ver, f"its head covers {len(cut) - 1} decisions")
                return
            events = sum(cut) + len(cut)
            self.right.append(RecordedHead(ver=ver, head=head, decisions=len(cut) - 1, events=events))
            self.covered = furthest(self.covered, cut)

    def _moved(self, cut: list[int], tips: list[Any], ver: int) -> Finding | None:
        """Move *cut* on by the *tips* of event *ver*; return what is missing of the log for that."""
        own, chains = self._chains[None], self._chains
        if not move(cut, tips, most=len(chains)):
            return own.contradiction(ver, "its head covers more trials than there are")
        if not cut or cut[0] >= ver:
            return own.contradiction(ver, "its head covers no event, or some that come after it")
        changed = {index for tid, n, _ in tips for index in range(index_of(tid), index_of(tid) + n)}
        for index in sorted(changed):
            chain = chains[chain_at(index)]
            if cut[index] >= len(chain.digests):
                return chain.finding(len(chain.digests), "removed", f"event {ver} of {own.name} covers it")
        self._tree.move((chain_at(index), cut[index]) for index in changed)
        return None

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
