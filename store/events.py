"""The events: immutable facts about an experiment, to and from the documents that MongoDB holds."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar
from uuid import UUID

import bson

from hstore.store.errors import InvalidEvent, NotFound, VerificationFailed

Data = Mapping[str, Any]
Document = dict[str, Any]

EVENT_BYTES = 64 * 1024
"""The most a stored event may take; the validator of every store says the same."""

SPILL_ABOVE = EVENT_BYTES - len(b"\x11ts\0" + 8 * b"\0")
"""Bytes of a document that has no `ts` yet: what fits is never spilled, whoever wrote it, so its digest is the same."""
CAUSES = ("lost", "interrupted", "failed", "timeout")
"""Why an attempt may come to nothing: its worker was silent for too long, or was told to go; the objective raised or
its process died; it took too long. A retry policy says how often each may happen to a trial before that is its end."""
RELEASED = "released"
"""Why there was no attempt at all: whoever had claimed the trial did not come to begin it. No policy counts that."""

NOTHING: Data = {}
EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)

CODEC: bson.CodecOptions[Document] = bson.CodecOptions(
    tz_aware=True,
    uuid_representation=bson.binary.UuidRepresentation.STANDARD,
    datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO,
)
"""How every document of hstore is read and written: aware UTC datetimes, UUIDs as binary subtype 4."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: whose chain (`exp`, `tid`; no tid: the experiment's own), the place `ver` there, who."""

    type: ClassVar[str]
    v: ClassVar[int] = 1

    exp: str
    tid: int | None = None
    ver: int
    id: UUID
    at: dt.datetime
    """Writer's clock, UTC, whole milliseconds; for people, never for correctness."""
    by: str
    """host:pid:name of the writer."""
    prev: bytes | None = None
    """Digest of what this event follows: its chain so far, or for a decision the decision before (see `seal`)."""
    imported: Data | None = None
    """Of what was not written as it happened but carried over: `at`, when it did, as far as its own store said, and
    on a beginning whatever else that said of it and no field here holds. See `happened`."""
    ts: tuple[int, int] | None = field(default=None, compare=False)
    """Filled by the store on arrival (seconds, counter); for listing only."""
    extra: Data = field(default_factory=lambda: NOTHING)
    """Data that this version of hstore has no field for; kept, since the digest covers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued(Event):
    """The decision that trial *tid* is to be this point, and what was newly known when it was made."""

    type: ClassVar[str] = "queued"
    point: Data
    params: Data
    observed: Sequence[Sequence[Any]] = field(default_factory=list)
    """[tid or None, ver, digest] of each chain whose news this decision was the first to know of, in order."""
    source: str = "suggested"
    """suggested by an algorithm; enqueued by a person; injected by an objective; imported from another store."""
    seed: int | None = None
    algorithm: Data | None = None
    """name, version, settings."""
    batch: Sequence[int] | None = None
    """(first tid, size) of the decisions that were made together, all of them knowing the same."""
    fingerprint: Data | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(Event):
    """A worker took the trial; from now on it alone holds the next *ver*."""

    type: ClassVar[str] = "reserved"
    worker: str
    host: str
    attempt: int
    process: Data | None = None
    """machine (boot and process namespace), pid, started: names a process for good, on the machine where it ran."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Running(Event):
    """The objective is being called."""

    type: ClassVar[str] = "running"
    pid: int
    python: str
    hstore: str
    objective: str | None = None
    """Version of the objective's code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Event):
    """The objective told something on its way: a value at a step, a partial result, or an attachment."""

    type: ClassVar[str] = "reported"
    step: int | None = None
    value: float | None = None
    result: Data | None = None
    attachment: Data | None = None
    """name, sha256, length."""
    pruning: Data | None = None
    """Of a value after which the trial was told to stop: the `pruner` (name, version, settings), and what it had `seen`
    of other trials: [first, last] tid of each run of those that had `ended`, and [tid, ver] of each that was `open`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done(Event):
    """The objective returned."""

    type: ClassVar[str] = "done"
    result: Data
    status: str
    loss: float | None = None
    losses: Sequence[float] | None = None
    """Of a search for several things at once: one for each."""
    constraints: Sequence[float] | None = None
    """Each is kept if it is at most 0."""
    pruned: bool | None = None
    """True of a trial that stopped early because its pruner said so, or by raising `Pruned`."""
    duration: float | None = None
    """Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """The objective raised, or its process died; *final* if the retry policy leaves no other attempt."""

    type: ClassVar[str] = "failed"
    error: str
    message: str
    final: bool
    traceback: str | None = None
    signal: int | None = None
    exit_code: int | None = None
    time_limit: float | None = None
    duration: float | None = None
    cause: str | None = None
    """One of `CAUSES`; None stands for "failed"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requeued(Event):
    """The trial is to be taken again: its lease ended, it was released, interrupted or is to be retried."""

    type: ClassVar[str] = "requeued"
    why: str
    cause: str | None = None
    """One of `CAUSES`, which the retry policy counts, or `RELEASED`; None: by hand, which begins the count anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(Event):
    """The trial will not be evaluated any more."""

    type: ClassVar[str] = "cancelled"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """Something was written beside a trial or an experiment; no state changes."""

    type: ClassVar[str] = "noted"
    note: str | None = None
    tags: Sequence[str] | None = None
    void: bool | None = None
    """True takes the trial out of what algorithms see, False puts it back."""
    late: Data | None = None
    """What a lost attempt still brought."""
    attachment: Data | None = None
    about: Sequence[int] | None = None
    """On the experiment's chain: ended trials whose chains are about to go on, so that readers look there again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(Event):
    """The experiment began: all that its suggestions depend on."""

    type: ClassVar[str] = "created"
    space: Data
    objective: Data
    algorithm: Data
    generator: Data
    """Name and state of the bit generator that seeds come from."""
    limits: Data
    retries: Data
    fingerprint: Data
    pruner: Data | None = None
    """name, version, settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed(Event):
    """A limit, the algorithm, the objective, the pruner or the generator of seeds is another from here on."""

    type: ClassVar[str] = "changed"
    limits: Data | None = None
    algorithm: Data | None = None
    objective: Data | None = None
    pruner: Data | None = None
    """Empty: none from here on."""
    generator: Data | None = None
    """As in `Created`, and `after`: how many suggestions there were. Its first seed is that of the first decision that
    observes this event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paused(Event):
    """No trial is to be suggested or taken until `Resumed`."""

    type: ClassVar[str] = "paused"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(Event):
    """The search goes on."""

    type: ClassVar[str] = "resumed"
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(Event):
    """The search ended; *observed* and *decision* commit to all that no decision came after."""

    type: ClassVar[str] = "finished"
    why: str
    observed: Sequence[Sequence[Any]] = field(default_factory=list)
    decision: bytes | None = None
    """Digest of the last decision."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forked(Event):
    """The experiment went on from another one's first trials."""

    type: ClassVar[str] = "forked"
    source: str
    until: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Event):
    """Stands for a stored document that this program cannot decode; never written."""

    type: ClassVar[str] = "unreadable"
    why: str
    raw: bytes
    """The BSON of the document as it is stored."""

    def stored(self) -> Document:
        """Return the stored document, or {"raw": its bytes} if it cannot be decoded at all."""
        try:
            return bson.decode(self.raw, codec_options=CODEC)
        except bson.errors.BSONError:
            return {"raw": self.raw}


TYPES: dict[str, type[Event]] = {
    kind.type: kind
    for kind in (
        Queued, Reserved, Running, Reported, Done, Failed, Requeued, Cancelled, Noted,
        Created, Changed, Paused, Resumed, Finished, Forked,
    )
}  # fmt: skip

_SHAPES: dict[str, tuple[type, ...]] = {
    "str": (str,), "int": (int,), "float": (float, int), "bool": (bool,), "bytes": (bytes,), "Data": (dict, Mapping),
    "Sequence[str]": (list,), "Sequence[int]": (list,), "Sequence[float]": (list,), "Sequence[Sequence[Any]]": (list,),
}  # fmt: skip
_ENVELOPE = frozenset(f.name for f in fields(Event))
_DATA = {kind: tuple(f.name for f in fields(kind) if f.name not in _ENVELOPE) for kind in TYPES.values()}
_SHAPE = {
    kind: {
        "prev": (bytes,),
        "imported": _SHAPES["Data"],
        **{f.name: _SHAPES[str(f.type).removesuffix(" | None")] for f in fields(kind) if f.name not in _ENVELOPE},
    }
    for kind in TYPES.values()
}
_WRITTEN = {
    kind: tuple(f.name for f in fields(kind) if f.name not in _ENVELOPE and not str(f.type).endswith(" | None"))
    for kind in TYPES.values()
}
"""What every document of a type holds; fields that may be None are left out when they are."""


def happened(event: Event) -> dt.datetime:
    """Return when *event* happened: when it was written, or for one that was imported what its own store says."""
    at = event.imported.get("at") if event.imported is not None else None
    return at if isinstance(at, dt.datetime) else event.at


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


def _is_observed(entries: Any) -> bool:
    return all(
        isinstance(entry, list)
        and len(entry) == 3
        and (entry[0] is None or isinstance(entry[0], int))
        and isinstance(entry[1], int)
        and isinstance(entry[2], bytes)
        for entry in entries
    )


_PARTS: dict[str, Callable[[Any], bool]] = {
    "observed": _is_observed,
    "tags": _are(str),
    "about": _are(int),
    "batch": _are(int),
    "losses": _are_numbers,
    "constraints": _are_numbers,
    "pruning": _is_pruning,
    "attachment": lambda attachment: isinstance(attachment.get("name"), str),
}
"""What else is asked of the values of some fields, so that no reader has to."""


def to_document(event: Event) -> Document:
    """Return *event* as a document of `events`, without the `ts` that the server fills.

    A field that is None is left out. See `spill` for data too large for an event.
    """
    data = {name: value for name in _DATA[type(event)] if (value := getattr(event, name)) is not None}
    if event.prev is not None:
        data["prev"] = event.prev
    if event.imported is not None:
        data["imported"] = event.imported
    if event.extra:
        data.update(event.extra)
    document: Document = {"_id": event.id, "exp": event.exp}
    if event.tid is not None:
        document["tid"] = event.tid
    document |= {
        "ver": event.ver, "type": event.type, "v": event.v, "at": event.at, "by": event.by, "data": data,
    }  # fmt: skip
    return document


def from_document(document: Document, fetch: Callable[[bytes], bytes] | None = None) -> Event:
    """Return the event that *document* holds; one of an unknown type or shape becomes `Unreadable`.

    *fetch* returns the content of an attachment by its SHA-256; it is called only for spilled data.
    """
    kind = TYPES.get(document["type"])
    if kind is None or document["v"] != kind.v:
        return _unreadable(document, f"type {document['type']!r} version {document['v']} is not known here")
    data = document["data"]
    if "spilled" in data:
        try:
            data = unspill(data, fetch)
        except (NotFound, VerificationFailed, bson.errors.BSONError, KeyError, TypeError, AttributeError) as error:
            return _unreadable(document, f"what was moved out of it cannot be had: {error}")
    shape = _SHAPE[kind]
    known: Document = {}
    extra: Document = {}
    for name, value in data.items():
        wanted = shape.get(name)
        if wanted is None or value is None:  # a null of another program is kept for its digest, and means nothing
            extra[name] = value
        elif isinstance(value, wanted) and (name not in _PARTS or _PARTS[name](value)):
            known[name] = value
        else:
            return _unreadable(document, f"its {name} cannot be {value!r:.80}")
    for name in _WRITTEN[kind]:
        if name not in known:
            return _unreadable(document, f"its {name} is missing")
    at, ts = document["at"], document.get("ts")
    if not isinstance(at, dt.datetime):
        return _unreadable(document, "it was written after the year 9999, or before the year 1")
    return kind(
        exp=document["exp"],
        tid=document.get("tid"),
        ver=document["ver"],
        id=document["_id"],
        at=at,
        by=document["by"],
        ts=None if ts is None else (ts.time, ts.inc),
        extra=extra or NOTHING,
        **known,
    )


def _unreadable(document: Document, why: str) -> Unreadable:
    return unreadable(document, why, bson.encode(document, codec_options=CODEC))


def unreadable(envelope: Document, why: str, raw: bytes) -> Unreadable:
    """Return what stands for a document of which only its *envelope* can be understood, and not all of that perhaps."""
    at = envelope["at"]
    return Unreadable(
        exp=envelope["exp"],
        tid=envelope.get("tid"),
        ver=envelope["ver"],
        id=envelope["_id"],
        at=at if isinstance(at, dt.datetime) else EPOCH,
        by=envelope["by"],
        why=why,
        raw=raw,
    )


def spill(document: Document) -> tuple[Document, dict[bytes, bytes]]:
    """Return *document* small enough for a store, and the blobs (by SHA-256) that hold what was moved out of its data.

    The largest values go first. In their place `data.spilled` maps their names to SHA-256 and length;
    a blob is the BSON of {"value": …}. What fits comes back as it is. Raises `InvalidEvent` if moving
    values out is not enough.
    """
    if len(bson.encode(document, codec_options=CODEC)) <= SPILL_ABOVE:
        return document, {}
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
            raise InvalidEvent(f"{name} is kept in an attachment and nothing was given to fetch it with")
        whole[name] = bson.decode(fetch(place["sha256"]), codec_options=CODEC)["value"]
    return whole
