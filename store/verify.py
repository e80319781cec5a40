"""Verify: recompute every digest of a log and name the first event that is not what it was. Pure over stored documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hstore.store.events import Document
from hstore.store.seal import digest

Kind = Literal["changed", "removed", "added", "moved", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """An event that is not what the digests of others say."""

    tid: int | None
    """None: the experiment's own chain."""
    ver: int
    kind: Kind
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of verifying a log. What nothing has committed to yet, the latest ends, cannot be found to be changed."""

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

    @property
    def name(self) -> str:
        return "the experiment's own chain" if self.tid is None else f"trial {self.tid}"

    def finding(self, ver: int, kind: Kind, message: str) -> Finding:
        return Finding(tid=self.tid, ver=ver, kind=kind, message=f"event {ver} of {self.name} was {kind}: {message}")


def verify(documents: Iterable[Document]) -> Report:
    """Return what the digests say of *documents*, all events of one experiment in the order of `EventLog.documents`.

    The first finding is the first event, in the order of decisions, that was changed, removed, added or moved. What
    comes after a change cannot match either, so of each chain only the first finding is told.
    """
    chains = _chains(documents)
    header = chains.get(None)
    count = sum(len(chain.documents) for chain in chains.values())
    findings: dict[int | None, Finding] = {}

    def tell(finding: Finding | None) -> None:
        if finding is not None:
            findings.setdefault(finding.tid, finding)

    if header is None or header.documents[0].get("ver") != 0:
        tell(Finding(tid=None, ver=0, kind="removed", message="event 0 of the experiment's own chain was removed"))
    else:
        tell(_check_links(header))
    tids = sorted(tid for tid in chains if tid is not None)
    before = header
    for place, tid in enumerate(tids):
        for missing in range(tids[place - 1] + 1 if place else 0, tid):
            tell(Finding(tid=missing, ver=0, kind="removed", message=f"event 0 of trial {missing} was removed"))
        chain = chains[tid]
        if before is not None and before.tid not in findings:
            tell(_check_decision(chain, before))
        if tid not in findings:
            tell(_check_links(chain))
        for finding in _check_observed(chain.documents[0], chains):
            tell(finding)
        before = chain
    if header is not None:
        for document in header.documents:
            for finding in _check_observed(document, chains):
                tell(finding)
            decision = document.get("data", {}).get("decision")
            # The decision it names is the last one that it could know of; later ones are no contradiction.
            if decision is not None and decision not in {chain.digests[0] for chain in chains.values()}:
                last = chains[tids[-1]] if tids else header
                tell(last.finding(0, "changed", "`finished` commits to another decision"))
    head = chains[tids[-1]].digests[0] if tids else header.digests[0] if header is not None else b""
    return Report(events=count, decisions=len(tids), head=head, findings=tuple(findings.values()))


def _chains(documents: Iterable[Document]) -> dict[int | None, _Chain]:
    chains: dict[int | None, _Chain] = {}
    for document in documents:
        tid = document.get("tid")
        chain = chains.setdefault(tid, _Chain(tid, [], []))
        chain.digests.append(digest(document, chain.digests[-1] if chain.digests else b""))
        chain.documents.append(document)
    return chains


def _prev(document: Document) -> bytes | None:
    prev: bytes | None = document.get("data", {}).get("prev")
    return prev


def _check_decision(chain: _Chain, before: _Chain) -> Finding | None:
    """Check that the decision which begins *chain* follows the one that begins *before*, or the experiment's beginning."""
    first = chain.documents[0]
    if first["ver"] != 0:
        return None  # _check_links will say so
    if "raw" in first or _prev(first) in (None, before.digests[0]):
        return None
    return before.finding(0, "changed", f"the decision of trial {chain.tid} follows another one")


def _check_links(chain: _Chain) -> Finding | None:
    """Check that the events of *chain* are dense and that each carries the digest of the one before."""
    for place, document in enumerate(chain.documents):
        if document["ver"] != place:
            return chain.finding(place, _removed_or_moved(chain, place), f"event {document['ver']} follows {place - 1}")
        if "raw" in document:
            return chain.finding(place, "unreadable", "its document cannot be decoded")
        prev = _prev(document)
        if place == 0 or prev is None or prev == chain.digests[place - 1]:
            continue
        return _blame(chain, place, prev)
    return None


def _removed_or_moved(chain: _Chain, place: int) -> Kind:
    """Tell whether what follows the gap at *place* still fits once the places are filled: then it was only moved."""
    document = chain.documents[place]
    back = document | {"ver": place}
    after = chain.digests[place - 1] if place else b""
    follower = chain.documents[place + 1] if place + 1 < len(chain.documents) else None
    if follower is not None and _prev(follower) == digest(back, after):
        return "moved"
    return "moved" if follower is None and place > 0 and _prev(document) == after else "removed"


def _blame(chain: _Chain, place: int, prev: bytes) -> Finding:
    """Say which event is to blame that the one at *place* follows something else, of digest *prev*."""
    if place >= 2 and prev == chain.digests[place - 2]:
        return chain.finding(place - 1, "added", "the next one follows the one before it")
    for other, known in enumerate(chain.digests):
        if known == prev and other != place - 1:
            return chain.finding(place, "moved", f"it follows event {other}")
    return chain.finding(place - 1, "changed", "the next one carries another digest of it")


def _check_observed(document: Document, chains: dict[int | None, _Chain]) -> Iterable[Finding]:
    """Check what a decision, or the end of the search, says of the chains that it observed."""
    observed: Sequence[Sequence[Any]] = document.get("data", {}).get("observed") or ()
    for tid, ver, expected in observed:
        chain = chains.get(tid)
        if chain is None:
            yield Finding(tid=tid, ver=0, kind="removed", message=f"all of trial {tid} was removed")
        elif ver >= len(chain.digests):
            yield chain.finding(len(chain.digests), "removed", "a decision observed it")
        elif chain.digests[ver] != expected:
            yield chain.finding(ver, "changed", "a decision observed another digest of it")
