"""Signatures of a whole log: which key signed how many events, how many are unsigned, which signatures are wrong."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any
from uuid import UUID

from hstore.store.chain_digests import chain_name, own_first
from hstore.store.digest import digest
from hstore.store.event_documents import document_as_written, from_document, keys_of, place, signature_of, uuid_of
from hstore.store.events import Document, Event, Noted, Signature
from hstore.store.keys import Keys
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log_chains import quarantined_ids
from hstore.store.signed_chains import Chain, vouched

_NO_BEGINNING = "event 0 of its own chain is signed with no key that is known here"
QUARANTINED = object()
"""In the place of the signature of an event that counts for nothing."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
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
    refused: Sequence[str] = ()
    """What those who have the keys say of the first event of each chain that none of them signs; of no other chain if
    that is so of the beginning of the experiment's own. Nothing for one that was there before the keys were."""


def look_at(documents: Iterable[Document], keys: Keys | None) -> Signatures:
    """Return who signed *documents*, all events of one experiment; an event covers those before it in its chain."""
    chains: dict[Chain, list[Document]] = defaultdict(list)
    documents = list(documents)
    gone = quarantined_ids(documents)
    for document in documents:
        at, is_gone = place(document), not gone.isdisjoint(keys_of(document))
        if at is not None and (not is_gone or at[1] == len(chains[at[0]])):
            chains[at[0]].append({**document, "mac": QUARANTINED} if is_gone else document)
    own = chains.get(None)
    identity = document_as_written(own[0]).get("_id") if own else None
    check = SignatureCheck(keys, identity if isinstance(identity, UUID) else None)
    for tid in sorted(chains, key=own_first):  # its own chain first: it vouches for others
        check.chain(tid, chains[tid], _digests(chains[tid]))
    return check.result()


class SignatureCheck:
    """Counts who signed events, chain by chain, the experiment's own first. *identity*: the id of its first event."""

    def __init__(self, keys: Keys | None, identity: UUID | None) -> None:
        self.keys = keys
        self.identity = identity
        self.by_key: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.unsigned = 0
        self.wrong: list[str] = []
        self._refused: list[str] = []
        self._begun: UUID | None = None
        self._vouched: dict[Chain, tuple[int, bytes, str]] = {}

    def result(self) -> Signatures:
        """Return the counts."""
        return Signatures(
            is_checked=self.keys is not None, by_key=dict(self.by_key), unknown=dict(self.unknown),
            unsigned=self.unsigned, wrong=tuple(self.wrong), refused=tuple(self._refusals()),
        )  # fmt: skip

    def _refusals(self) -> list[str]:
        if self.keys is None or (self._begun in self.keys.unsigned and not self._vouched):
            return []
        return self._refused[:1] if self._refused[:1] == [_NO_BEGINNING] else self._refused

    def chain(
        self, tid: Chain, chain: Sequence[Document], digests: Sequence[bytes], *, may_be_signed: bool = True
    ) -> None:
        """Add the events of one *chain*, whose *digests* up to each event these are."""
        if tid is None and chain:
            self._begun = uuid_of(chain[0])
        if tid not in self._vouched and not (may_be_signed and any("mac" in document for document in chain)):
            self.unsigned += len(chain)
            self._refuse(tid, 0)
            return
        signers: list[str] = []
        """The id of the key that signs each event; "" if there is none."""
        was_wrong = False
        for ver, document in enumerate(chain):
            signature = None if document.get("mac") is QUARANTINED else signature_of(document)
            signer = self._signer(signature, digests[ver])
            if signature is not None and not signer and signature[0] in (self.keys.ids if self.keys else ()):
                if not was_wrong:
                    self.wrong.append(f"event {ver} of {chain_name(tid)} has a wrong signature")
                was_wrong = True
            signers.append(signer or self._voucher(tid, ver, digests[ver]))
            if tid is None and signer:
                self._note(document, signer)
        if not signers[-1] and not was_wrong:
            after = max((ver + 1 for ver, signer in enumerate(signers) if signer), default=0)
            if rest := [ver for ver in range(after, len(chain)) if chain[ver].get("mac") is not QUARANTINED]:
                self._refuse(tid, chain[rest[0]].get("ver", rest[0]))
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

    def _refuse(self, tid: Chain, ver: Any) -> None:
        if self.keys is None:  # without a key hstore refuses no event
            return
        self._refused.append(f"event {ver} of {chain_name(tid)} is signed with no key that is known here")

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


def are_all_signed(documents: Iterable[Document], keys: Keys | None) -> bool:
    """Return whether one of *keys* signs all *documents*, of one experiment in the order of `EventLog.documents`.

    Of which one chain is kept at a time. True without keys; False, too, if only a look at the whole log can say.
    """
    if keys is None:
        return True
    check: SignatureCheck | None = None
    for tid, group in groupby(documents, lambda document: document.get("tid")):
        chain = list(group)
        if any(place(document) != (tid, ver) or "raw" in document for ver, document in enumerate(chain)):
            return False
        if check is None:
            identity = document_as_written(chain[0]).get("_id")
            check = SignatureCheck(keys, identity if isinstance(identity, UUID) else None)
        check.chain(tid, chain, _digests(chain))
    found = None if check is None else check.result()
    return found is not None and not (found.unsigned or found.unknown or found.wrong or found.refused)


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
