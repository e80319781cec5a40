"""Verify: recompute every digest of a log and name the first event that is not what it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from hstore.store.digest import digest, digest_of_any
from hstore.store.event_documents import place as place_of
from hstore.store.events import Document

Kind = Literal["changed", "removed", "added", "moved", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An event that does not match the digests that others hold of it."""

    tid: int | None
    """None: the experiment's own chain."""
    ver: int
    kind: Kind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of verifying a log.

    Nothing commits yet to the events after those that decisions and `finished` observed: a change there goes unnoticed.
    """

    events: int
    decisions: int
    head: bytes
    """Digest of the last decision (of the beginning, if there is none): it commits to all before."""
    findings: tuple[Finding, ...]


@dataclass(slots=True)
class _Chain:
    """A chain as it is stored, and the digest up to each of its events."""

    tid: int | None
    documents: list[Document]
    digests: list[bytes]
    quarantined: set[int] = field(default_factory=set)
    """Places of events that count for nothing: what they say they follow is not looked at."""

    @property
    def name(self) -> str:
        return "the experiment's own chain" if self.tid is None else f"trial {self.tid}"

    def finding(self, ver: int, kind: Kind, message: str) -> Finding:
        return Finding(tid=self.tid, ver=ver, kind=kind, message=f"event {ver} of {self.name} was {kind}: {message}")


def verify(documents: Iterable[Document]) -> Report:
    """Check the digests of *documents*, all events of one experiment in the order of `EventLog.documents`.

    The first finding is the first event, in the order of decisions, that was changed, removed, added or moved. What
    comes after it in its chain cannot match either, so each chain has one finding at most.
    """
    chains, strays = _chains(documents)
    witnesses = {
        witness for chain in chains.values() for document in chain.documents for witness in _witnesses(document)
    }
    header = chains.get(None)
    findings: dict[int | None, Finding] = {}

    def add(finding: Finding | None) -> None:
        if finding is not None:
            findings.setdefault(finding.tid, finding)

    if header is None:
        add(Finding(tid=None, ver=0, kind="removed", message="event 0 of the experiment's own chain was removed"))
    else:
        add(_check_links(header, witnesses))
    tids = sorted(tid for tid in chains if tid is not None)
    before, expected = header, 0
    for tid in tids:
        if tid > expected:  # one finding for the whole gap: an id that was edited may leave one of millions
            add(Finding(tid=expected, ver=0, kind="removed", message=f"event 0 of trial {expected} was removed"))
        chain, expected = chains[tid], tid + 1
        if before is not None and before.tid not in findings:
            add(_check_decision(chain, before, chains, witnesses))
        if tid not in findings:
            add(_check_links(chain, witnesses))
        for finding in _check_observed(chain.documents[0], chains):
            add(finding)
        before = chain
    for document in header.documents if header is not None else ():
        for finding in _check_observed(document, chains):
            add(finding)
    head = chains[tids[-1]].digests[0] if tids else header.digests[0] if header is not None else b""
    count = sum(len(chain.documents) for chain in chains.values())
    return Report(events=count, decisions=len(tids), head=head, findings=(*findings.values(), *strays))


def _chains(documents: Iterable[Document]) -> tuple[dict[int | None, _Chain], list[Finding]]:
    """Return the chains, and what is found of events that have no place in any; quarantined ones are left out."""
    documents = list(documents)
    gone = quarantined_ids(documents)
    chains: dict[int | None, _Chain] = {}
    strays: list[Finding] = []
    for document in documents:
        at, is_gone = place_of(document), repr(document.get("_id")) in gone
        if at is None:
            if not is_gone:
                message = f"event {document.get('ver')!r:.40} of trial {document.get('tid')!r:.40} has no place in it"
                strays.append(Finding(tid=None, ver=0, kind="added", message=message))
            continue
        tid, ver = at
        known = chains.get(tid)
        last = max((each for each in chains if each is not None), default=-1) if is_gone else -1
        if is_gone and (ver != (0 if known is None else len(known.documents)) or (tid is not None and tid > last + 1)):
            continue  # its chain has not come that far
        chain = chains.setdefault(tid, _Chain(tid, [], []))
        after = chain.digests[-1] if chain.digests else b""
        try:
            own = digest(document, after)
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            document, own = {**document, "raw": b""}, digest_of_any(document, after)  # it has not the shape of an event
        if is_gone:
            chain.quarantined.add(ver)
        chain.digests.append(own)
        chain.documents.append(document)
    return chains, strays


def quarantined_ids(documents: Iterable[Document]) -> set[str]:
    """Return the `_id`s, as Python writes them, of what the `quarantined` events among *documents* name."""
    found = (_data(each).get("events") for each in documents if each.get("type") == "quarantined")
    entries = [entry for entries in found if isinstance(entries, list) for entry in entries]
    return {repr(entry[2]) for entry in entries if isinstance(entry, list) and len(entry) == 4}


def _data(document: Document) -> Document:
    data = document.get("data")
    return data if isinstance(data, dict) else {}


def _prev(document: Document) -> bytes | None:
    prev = _data(document).get("prev")
    return prev if isinstance(prev, bytes) else None


def _observed(document: Document) -> list[tuple[int | None, int, bytes]]:
    """Return what *document* says it observed; nonsense in it shows in its own digest."""
    observed = _data(document).get("observed")
    entries = [entry for entry in observed if isinstance(entry, list)] if isinstance(observed, list) else []
    return [
        (tid, ver, expected)
        for tid, ver, expected in (entry for entry in entries if len(entry) == 3)
        if isinstance(tid, int | None) and isinstance(ver, int) and isinstance(expected, bytes)
    ]


def _witnesses(document: Document) -> Iterable[bytes]:
    """Yield the digests of other events that *document* holds."""
    decision = _data(document).get("decision")
    yield from (digest for digest in (_prev(document), decision) if isinstance(digest, bytes))
    yield from (expected for _, _, expected in _observed(document))


def _check_decision(
    chain: _Chain, before: _Chain, chains: dict[int | None, _Chain], witnesses: set[bytes]
) -> Finding | None:
    """Check that the decision which begins *chain* follows the one of *before*, or the beginning of the experiment."""
    first = chain.documents[0]
    if first.get("ver") != 0 or "raw" in first or 0 in chain.quarantined or _prev(first) in (None, before.digests[0]):
        return None  # `_check_links` reports a chain that does not begin with a decision
    if before.digests[0] not in witnesses:
        return before.finding(0, "changed", f"the decision of trial {chain.tid} follows another one")
    was_moved = any(tid is not None and digest(first | {"tid": tid}) in witnesses for tid in chains)
    return chain.finding(0, "moved" if was_moved else "changed", f"it does not follow the decision of {before.name}")


def _check_links(chain: _Chain, witnesses: set[bytes]) -> Finding | None:
    """Check that the events of *chain* are dense and that each carries the digest of the one before."""
    for place, document in enumerate(chain.documents):
        prev = _prev(document)
        after = chain.digests[place - 1] if place else b""
        if document.get("ver") != place:
            return chain.finding(place, "removed", f"event {document.get('ver')} follows event {place - 1}")
        if place in chain.quarantined:
            continue
        if "raw" in document:
            return chain.finding(place, "unreadable", "its document cannot be decoded as an event")
        if place == 0 or prev is None or prev == after:
            continue
        if place >= 2 and prev == chain.digests[place - 2]:
            return chain.finding(place - 1, "added", "the next one follows the one before it")
        if after not in witnesses:  # no event commits to the one before as it is now
            return chain.finding(place - 1, "changed", "the next one carries another digest of it")
        places = range(len(chain.documents))
        was_moved = any(digest(document | {"ver": ver}, prev) in witnesses for ver in places if ver != place)
        return chain.finding(place, "moved" if was_moved else "changed", "it does not follow the one before it")
    return None


def _check_observed(document: Document, chains: dict[int | None, _Chain]) -> Iterable[Finding]:
    """Check the digests that a decision, or the end of the search, holds of the chains that it observed."""
    for tid, ver, expected in _observed(document):
        chain = chains.get(tid)
        if chain is None:
            yield Finding(tid=tid, ver=0, kind="removed", message=f"all of trial {tid} was removed")
        elif ver >= len(chain.digests):
            yield chain.finding(len(chain.digests), "removed", "a decision observed it")
        elif chain.digests[ver] != expected:
            yield chain.finding(ver, "changed", "a decision observed another digest of it")
