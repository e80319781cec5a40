"""The digests of the chains of an experiment, computed as they are asked for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from hstore.store.digest import digest_event
from hstore.store.events import Event

Chain: TypeAlias = int | None
"""The tid of a trial; None: the experiment's own chain."""


class ChainDigests:
    """The digests of *chains*, which grow; each is computed once."""

    def __init__(self, chains: Mapping[Chain, Sequence[Event]]) -> None:
        self._chains = chains
        self._digests: dict[Chain, list[bytes]] = {}
        self.known: Sequence[Mapping[UUID, bytes]] = ()
        """Digests of chains up to some events, by the id of the event, that were computed elsewhere."""

    def up_to(self, tid: Chain, ver: int) -> list[bytes]:
        """Return the digests of the chain of *tid* by ver, up to *ver* or further."""
        digests = self._digests.get(tid)
        if digests is None:
            digests = self._digests[tid] = []
        if len(digests) <= ver:
            after = digests[-1] if digests else b""
            for event in self._chains[tid][len(digests) : ver + 1]:
                known = next((digest for each in self.known if (digest := each.get(event.id))), None)
                after = known or digest_event(event, after)
                digests.append(after)
        return digests

    def at(self, tid: Chain, ver: int) -> bytes:
        """Return the digest of the chain of *tid* up to *ver*."""
        return self.up_to(tid, ver)[ver]

    def of_last_decision(self, trials: int) -> bytes:
        """Return the digest of the last decision of so many *trials*; that of the beginning if there is none."""
        return self.at(trials - 1, 0) if trials else self.at(None, 0)

    def forget(self, tid: Chain) -> None:
        """Forget the chain of *tid*."""
        self._digests.pop(tid, None)

    def clear(self) -> None:
        """Forget all chains."""
        self._digests.clear()
