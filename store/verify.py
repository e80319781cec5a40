"""Verify: recompute every digest of a log and name the first event that is not what it was. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hstore.store.digest import digest
from hstore.store.events import Document
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.lineage import Copies
from hstore.store.log_chains import Chains, Finding, LogChain, chains_of, data_of, head_of, observed_by, prev_of
from hstore.store.own_content import contradictions, stripped, writers
from hstore.store.recorded_heads import Fetch, RecordedHead, RecordedHeads, furthest, uncommitted


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The result of verifying a log."""

    events: int
    decisions: int
    head: bytes
    """The head (see `head`): it commits to every event. Nothing if trials are missing."""
    decision_digest: bytes
    """Digest of the last decision (of the beginning, if there is none): it commits to all that decisions knew."""
    recorded: tuple[RecordedHead, ...]
    """The heads in the log that are those of the events that they cover."""
    uncommitted: int
    """How many events no other event commits to yet: a change there goes unnoticed, unless a head was published."""
    findings: tuple[Finding, ...]
    copied: Mapping[str, Any] | None = None
    """Where it was copied from, if it had another name there: `exp`, `store`, `head`, `events`."""


def verify(documents: Iterable[Document], *, fetch: Fetch | None = None) -> Report:
    """Check the digests of *documents*, all events of one experiment in the order of `EventLog.documents`.

    fetch: returns the content of an attachment by its SHA-256, for heads whose event was too large.
    The first finding is the first event, in the order of decisions, that was changed, removed, added or moved. What
    comes after it in its chain cannot match either, so each chain has one finding at most.
    """
    return verify_chains(chains_of(documents), fetch=fetch)


def verify_chains(chains: Chains, *, fetch: Fetch | None = None) -> Report:
    """Do the same with the chains of a log."""
    witnesses = {
        witness for chain in chains.values() for _, document in chain.counting for witness in _witnesses(document)
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
        if 0 not in chain.quarantined:
            for finding in _check_observed(chain.documents[0], chains):
                add(finding)
        before = chain
    for _, document in header.counting if header is not None else ():
        for finding in _check_observed(document, chains):
            add(finding)
    heads = RecordedHeads(chains, fetch)
    add(heads.finding)
    if header is not None:
        add(_check_last_decision(header, chains))
    ours = writers(chains)
    copies = Copies(chains)
    add(copies.finding)
    for chain in chains.values():
        add(stripped(chain, ours))
        for finding in contradictions(chain):
            add(finding)
    last = chains[tids[-1]] if tids else header
    covered = furthest(heads.covered, copies.covered)
    return Report(
        events=sum(len(chain.documents) for chain in chains.values()), decisions=len(tids), head=head_of(chains),
        decision_digest=last.digests[0] if last is not None else b"", recorded=tuple(heads.right),
        uncommitted=uncommitted(chains, covered, _observed(chains), _followed(chains, tids)),
        findings=(*findings.values(), *chains.strays), copied=copies.copied,
    )  # fmt: skip


def _observed(chains: Chains) -> dict[int | None, int]:
    """Return up to which event decisions, and the ends of the search, observed each chain."""
    known: dict[int | None, int] = {}
    for chain in chains.values():
        for ver, document in chain.counting:
            for tid, end, _ in observed_by(document) if chain.tid is None or ver == 0 else ():
                known[tid] = max(end, known.get(tid, -1))
    return known


def _followed(chains: Chains, tids: Sequence[int]) -> set[bytes]:
    """Return the digests of decisions, and of `created`, that later events hold."""
    first = (prev_of(chains[tid].documents[0]) for tid in tids)
    own = chains[None].documents if None in chains else ()
    last = (data_of(document).get("decision") for document in own)
    return {digest for digest in (*first, *last) if isinstance(digest, bytes)}


def _witnesses(document: Document) -> Iterable[bytes]:
    """Yield the digests of other events that *document* holds."""
    decision = data_of(document).get("decision")
    yield from (digest for digest in (prev_of(document), decision) if isinstance(digest, bytes))
    yield from (expected for _, _, expected in observed_by(document))


def _check_decision(chain: LogChain, before: LogChain, chains: Chains, witnesses: set[bytes]) -> Finding | None:
    """Check that the decision which begins *chain* follows the one of *before*, or the beginning of the experiment."""
    first = chain.documents[0]
    if first.get("ver") != 0 or "raw" in first or 0 in chain.quarantined or prev_of(first) in (None, before.digests[0]):
        return None  # `_check_links` reports a chain that does not begin with a decision
    if before.digests[0] not in witnesses:
        return before.finding(0, "changed", f"the decision of trial {chain.tid} follows another one")
    was_moved = any(tid is not None and digest(first | {"tid": tid}) in witnesses for tid in chains)
    return chain.finding(0, "moved" if was_moved else "changed", f"it does not follow the decision of {before.name}")


def _check_links(chain: LogChain, witnesses: set[bytes]) -> Finding | None:
    """Check that the events of *chain* are dense and that each carries the digest of the one before."""
    for place, document in enumerate(chain.documents):
        prev = prev_of(document)
        after = chain.digests[place - 1] if place else b""
        if document.get("ver") == place - 1:
            return chain.finding(place - 1, "added", "there are two events in this place")
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


def _check_last_decision(header: LogChain, chains: Chains) -> Finding | None:
    """Check that the last decision before each end of the search is in the log."""
    decisions = {chain.digests[0] for chain in chains.values()}
    for ver, document in header.counting:
        decision = data_of(document).get("decision")
        if document.get("type") == "finished" and isinstance(decision, bytes) and decision not in decisions:
            return header.contradiction(ver, "the last decision before it is not in the log")
    return None


def _check_observed(document: Document, chains: Chains) -> Iterable[Finding]:
    """Check the digests that a decision, or the end of the search, holds of the chains that it observed."""
    for tid, ver, expected in observed_by(document):
        chain = chains.get(tid)
        if chain is None:
            yield Finding(tid=tid, ver=0, kind="removed", message=f"all of trial {tid} was removed")
        elif ver >= len(chain.digests):
            yield chain.finding(len(chain.digests), "removed", "a decision observed it")
        elif chain.digests[ver] != expected:
            yield chain.finding(ver, "changed", "a decision observed another digest of it")
