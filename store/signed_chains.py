"""SignedChains: which events of an experiment are signed, as far as they were read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from uuid import UUID

from hstore.store.errors import NotSigned
from hstore.store.events import Created, Event, Noted
from hstore.store.keys import VARIABLE, Keys

Chain: TypeAlias = int | None
SIGNED = "signed"
"""In the data of a `noted` event of `hstore sign`: [tid or None, ver, digest] of each chain that it signs."""


class SignedChains:
    """Checks the signatures of the *chains* of experiment *exp* against *keys*; each event once.

    A signature is over the digest of its chain up to there, so it covers the events before it: those who have a key
    check what they read before they write. digest: that of a chain (its tid) up to a ver.
    """

    def __init__(
        self, exp: str, keys: Keys, chains: Mapping[Chain, Sequence[Event]], digest: Callable[[Chain, int], bytes]
    ) -> None:
        self._exp = exp
        self._keys = keys
        self._chains = chains
        self._digest = digest
        self._lengths: dict[Chain, int] = {}
        """How many events of each chain are signed."""
        self._vouched: dict[Chain, tuple[int, bytes]] = {}
        """What `hstore sign` signed: the last ver of each chain, and the digest up to there."""
        self._news: set[Chain] = set()
        self._begun: UUID | None = None
        self._own: dict[UUID, Event] = {}

    def take(self, events: Iterable[Event]) -> None:
        """Note that *events*, which are in their chains already, are to be checked; those signed here need not be."""
        for event in events:
            if self._own.get(event.id) is event and self._lengths.get(event.tid, 0) == event.ver:
                self._lengths[event.tid] = event.ver + 1
            else:
                self._news.add(event.tid)
        self._own.clear()

    def forget(self, tid: int) -> None:
        """Forget the chain of trial *tid*."""
        self._lengths.pop(tid, None)
        self._news.discard(tid)

    def sign(self, event: Event, digest: bytes) -> None:
        """Sign *event*, which was just made, and is the next of its chain; that has this *digest* with it."""
        if self._is_left_unsigned():
            return
        if isinstance(event, Created):
            self._begun = event.id
        # Frozen for all others; a copy would take longer than the signature does.
        object.__setattr__(event, "mac", self._keys.sign(self._identity(), digest))
        self._own[event.id] = event

    def check(self) -> None:
        """Raise `NotSigned` for the first event among those read that no key signs."""
        if not self._news or self._is_left_unsigned():
            return
        if None in self._news:
            self._check_own_chain()
        for tid in sorted(tid for tid in self._news if tid is not None):
            self._check_chain(tid)
        self._news.clear()

    def _is_left_unsigned(self) -> bool:
        """Return whether the experiment was there before the keys were, and no person has signed it since."""
        own = self._chains.get(None)
        if not self._keys.unsigned or not own or own[0].id not in self._keys.unsigned:
            return False
        for event in own:
            if isinstance(event, Noted) and vouched(event) and not self._why_not_signed(event, own[0].id):
                self._keys.unsigned.discard(own[0].id)
                return False
        return True

    def _why_not_signed(self, event: Event, identity: UUID) -> str:
        return self._keys.why_not(event.mac, identity, self._digest(event.tid, event.ver))

    def _check_own_chain(self) -> None:
        before = self._lengths.get(None, 0)
        self._check_chain(None)
        for event in self._chains[None][before:]:
            if isinstance(event, Noted):
                self._vouched.update(vouched(event))
        self._news.discard(None)

    def _check_chain(self, tid: Chain) -> None:
        chain = self._chains[tid]
        known = self._lengths.get(tid, 0)
        identity = self._identity()
        for ver in reversed(range(known, len(chain))):
            if not self._why_not(tid, ver, identity):
                known = ver + 1
                break
        self._lengths[tid] = known
        if known < len(chain):
            raise self._refusal(tid, known, self._why_not(tid, known, identity))

    def _why_not(self, tid: Chain, ver: int, identity: UUID) -> str:
        digest = self._digest(tid, ver)
        if self._vouched.get(tid) == (ver, digest):
            return ""
        return self._keys.why_not(self._chains[tid][ver].mac, identity, digest)

    def _identity(self) -> UUID:
        """Return the id of the event that began the experiment, or is about to."""
        own = self._chains.get(None)
        identity = own[0].id if own else self._begun
        if identity is None:
            raise self._refusal(None, 0, "is missing")
        return identity

    def _refusal(self, tid: Chain, ver: int, why: str) -> NotSigned:
        whose = "its own chain" if tid is None else f"trial {tid}"
        key = "the same HSTORE_KEY" if self._keys.where == VARIABLE else f"HSTORE_KEY to the key in {self._keys.where}"
        return NotSigned(
            f"experiment {self._exp!r} is refused: event {ver} of {whose} {why}",
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
