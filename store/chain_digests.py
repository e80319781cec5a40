"""The digests of the chains of an experiment, computed as they are asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias
from uuid import UUID

from hstore.store.digest import digest_event
from hstore.store.events import Event

Chain: TypeAlias = int | None
"""The tid of a trial; None: the experiment's own chain."""


def own_first(chain: Chain) -> int:
    """Return the key by which chains are sorted: the experiment's own, then those of its trials."""
    return -1 if chain is None else chain


def chain_name(tid: object) -> str:
    """Return what messages that name the experiment call the chain of *tid*, which a document may hold as anything."""
    return "its own chain" if tid is None else f"trial {tid!r:.40}"


def full_chain_name(tid: object) -> str:
    """Return what messages that do not name the experiment call that chain."""
    return "the experiment's own chain" if tid is None else chain_name(tid)


class SettledDigests(Protocol):
    """The digests of chains that are not kept: see `snapshots.SettledChains`."""

    def holds(self, tid: Chain) -> bool:
        """Return whether the chain of *tid* is one of them."""

    def digest(self, tid: Chain, ver: int) -> bytes:
        """Return its digest up to *ver*."""

    def decisions(self, tids: Sequence[int]) -> dict[int, bytes]:
        """Return the digests of the decisions that began these chains."""

    def ends(self, vers: Sequence[int]) -> list[bytes | None]:
        """Return the digest of trials 0, 1, 2, … that end at these *vers*; None for one that is not such a one."""


class ChainDigests:
    """The digests of *chains*, which grow; each is computed once. settled: has those of chains that are not kept."""

    def __init__(self, chains: Mapping[Chain, Sequence[Event]], settled: SettledDigests) -> None:
        self._chains = chains
        self._settled = settled
        self.by_chain: dict[Chain, list[bytes]] = {}
        self.known: Sequence[Mapping[UUID, bytes]] = ()
        """Digests of chains up to some events, by the id of the event, that were computed elsewhere."""

    def up_to(self, tid: Chain, ver: int) -> Sequence[bytes] | Mapping[int, bytes]:
        """Return the digests of the chain of *tid* by ver, up to *ver* or further; of a settled one that of *ver*."""
        if self._settled.holds(tid):
            return {ver: self._settled.digest(tid, ver)}
        digests = self.by_chain.get(tid)
        if digests is None:
            digests = self.by_chain[tid] = []
        if len(digests) <= ver:
            after = digests[-1] if digests else b""
            elsewhere = [each for each in self.known if each]  # mostly none
            for event in self._chains[tid][len(digests) : ver + 1]:
                known = [digest for each in elsewhere if (digest := each.get(event.id))]
                after = known[0] if known else digest_event(event, after)
                digests.append(after)
        return digests

    def keep(self, events: Iterable[Event], digests: Mapping[UUID, bytes]) -> None:
        """Keep the *digests* of *events*, which are in the chains now, by the id of the event: they were just made."""
        for event in events:
            below = self.by_chain.setdefault(event.tid, [])
            if len(below) == event.ver and (digest := digests.get(event.id)):
                below.append(digest)

    def at(self, tid: Chain, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""
        if (digests := self.by_chain.get(tid)) is None and self._settled.holds(tid):
            return self._settled.digest(tid, ver)
        return digests[ver] if digests is not None and ver < len(digests) else self.up_to(tid, ver)[ver]

    def ends(self, cut: Sequence[int]) -> list[bytes]:
        """Return the digest of each chain, the experiment's own and then those of trials 0, 1, 2, …, up to these vers.

        It is that of `at`, without a call for each of those that are settled.
        """
        settled = self._settled.ends(cut[1:])
        missing = [None] * (len(cut) - 1 - len(settled))
        found = [
            digest if digest is not None else self.at(tid, ver)
            for tid, (ver, digest) in enumerate(zip(cut[1:], [*settled, *missing], strict=True))
        ]
        return [*(self.at(None, ver) for ver in cut[:1]), *found]

    def of_decisions(self, tids: Iterable[int]) -> dict[int, bytes]:
        """Return the digests of the decisions of trials *tids*. Those of settled ones are read at once."""
        tids = list(tids)
        found = self._settled.decisions([tid for tid in tids if self._settled.holds(tid)])
        return {tid: found[tid] if tid in found else self.at(tid, 0) for tid in tids}

    def of_last_decision(self, trials: int) -> bytes:
        """Return the digest of the last decision of so many *trials*; that of the beginning if there is none."""
        return self.at(trials - 1, 0) if trials else self.at(None, 0)

    def forget(self, tid: Chain) -> None:
        """Forget the chain of *tid*."""
        self.by_chain.pop(tid, None)

    def clear(self) -> None:
        """Forget all chains."""
        self.by_chain.clear()
