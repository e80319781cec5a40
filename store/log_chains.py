"""The chains of a stored log, with the digest up to each event, as those who check the log look at them. Pure."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from hstore.store.chain_digests import full_chain_name
from hstore.store.digest import digest, digest_of_any
from hstore.store.event_documents import keys_of, place
from hstore.store.events import Document
from hstore.store.head import HeadTree
from hstore.store.lazy_dataclass import lazy_dataclass

Kind = Literal["changed", "removed", "added", "moved", "unreadable", "stripped", "contradictory", "lost"]


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
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
    digests: Sequence[bytes]
    quarantined: set[int] = field(default_factory=set)
    """Places of events that count for nothing: what they say of others is not looked at."""

    @property
    def name(self) -> str:
        """What messages call it."""
        return full_chain_name(self.tid)

    @property
    def counting(self) -> Iterable[tuple[int, Document]]:
        """The events that count, with their places."""
        return ((ver, document) for ver, document in enumerate(self.documents) if ver not in self.quarantined)

    def finding(self, ver: int, kind: Kind, message: str) -> Finding:
        """Return what is to be said of event *ver*."""
        return Finding(tid=self.tid, ver=ver, kind=kind, message=f"event {ver} of {self.name} was {kind}: {message}")

    def contradiction(self, ver: int, message: str) -> Finding:
        """Return that event *ver* contradicts itself."""
        text = f"event {ver} of {self.name} contradicts itself: {message}"
        return Finding(tid=self.tid, ver=ver, kind="contradictory", message=text)


class Chains(dict[int | None, LogChain]):
    """By tid the chains of a log (None: the experiment's own), and what is found of events without a place in any."""

    def __init__(self) -> None:
        super().__init__()
        self.strays: list[Finding] = []

    def place_for_quarantined(self, tid: int | None) -> int | None:
        """Return the next ver of the chain of *tid*; None if there is no place for an event that is quarantined."""
        if (known := self.get(tid)) is not None:
            return len(known.documents)
        last = max((each for each in self if each is not None), default=-1)
        return 0 if tid is None or tid <= last + 1 else None


def chains_of(documents: Iterable[Document]) -> Chains:
    """Return the chains of *documents*, all events of one experiment in the order of `EventLog.documents`.

    Quarantined events are left out, unless their chain goes on behind them.
    """
    documents = list(documents)
    gone = quarantined_ids(documents)
    chains = Chains()
    digests: dict[int | None, list[bytes]] = {}
    for document in documents:
        at, is_gone = place(document), not gone.isdisjoint(keys_of(document))
        if at is None:
            if not is_gone:
                message = f"event {document.get('ver')!r:.40} of trial {document.get('tid')!r:.40} has no place in it"
                chains.strays.append(Finding(tid=None, ver=0, kind="added", message=message))
            continue
        tid, ver = at
        if is_gone and ver != chains.place_for_quarantined(tid):
            continue  # its chain has not come that far
        known = digests.setdefault(tid, [])
        chain = chains.setdefault(tid, LogChain(tid, [], known))
        after = known[-1] if known else b""
        try:
            own = digest(document, after)
            if type(document.get("type")) is not str or type(document.get("by")) is not str:
                document = {**document, "raw": b""}
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            document, own = {**document, "raw": b""}, digest_of_any(document, after)  # it has not the shape of an event
        if is_gone:
            chain.quarantined.add(ver)
        known.append(own)
        chain.documents.append(document)
    return chains


def quarantined_ids(documents: Iterable[Document]) -> set[str]:
    """Return the `_id`s, as Python writes them, of what the `quarantined` events among *documents* name."""
    found = (data_of(each).get("events") for each in documents if each.get("type") == "quarantined")
    entries = [entry for entries in found if isinstance(entries, list) for entry in entries]
    return {repr(entry[2]) for entry in entries if isinstance(entry, list) and len(entry) == 4}


def is_whole(chains: Mapping[int | None, LogChain]) -> bool:
    """Return whether there is the experiment's own chain, and trials 0, 1, 2, … without gaps."""
    return None in chains and all(tid in chains for tid in range(len(chains) - 1))


class DigestsAlone(Mapping[int | None, LogChain]):
    """Chains of which little more than digests is kept: they are asked for without a `LogChain` around them."""

    @abstractmethod
    def digest(self, tid: int | None, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""

    @abstractmethod
    def last(self, tid: int | None) -> int:
        """Return the ver of the last event of the chain of *tid*."""


def last_of(chains: Mapping[int | None, LogChain], tid: int | None) -> int:
    """Return the ver of the last event of one of *chains*."""
    return chains.last(tid) if isinstance(chains, DigestsAlone) else len(chains[tid].digests) - 1


def head_tree(chains: Mapping[int | None, LogChain]) -> HeadTree:
    """Return a tree for heads of *chains*, at no tips yet."""
    if isinstance(chains, DigestsAlone):
        return HeadTree(chains.digest)
    return HeadTree(lambda tid, ver: chains[tid].digests[ver])


def head_of(chains: Mapping[int | None, LogChain]) -> bytes:
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
        if (tid is None or isinstance(tid, int)) and isinstance(ver, int) and isinstance(expected, bytes)
    ]
