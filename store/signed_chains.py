"""SignedChains: which events of an experiment are signed, as far as they were read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from hstore.store.chain_digests import chain_name
from hstore.store.errors import NotSigned
from hstore.store.event_documents import as_written
from hstore.store.events import Created, Event, Noted
from hstore.store.keys import VARIABLE, Keys

Chain: TypeAlias = int | None
SIGNED = "signed"
"""In the data of a `noted` event of `hstore sign`: [tid or None, ver, digest] of each chain that it signs."""


class SignedChains:
    """Tells the signed events of experiment *exp* from all others by *keys*; each event once.

    A signature is over the digest of its chain up to there, so it covers the events before it: those who have a key
    check what they read before they write. What comes after the last signature of a chain is set aside.
    """

    def __init__(self, exp: str, keys: Keys) -> None:
        self._exp = exp
        self._keys = keys
        self._vouched: dict[Chain, tuple[int, bytes]] = {}
        """What `hstore sign` signed: the last ver of each chain, and the digest up to there."""
        self._identity: UUID | None = None
        """The id that the event was written with which began the experiment."""

    def sign(self, event: Event, digest: bytes, own_chain: Sequence[Event]) -> None:
        """Sign *event*, which was just made, and is the next of its chain; that has this *digest* with it."""
        if own_chain and own_chain[0].id in self._keys.unsigned:
            return
        identity = as_written(own_chain[0]).id if own_chain else self._identity
        if isinstance(event, Created):
            identity = self._identity = event.id
        if identity is None:
            raise self.refusal(None, 0, "is missing")
        # Frozen for all others; a copy would take longer than the signature does.
        object.__setattr__(event, "mac", self._keys.sign(identity, digest))

    def is_left_unsigned(self, own_chain: Sequence[Event], digest: Callable[[Chain, int], bytes]) -> bool:
        """Return whether the experiment was there before the keys were, and no person has signed it since."""
        if not self._keys.unsigned or not own_chain or own_chain[0].id not in self._keys.unsigned:
            return False
        begun, identity = own_chain[0].id, as_written(own_chain[0]).id
        for event in own_chain:
            is_signature = isinstance(event, Noted) and vouched(event)
            if is_signature and not self._keys.why_not(event.mac, identity, digest(None, event.ver)):
                self._keys.unsigned.discard(begun)
                return False
        return True

    def accept(
        self, tid: Chain, events: Sequence[Event], digests: Sequence[bytes], *, is_quarantined: Callable[[Event], bool]
    ) -> int:
        """Return how many of *events*, the next ones of the chain of *tid*, are signed, or follow and are quarantined.

        digests: of the chain up to each of them. The experiment's own chain comes before those of its trials.
        """
        if tid is None and events[0].ver == 0:
            self._identity = as_written(events[0]).id
        n = next((n for n in range(len(events), 0, -1) if not self.why_not(events[n - 1], digests[n - 1])), 0)
        while n < len(events) and is_quarantined(events[n]):
            n += 1
        for event in events[:n] if tid is None else ():
            if isinstance(event, Noted):
                self._vouched.update(vouched(event))
        return n

    def why_not(self, event: Event, digest: bytes) -> str:
        """Return why no key signs *event*, whose chain has this *digest* with it; empty if one does."""
        if self._vouched.get(event.tid) == (event.ver, digest):
            return ""
        return "is not signed" if self._identity is None else self._keys.why_not(event.mac, self._identity, digest)

    def refusal(self, tid: Chain, ver: int, why: str) -> NotSigned:
        """Return the error that refuses the experiment, since event *ver* of the chain of *tid* is as *why* says."""
        key = "the same HSTORE_KEY" if self._keys.where == VARIABLE else f"HSTORE_KEY to the key in {self._keys.where}"
        return NotSigned(
            f"experiment {self._exp!r} is refused: event {ver} of {chain_name(tid)} {why}",
            hint=f"set {key} wherever it is written to; `hstore verify "
            f"{self._exp}` shows who signed what, and `hstore sign {self._exp}` signs it if you trust it",
            exp=self._exp, tid=tid, ver=ver,
        )  # fmt: skip


def note_of_all(chains: Mapping[Chain, Sequence[Event]], digest: Callable[[Chain, int], bytes]) -> dict[str, object]:
    """Return the data of the note that signs all *chains* as they are now."""
    ends = [[tid, len(chain) - 1, digest(tid, len(chain) - 1)] for tid, chain in chains.items()]
    n = sum(map(len, chains.values()))
    return {"note": f"signs {n} events", "tags": [SIGNED], "extra": {SIGNED: ends}}


def vouched(event: Noted) -> dict[Chain, tuple[int, bytes]]:
    """Return which chains *event* signs, if it is one of `hstore sign`: up to which ver, and the digest up to there."""
    entries = event.extra.get(SIGNED)
    return {
        tid: (ver, digest)
        for tid, ver, digest in (e for e in entries if isinstance(e, list) and len(e) == 3)
        if isinstance(tid, int | None) and isinstance(ver, int) and isinstance(digest, bytes)
    } if isinstance(entries, list) else {}  # fmt: skip
