"""How events are stored: to and from the documents that MongoDB holds, large values moved out into attachments."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any, TypeGuard
from uuid import UUID

import bson
from bson.code import Code

from hstore.store.errors import InvalidEvent, NotFound, VerificationFailed
from hstore.store.events import (
    AMENDABLE,
    CODEC,
    EVENT_BYTES,
    NOTHING,
    TYPES,
    Created,
    Data,
    Document,
    Event,
    ExperimentEvent,
    Queued,
    Signature,
    TrialEvent,
    Unreadable,
)
from hstore.store.frozen_makers import maker
from hstore.store.naive_dates import NAIVE, naive_parts, with_naive_dates

SPILL_ABOVE = EVENT_BYTES - len(b"\x11ts\0" + 8 * b"\0")
"""Bytes of a document that has no `ts` yet: what fits is never spilled, by any writer: its digest is the same."""
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

_SHAPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "bytes": (bytes,), "Data": (dict, Mapping),
    "Sequence[str]": (list,), "Sequence[int]": (list,), "Sequence[float]": (list,), "Sequence[Sequence[Any]]": (list,),
}  # fmt: skip
_ONE_CHAIN = (TrialEvent, ExperimentEvent)
_FIRST = frozenset({Created, Queued})
"""What begins a chain, and is nowhere else in it."""
_CANNOT_FETCH = (NotFound, VerificationFailed, bson.errors.BSONError, KeyError, TypeError, AttributeError, ValueError)
_ENVELOPE = frozenset(f.name for f in fields(Event))
_DATA = {kind: tuple(f.name for f in fields(kind) if f.name not in _ENVELOPE) for kind in TYPES.values()}
_SHAPE = {
    kind: {
        "prev": (bytes,),
        "imported": _SHAPES["Data"],
        "origin": _SHAPES["Data"],
        **{f.name: _SHAPES[str(f.type).removesuffix(" | None")] for f in fields(kind) if f.name not in _ENVELOPE},
    }
    for kind in TYPES.values()
}
_WRITTEN = {
    kind: frozenset(f.name for f in fields(kind) if f.name not in _ENVELOPE and not str(f.type).endswith(" | None"))
    for kind in TYPES.values()
}
"""What every document of a type holds; fields that may be None are left out when they are."""
_IS_OF_TRIAL: dict[type[Event], bool] = {
    kind: issubclass(kind, TrialEvent) for kind in TYPES.values() if issubclass(kind, _ONE_CHAIN)
}
"""Whether a type of event belongs to the chain of a trial or to the experiment's own; without those of both."""


def _are(kind: type) -> Callable[[Any], bool]:
    return lambda items: all(isinstance(item, kind) for item in items)


def _are_numbers(items: Any) -> bool:
    return all(isinstance(item, (int, float)) and not isinstance(item, bool) for item in items)


def _is_pruning(pruning: Any) -> bool:
    seen = pruning.get("seen")
    if not isinstance(pruning.get("pruner"), Mapping) or not isinstance(seen, Mapping):
        return False
    lists = [seen.get("ended"), seen.get("open")]
    return all(isinstance(pairs, list) and all(map(_is_pair, pairs)) for pairs in lists)


def _is_pair(items: Any) -> bool:
    return isinstance(items, list) and len(items) == 2 and all(isinstance(item, int) for item in items)


def _is_amendment(amend: Any) -> bool:
    """Return whether *amend* is understood here in full: to follow a part of it would give another loss to a trial."""
    loss, *several = (amend.get(name) for name in AMENDABLE)
    lists = [values for values in several if values is not None]
    is_number = loss is None or (isinstance(loss, (int, float)) and not isinstance(loss, bool))
    is_known = bool(amend) and set(amend) <= set(AMENDABLE)
    return is_known and is_number and all(isinstance(values, list) and _are_numbers(values) for values in lists)


def _is_attachment(attachment: Any) -> bool:
    is_content = isinstance(attachment.get("sha256"), bytes) and isinstance(attachment.get("length"), int)
    return isinstance(attachment.get("name"), str) and (is_content or bool(attachment.get("removed")))


def _is_observed(entries: Any) -> bool:
    for entry in entries:
        if not isinstance(entry, list) or len(entry) != 3:
            return False
        tid, ver, digest = entry
        if not ((tid is None or isinstance(tid, int)) and isinstance(ver, int) and isinstance(digest, bytes)):
            return False
    return True


def are_tips(runs: Any) -> bool:
    """Return whether the items of the list *runs* are [tid or None, n, ver], as in `Sealed.tips`."""
    return all(
        isinstance(run, list)
        and len(run) == 3
        and (run[0] is None or (isinstance(run[0], int) and run[0] >= 0))
        and isinstance(run[1], int)
        and run[1] >= 1
        and isinstance(run[2], int)
        and run[2] >= 0
        for run in runs
    )


def is_origin(origin: Any) -> TypeGuard[Mapping[str, Any]]:
    """Return whether *origin* is as in `Event.origin`."""
    return (
        isinstance(origin, Mapping)
        and set(origin) == {"exp", "id"}
        and isinstance(origin["exp"], str)
        and isinstance(origin["id"], UUID)
    )


_PARTS: dict[str, Callable[[Any], bool]] = {
    "origin": is_origin,
    "copied": lambda copied: isinstance(copied.get("exp"), str) and isinstance(copied.get("head"), bytes),
    "observed": _is_observed,
    "tips": are_tips,
    "cut": are_tips,
    "tags": _are(str),
    "about": _are(int),
    "batch": _are(int),
    "losses": _are_numbers,
    "constraints": _are_numbers,
    "pruning": _is_pruning,
    "amend": lambda amend: _is_amendment(amend),
    "attachment": lambda attachment: _is_attachment(attachment),
    "events": lambda entries: all(isinstance(entry, list) and len(entry) == 4 for entry in entries),
}
"""What else is checked of the values of some fields; readers rely on it."""
_NO_FIELD = None, None
_CHECKED = {
    kind: {name: (wanted, _PARTS.get(name)) for name, wanted in shape.items()} for kind, shape in _SHAPE.items()
}
"""The types, and what else is checked, of each field of what is stored."""


class _Makers(dict[type[Event], Callable[..., Event]]):
    """The maker of each type of event, made when the first event of that type is."""

    def __missing__(self, kind: type[Event]) -> Callable[..., Event]:
        made = self[kind] = maker(kind)
        return made


_MAKERS = _Makers()


def to_document(event: Event) -> Document:
    """Return *event* as a document of `events`, without the `ts` that the server fills and without its signature.

    A field that is None is left out. See `spill` for data too large for an event.
    """
    data = {name: value for name in _DATA[type(event)] if (value := getattr(event, name)) is not None}
    if event.prev is not None:
        data["prev"] = event.prev
    if event.imported is not None:
        data["imported"] = event.imported
    if event.origin is not None:
        data["origin"] = event.origin
    if naive := naive_parts(data):
        data[NAIVE] = naive
    if event.extra:
        data.update(event.extra)
    document: Document = {"_id": event.id, "exp": event.exp}
    if event.tid is not None:
        document["tid"] = event.tid
    return document | {
        "ver": event.ver, "type": event.type, "v": event.v, "at": event.at, "by": event.by, "data": data,
    }  # fmt: skip


def from_document(document: Document, fetch: Callable[[bytes], bytes] | None = None) -> Event:
    """Return the event that *document* holds; one of an unknown type or shape becomes `Unreadable`.

    document: has a `place`, and anything else. *fetch* returns the content of an attachment by its SHA-256; it is
    called only for spilled data.
    """
    type_, v = document.get("type"), document.get("v")
    kind = TYPES.get(type_) if type(type_) is str else None  # BSON's code is a str that cannot be hashed
    if kind is None or v != kind.v:
        return _unreadable(document, f"type {type_!r:.80} version {v!r:.80} is not known here")
    tid = document.get("tid")
    if (tid is None) is _IS_OF_TRIAL.get(kind):
        return _unreadable(document, f"no event of type {kind.type!r} can be in {_chain_name(tid)}")
    if (kind in _FIRST) is not (document["ver"] == 0):
        return _unreadable(document, f"no event of type {kind.type!r} can be in place {document['ver']}")
    data = document.get("data")
    if (type(data) is not dict and not isinstance(data, Mapping)) or type(document.get("by")) is not str:
        return _unreadable(document, "it has no data, or does not say who wrote it")
    if "spilled" in data:
        try:
            data = unspill(data, fetch)
        except InvalidEvent:
            raise
        except _CANNOT_FETCH as error:
            return _unreadable(document, f"its data was moved out into an attachment that cannot be fetched: {error}")
    if NAIVE in data:
        data = with_naive_dates(data)
    known, extra = data, NOTHING
    more = _more_to_check(kind.type, tuple(data), tuple(map(type, data.values())))
    if more is None or not all(is_right(data[name]) for name, is_right in more):
        known, extra, wrong = _fields_of(kind, data)
        if wrong:
            return _unreadable(document, wrong)
    at, ts = document.get("at"), document.get("ts")
    if not isinstance(at, dt.datetime):
        return _unreadable(document, "it was written after the year 9999, or before the year 1, or does not say when")
    return _MAKERS[kind](
        exp=document["exp"],
        tid=tid,
        ver=document["ver"],
        id=document["_id"],
        at=at,
        by=document["by"],
        ts=(ts.time, ts.inc) if isinstance(ts, bson.Timestamp) else None,
        mac=signature_of(document),
        extra=extra,
        **known,
    )


@lru_cache(maxsize=4096)
def _more_to_check(
    type_: str, names: tuple[str, ...], kinds: tuple[type, ...]
) -> list[tuple[str, Callable[[Any], bool]]] | None:
    """Return what else is to be checked of data that has these *names* and *kinds* of values, in an event of that type.

    None if one may be wrong: `_fields_of` looks at each. A log has few such shapes.
    """
    kind = TYPES[type_]
    checked = _CHECKED[kind]
    if not _WRITTEN[kind] <= set(names) <= checked.keys():
        return None
    if not all(found in checked[name][0] for name, found in zip(names, kinds, strict=True)):
        return None
    return [(name, is_right) for name in names if (is_right := checked[name][1]) is not None]


def _fields_of(kind: type[Event], data: Data) -> tuple[Document, Data, str]:
    """Return what of *data* are fields of an event, what of it is not, and what is wrong with it."""
    checked = _CHECKED[kind]
    known: Document = {}
    extra: Document = {}
    for name, value in data.items():
        wanted, is_right = checked.get(name, _NO_FIELD)
        if wanted is None or value is None:  # a null of another program is kept for its digest, and means nothing
            extra[name] = value
        elif isinstance(value, wanted) and type(value) is not Code and (is_right is None or is_right(value)):
            known[name] = value
        else:
            return known, extra, f"its {name} cannot be {value!r:.80}"
    if not _WRITTEN[kind] <= known.keys():
        missing = next(name for name in _DATA[kind] if name in _WRITTEN[kind] and name not in known)
        return known, extra, f"its {missing} is missing"
    return known, extra or NOTHING, ""


def as_written(event: Event) -> Event:
    """Return *event* with the name and the id that it was written with, which differ if it was copied since."""
    if (origin := event.origin) is None:
        return event
    return replace(event, exp=origin["exp"], id=origin["id"], origin=None)


def document_as_written(document: Document) -> Document:
    """Return what `as_written` does, of the *document* of an event."""
    if not is_origin(origin := _data_of(document).get("origin")):
        return document
    data = {name: value for name, value in document["data"].items() if name != "origin"}
    return document | {"_id": origin["id"], "exp": origin["exp"], "data": data}


def keys_of(document: Document) -> set[str]:
    """Return by which keys a `Quarantined` may name *document*: the id that it has, and that it was written with."""
    origin = _data_of(document).get("origin")
    return {repr(document.get("_id"))} | ({repr(origin["id"])} if is_origin(origin) else set())


def _chain_name(tid: Any) -> str:
    return "the experiment's own chain" if tid is None else "the chain of a trial"


def _unreadable(document: Document, why: str) -> Unreadable:
    return unreadable(document, why, bson.encode(document, codec_options=CODEC))


def unreadable(envelope: Document, why: str, raw: bytes) -> Unreadable:
    """Return the event that stands for a document of which only the *envelope* can be decoded, perhaps in part."""
    at, by = envelope.get("at"), envelope.get("by")
    return Unreadable(
        exp=envelope["exp"],
        tid=envelope.get("tid"),
        ver=envelope["ver"],
        id=envelope["_id"],
        at=at if isinstance(at, dt.datetime) else EPOCH,
        by=by if isinstance(by, str) else "",
        why=why,
        raw=raw,
        mac=signature_of(envelope),
        origin=origin if is_origin(origin := _data_of(envelope).get("origin")) else None,
    )


def _data_of(document: Document) -> Data:
    data = document.get("data")
    return data if isinstance(data, Mapping) else NOTHING


def quarantined(event: Event) -> Unreadable:
    """Return what stands for *event* in its chain once a `Quarantined` names it: the same digest, and no meaning."""
    if isinstance(event, Unreadable):
        return replace(event, is_quarantined=True)
    document = signed(spill(to_document(event))[0], event.mac)
    return replace(_unreadable(document, "it was quarantined"), is_quarantined=True)


def place(document: Document) -> tuple[int | None, int] | None:
    """Return chain (tid; None: the experiment's own) and ver of *document*.

    None if they are not whole numbers, or if its `_id` is not that of an event.
    """
    tid, ver = document.get("tid"), document.get("ver")
    return (tid, ver) if (tid is None or _is_whole(tid)) and _is_whole(ver) and uuid_of(document) else None


def uuid_of(document: Document) -> UUID | None:
    """Return the `_id` of *document*; None if it is not that of an event."""
    id = document.get("_id")
    return id if isinstance(id, UUID) else None


def _is_whole(number: Any) -> TypeGuard[int]:
    return isinstance(number, int) and not isinstance(number, bool) and number >= 0


def signed(document: Document, signature: Signature | None) -> Document:
    """Return the *document* of an event with its *signature* beside it, if it has one."""
    return document if signature is None else document | {"mac": {"key": signature[0], "mac": signature[1]}}


def signature_of(document: Document) -> Signature | None:
    """Return the signature of the *document* of an event; None if it has none, or one of another shape."""
    if (found := document.get("mac")) is None or not isinstance(found, Mapping):
        return None
    key, mac = found.get("key"), found.get("mac")
    return (key, mac) if isinstance(key, bytes) and isinstance(mac, bytes) else None


def spill(document: Document) -> tuple[Document, dict[bytes, bytes]]:
    """Return *document* small enough for a store, and the blobs (by SHA-256) that hold what was moved out of its data.

    The largest values go first. In their place `data.spilled` maps their names to SHA-256 and length;
    a blob is the BSON of {"value": …}. What fits comes back as it is. Of a copy that is moved out which was as it was
    written: its digest is of that, and stores let it be larger by its origin. Raises `InvalidEvent` if moving values
    out is not enough.
    """
    if len(bson.encode(document, codec_options=CODEC)) <= SPILL_ABOVE:
        return document, {}
    if (written := document_as_written(document)) is not document:
        small, moved = spill(written)
        return document | {"data": {**small["data"], "origin": document["data"]["origin"]}}, moved
    data = dict(document["data"])
    sizes = {name: bson.encode({"value": value}, codec_options=CODEC) for name, value in data.items()}
    spilled: dict[str, Any] = {}
    blobs: dict[bytes, bytes] = {}
    for name, blob in sorted(sizes.items(), key=lambda item: (-len(item[1]), item[0])):
        digest = hashlib.sha256(blob).digest()
        blobs[digest] = blob
        del data[name]
        spilled[name] = {"sha256": digest, "length": len(blob)}
        small = document | {"data": data | {"spilled": spilled}}
        if len(bson.encode(small, codec_options=CODEC)) <= SPILL_ABOVE:
            return small, blobs
    raise InvalidEvent(f"an event of type {document['type']} is too large even without its data")


def unspill(data: Data, fetch: Callable[[bytes], bytes] | None) -> Document:
    """Return *data* with what `spill` moved out put back."""
    whole = {name: value for name, value in data.items() if name != "spilled"}
    for name, place in data["spilled"].items():
        if fetch is None:
            raise InvalidEvent(f"{name} is in an attachment, and nothing was given to fetch it with")
        whole[name] = bson.decode(fetch(place["sha256"]), codec_options=CODEC)["value"]
    return whole
