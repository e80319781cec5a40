"""Digests: a canonical encoding of events, and the hashes by which each decision commits to all before it.

The digest of an event is SHA-256 over the digest of the event before it in its chain (nothing for ver 0) and its
own canonical form, so a chain's digest is that of its last event. Each event also carries, as `prev`, the digest of
what it follows: a decision (`queued`, ver 0) that of the decision before it, the first decision that of the
experiment's `created`, any other event that of its chain so far. So the last decision commits to all before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import struct
from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any
from uuid import UUID

import bson
import msgpack

from hstore.store.event_documents import SPILL_ABOVE, as_written, document_as_written, spill, to_document
from hstore.store.events import CODEC, TYPES, Document, Event, Unreadable

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAIVE_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - what has no zone is in UTC
_MILLISECOND = dt.timedelta(milliseconds=1)


def canonical(document: Document) -> bytes:
    """Return the bytes that stand for *document* whatever program wrote it: msgpack of
    [id, exp, tid, ver, type, v, at, by, [[name, value], …]], data sorted by name, nothing that the server fills.

    What was copied to another name since is taken as it was written: `Event.origin`.
    """
    if "origin" in document["data"]:
        document = document_as_written(document)
    return _pack(canonical_parts(document, sorted(document["data"])))


def canonical_parts(document: Document, names: Iterable[str]) -> list[Any]:
    """Return the parts of `canonical`. names: those of its data, sorted."""
    data, id, at = document["data"], document["_id"], document["at"]
    return [
        id.bytes if isinstance(id, UUID) else id, document["exp"], document.get("tid"), document["ver"],
        document["type"], document["v"], _milliseconds(at) if isinstance(at, dt.datetime) else at,
        document["by"], [[name, data[name]] for name in names],
    ]  # fmt: skip


def packer() -> msgpack.Packer:
    """Return what packs the parts of `canonical`, for one thread."""
    return msgpack.Packer(default=_extension)


def _pack(parts: list[Any]) -> bytes:
    """Return msgpack of *parts*. To make a packer takes longer than to pack an event, so a few are kept."""
    kept = _packers.pop() if _packers else packer()
    packed: bytes = kept.pack(parts)
    _packers.append(kept)  # unless it raised, or another thread is still at work with it
    return packed


_packers: list[msgpack.Packer] = []
_event_packers: list[msgpack.Packer] = []


def _milliseconds(moment: dt.datetime) -> int:
    return (moment - (_EPOCH if moment.tzinfo else _NAIVE_EPOCH)) // _MILLISECOND


def _extension(value: Any) -> Any:
    if isinstance(value, UUID):
        return msgpack.ExtType(2, value.bytes)
    if isinstance(value, dt.datetime):
        return msgpack.ExtType(1, struct.pack(">q", _milliseconds(value)))
    if isinstance(value, bson.datetime_ms.DatetimeMS):
        return msgpack.ExtType(1, struct.pack(">q", int(value)))
    if isinstance(value, Mapping):
        return dict(value)
    try:  # what other programs may write: an ObjectId, a Decimal128, …
        return msgpack.ExtType(4, bson.encode({"": value}))
    except (bson.errors.BSONError, OverflowError, ValueError):
        # An object that only a log in memory can hold: its type is all of it that stays the same.
        return msgpack.ExtType(3, f"{type(value).__module__}.{type(value).__qualname__}".encode())


def digest(document: Document, after: bytes = b"") -> bytes:
    """Return the SHA-256 digest (32 bytes) of the stored event *document*, which follows what has digest *after*.

    A document that no reader can decode comes as {"raw": its bytes} and is taken as it is.
    """
    return hashlib.sha256(after + (document.get("raw") or canonical(document))).digest()


def digest_of_any(document: Document, after: bytes = b"") -> bytes:
    """Return what `digest` returns; for a *document* that has not the shape of an event a digest of its BSON."""
    try:
        return digest(document, after)
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError):
        return hashlib.sha256(after + bson.encode(document, codec_options=CODEC)).digest()


_ENVELOPE = {field.name for field in fields(Event)} - {"prev", "imported"}  # what was copied is digested as written
_FIELDS = {kind: sorted({field.name for field in fields(kind)} - _ENVELOPE) for kind in TYPES.values()}
"""The names of what a document of each type has in its data."""
_VALUES = {kind: attrgetter(*names) for kind, names in _FIELDS.items()}


def _canonical_event(event: Event) -> bytes:
    """Return `canonical` of the document of *event*, without making one: a log is opened by the ten thousand events."""
    if event.extra:
        return canonical(to_document(event))
    try:
        return _packed(event)
    except _NaiveDate:  # the document says which dates are naive
        return canonical(to_document(event))


def _packed(event: Event) -> bytes:
    kind = type(event)
    values = zip(_FIELDS[kind], _VALUES[kind](event), strict=True)
    kept = _event_packers.pop() if _event_packers else msgpack.Packer(default=_extension_of_aware)
    packed: bytes = kept.pack(
        [
            event.id.bytes, event.exp, event.tid, event.ver, event.type, event.v, _milliseconds(event.at), event.by,
            [[name, value] for name, value in values if value is not None],
        ]
    )  # fmt: skip
    _event_packers.append(kept)  # as in `_pack`
    return packed


class _NaiveDate(Exception):
    """A date in an event has no zone."""


def _extension_of_aware(value: Any) -> msgpack.ExtType:
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        raise _NaiveDate
    return _extension(value)


def digest_event(event: Event, after: bytes = b"") -> bytes:
    """Return the digest of *event* in the form in which it is stored; see `digest`."""
    if isinstance(event, Unreadable):
        return digest_of_any(event.stored(), after)
    event = as_written(event)
    try:
        packed = _canonical_event(event)
    except (ValueError, OverflowError):  # only a log in memory can hold such a value
        return digest(to_document(event) | {"data": {}}, after)
    # BSON takes at most twelve bytes where msgpack takes one, so small events need no second encoding.
    if len(packed) > SPILL_ABOVE // 12:
        try:
            packed = canonical(spill(to_document(event))[0])
        except (bson.errors.BSONError, OverflowError, ValueError):  # likewise
            return hashlib.sha256(after + packed).digest()
    return hashlib.sha256(after + packed).digest()


def digest_chain(chain: Iterable[Event]) -> bytes:
    """Return the digest of *chain* up to its last event; nothing for none."""
    after = b""
    for event in chain:
        after = digest_event(event, after)
    return after
