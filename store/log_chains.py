"""The chains of a stored log, with the digest up to each event, as those who check the log look at them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hstore.store.digest import digest
from hstore.store.events import Document
from hstore.store.head import HeadTree

Kind = Literal["changed", "removed", "added", "moved", "unreadable", "stripped", "contradictory", "lost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An event that does not match the digests that others hold of it, or its own content."""

    tid: int | None
    """None: the experiment's own chain."""
    ver: int
    kind: Kind
    message: str


@dataclass(slots=True)
class LogChain:
    """A chain as it is stored, and the digest up to each of its events."""

    tid: int | None
    documents: list[Document]
    digests: list[bytes]

    @property
    def name(self) -> str:
        """What messages call it."""
        return "the experiment's own chain" if self.tid is None else f"trial {self.tid}"

    def finding(self, ver: int, kind: Kind, message: str) -> Finding:
        """Return what is to be said of event *ver*."""
        return Finding(tid=self.tid, ver=ver, kind=kind, message=f"event {ver} of {self.name} was {kind}: {message}")

    def contradiction(self, ver: int, message: str) -> Finding:
        """Return that event *ver* contradicts itself."""
        text = f"event {ver} of {self.name} contradicts itself: {message}"
        return Finding(tid=self.tid, ver=ver, kind="contradictory", message=text)


Chains = dict[int | None, LogChain]


def chains_of(documents: Iterable[Document]) -> Chains:
    """Return the chains of *documents*, all events of one experiment in the order of `EventLog.documents`."""
    chains: Chains = {}
    for document in documents:
        tid = document.get("tid")
        chain = chains.setdefault(tid, LogChain(tid, [], []))
        try:
            own = digest(document, chain.digests[-1] if chain.digests else b"")
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            document, own = {**document, "raw": b""}, b""  # it has not the shape of an event
        chain.digests.append(own)
        chain.documents.append(document)
    return chains


def is_whole(chains: Chains) -> bool:
    """Return whether there is the experiment's own chain, and trials 0, 1, 2, … without gaps."""
    return None in chains and all(tid in chains for tid in range(len(chains) - 1))


def head_tree(chains: Chains) -> HeadTree:
    """Return a tree for heads of *chains*, at no tips yet."""
    return HeadTree(lambda tid, ver: chains[tid].digests[ver])


def head_of(chains: Chains) -> bytes:
    """Return the head of all *chains*; nothing if trials are missing."""
    if not is_whole(chains):
        return b""
    tree = head_tree(chains)
    tree.move((tid, len(chain.digests) - 1) for tid, chain in chains.items())
    return tree.head


def data_of(document: Document) -> Document:
    """Return the data of *document*; nothing for what has none."""
    data = document.get("data")
    return data if isinstance(data, dict) else {}


def prev_of(document: Document) -> bytes | None:
    """Return the digest of what *document* follows, as far as it says."""
    prev = data_of(document).get("prev")
    return prev if isinstance(prev, bytes) else None


def observed_by(document: Document) -> list[tuple[int | None, int, bytes]]:
    """Return what *document* says it observed; nonsense in it shows in its own digest."""
    observed = data_of(document).get("observed")
    entries = [entry for entry in observed if isinstance(entry, list)] if isinstance(observed, list) else []
    return [
        (tid, ver, expected)
        for tid, ver, expected in (entry for entry in entries if len(entry) == 3)
        if isinstance(tid, int | None) and isinstance(ver, int) and isinstance(expected, bytes)
    ]
