"""Signatures of a whole log: which key signed how many events, how many are unsigned, which signatures are wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from hstore.store.chain_digests import own_first
from hstore.store.digest import digest
from hstore.store.event_documents import as_written, from_document, place, signature_of
from hstore.store.events import Document, Event, Noted, Signature
from hstore.store.keys import Keys
from hstore.store.log_chains import quarantined_ids
from hstore.store.signed_chains import Chain, vouched

QUARANTINED = object()
"""In the place of the signature of an event that counts for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signatures:
    """Who signed the events of an experiment."""

    is_checked: bool
    """Whether there was a key to check them with; without one `by_key` is what the events say of themselves."""
    by_key: Mapping[str, int]
    """How many events each key signed, by the id of the key in hex."""
    unknown: Mapping[str, int]
    """How many say that a key signed them which is not among those to check with."""
    unsigned: int
    """How many have no signature, and come after the last event of their chain that has one."""
    wrong: Sequence[str]
    """What is wrong with the first event of each chain whose signature, by a key that is known, does not match."""


def look_at(documents: Iterable[Document], keys: Keys | None) -> Signatures:
    """Return who signed *documents*, all events of one experiment; an event covers those before it in its chain."""
    chains: dict[Chain, list[Document]] = defaultdict(list)
    documents = list(documents)
    gone = quarantined_ids(documents)
    for document in documents:
        at, is_gone = place(document), repr(document.get("_id")) in gone
        if at is not None and (not is_gone or at[1] == len(chains[at[0]])):
            chains[at[0]].append({**document, "mac": QUARANTINED} if is_gone else document)
    own = chains.get(None) or [{}]
    identity = as_written(own[0]).get("_id")
    look = _Look(keys, identity if isinstance(identity, UUID) else None)
    for tid in sorted(chains, key=own_first):  # its own chain first: it vouches for others
        look.chain(tid, chains[tid])
    return Signatures(
        is_checked=keys is not None, by_key=dict(look.by_key), unknown=dict(look.unknown), unsigned=look.unsigned,
        wrong=tuple(look.wrong),
    )  # fmt: skip


class _Look:
    """Counts, chain by chain."""

    def __init__(self, keys: Keys | None, identity: UUID | None) -> None:
        self.keys = keys
        self.identity = identity
        self.by_key: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.unsigned = 0
        self.wrong: list[str] = []
        self._vouched: dict[Chain, tuple[int, bytes, str]] = {}

    def chain(self, tid: Chain, chain: Sequence[Document]) -> None:
        """Add the events of one *chain*."""
        whose = "its own chain" if tid is None else f"trial {tid}"
        digests = _digests(chain)
        signers: list[str] = []
        """The id of the key that signs each event; "" if there is none."""
        was_wrong = False
        for ver, document in enumerate(chain):
            signature = None if document.get("mac") is QUARANTINED else signature_of(document)
            signer = self._signer(signature, digests[ver])
            if signature is not None and not signer and signature[0] in (self.keys.ids if self.keys else ()):
                if not was_wrong:
                    self.wrong.append(f"event {ver} of {whose} has a wrong signature")
                was_wrong = True
            signers.append(signer or self._voucher(tid, ver, digests[ver]))
            if tid is None and signer:
                self._note(document, signer)
        later = ""
        for document, signer in zip(reversed(chain), reversed(signers), strict=True):
            later = signer or later
            if document.get("mac") is QUARANTINED:
                continue
            signature = signature_of(document)
            if later:
                self.by_key[later] += 1
            elif signature is None:
                self.unsigned += 1
            elif signature[0] not in (self.keys.ids if self.keys else ()):
                self.unknown[signature[0].hex()] += 1

    def _signer(self, signature: Signature | None, digest: bytes) -> str:
        if signature is None:
            return ""
        if self.keys is not None and (self.identity is None or self.keys.why_not(signature, self.identity, digest)):
            return ""
        return signature[0].hex()

    def _voucher(self, tid: Chain, ver: int, digest: bytes) -> str:
        vouched_ver, vouched_digest, signer = self._vouched.get(tid, (-1, b"", ""))
        return signer if (vouched_ver, vouched_digest) == (ver, digest) else ""

    def _note(self, document: Document, signer: str) -> None:
        event = _event(document)
        if isinstance(event, Noted):
            for tid, (ver, digest) in vouched(event).items():
                self._vouched[tid] = ver, digest, signer


def _digests(chain: Sequence[Document]) -> list[bytes]:
    digests: list[bytes] = []
    for document in chain:
        try:
            digests.append(digest(document, digests[-1] if digests else b""))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
            digests.append(b"")  # it has not the shape of an event
    return digests


def _event(document: Document) -> Event | None:
    try:
        return from_document(document)
    except (KeyError, TypeError, AttributeError, ValueError):
        return None
