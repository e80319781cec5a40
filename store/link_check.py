"""LinkCheck: whether what was read of an experiment fits the digests that its own events hold, before it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from hstore.store.chain_digests import ChainDigests
from hstore.store.errors import Tampered
from hstore.store.events import Document, Done, Event, Finished, Noted, Queued, Reserved, Unreadable
from hstore.store.head import Chain
from hstore.store.log_chains import chains_of
from hstore.store.named_content import missing_content
from hstore.store.own_content import contradiction
from hstore.store.seals import Seals
from hstore.store.verify import verify_chains


def tampered(name: str, documents: Iterable[Document], fetch: Callable[[bytes], bytes]) -> Tampered | None:
    """Return the error that says what was changed in *documents*, all events of experiment *name*; None if nothing was.

    fetch: see `verify`.
    """
    chains = chains_of(documents)
    findings = verify_chains(chains, fetch=fetch).findings
    if not findings:  # results that were too large for an event are with the attachments
        findings = tuple(each for each in missing_content(chains, fetch) if each.kind == "contradictory")
    if not findings:
        return None
    return Tampered(
        f"experiment {name!r} is refused: {findings[0].message}",
        hint=f"see `hstore verify {name}`; fmin(…, trust=True) and `hstore worker --force` go on", exp=name,
        tid=findings[0].tid,
    )  # fmt: skip


class LinkCheck:
    """Compares what the events of *chains* hold of each other with what they are; each event once.

    It says only whether all is well: what is wrong `verify` finds, which reads the log again. The digests that it
    computes are kept for decisions, heads and signatures. digests: has those of these and of settled chains. whole: all
    chains, with those of settled trials, which are not compared again: the last recorded head, and what observed them,
    hold their digests.
    """

    def __init__(
        self,
        chains: Mapping[Chain, Sequence[Event]],
        digests: ChainDigests,
        seals: Seals,
        *,
        whole: Mapping[Chain, Sequence[Event]],
    ) -> None:
        self._chains = chains
        self._whole = whole
        self._digests = digests
        self._seals = seals
        self._lengths: dict[Chain, int] = {}
        """How many events of each chain were compared."""

    def forget(self, tid: int) -> None:
        """Forget the chain of trial *tid*."""
        self._lengths.pop(tid, None)

    def holds(self, *, whole: bool) -> bool:
        """Return whether all is well with what is new since the last time that it was.

        whole: all trials are read, so that decisions can be compared with what they follow and observed, and the last
        head that was recorded with what it covers.
        """
        new = [(tid, self._lengths.get(tid, 0)) for tid, chain in self._chains.items()]
        new = [(tid, n) for tid, n in new if n < len(self._chains[tid])]
        ours = cache(self._ours)
        followed = self._digests.of_decisions(tid - 1 for tid, n in new if n == 0 and tid) if whole else {}
        if not all(self._is_linked(tid, self._chains[tid], n, ours, followed, whole=whole) for tid, n in new):
            return False
        if whole and new and not self._seals.is_last_right():
            return False
        if whole and new and any(self._contradicts(tid) for tid in self._seals.uncovered if tid in self._chains):
            return False
        self._lengths.update((tid, len(self._chains[tid])) for tid, _ in new)
        return True

    def _is_linked(
        self,
        tid: Chain,
        chain: Sequence[Event],
        known: int,
        ours: Callable[[], set[str]],
        followed: Mapping[int, bytes],
        *,
        whole: bool,
    ) -> bool:
        """Return whether *chain* fits from event *known* on. followed: the digests of decisions that others follow."""
        digests = self._digests.up_to(tid, len(chain) - 1)
        for ver in range(max(known, 1), len(chain)):
            event = chain[ver]
            if isinstance(event, Unreadable) and event.is_quarantined:
                continue
            if event.prev is None:
                if whole and not isinstance(event, Noted) and (tid is None or event.by in ours()):
                    return False
            elif event.prev != digests[ver - 1]:
                return False
        first = chain[0]
        if known == 0 and whole and tid is not None:
            after = followed[tid - 1] if tid else self._digests.at(None, 0)
            if isinstance(first, Unreadable) and first.is_quarantined:
                return True
            if first.prev != after or not isinstance(first, Queued) or not self._has_observed(first.observed):
                return False
        if tid is None and whole:
            ends = (event for event in chain[known:] if isinstance(event, Finished))
            return all(self._has_observed(event.observed) for event in ends)
        return True

    def _contradicts(self, tid: Chain) -> bool:
        """Return whether the end of a trial says one thing, and its result another: no digest may cover it yet."""
        end = self._chains[tid][-1]
        if not isinstance(end, Done):
            return False
        return contradiction({"result": end.result, "loss": end.loss, "status": end.status}) != ""

    def _ours(self) -> set[str]:
        """Return the writers whose events hold what they follow: see `own_content.writers`."""
        first = (chain[0] for chain in self._chains.values())
        ours = {event.by for event in first if not (isinstance(event, Unreadable) and event.is_quarantined)}
        claims = (event for chain in self._chains.values() for event in chain if isinstance(event, Reserved))
        return ours | {claim.by for claim in claims if claim.process is not None}

    def _has_observed(self, observed: Iterable[Sequence[Any]]) -> bool:
        for tid, ver, expected in observed:
            chain = self._whole.get(tid, ())
            if not 0 <= ver < len(chain) or self._digests.at(tid, ver) != expected:
                return False
        return True
