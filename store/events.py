"""The events: immutable facts about an experiment. How they are stored is in `event_documents`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, ClassVar, NewType, TypeAlias
from uuid import UUID

import bson

from hstore.store.lazy_dataclass import lazy_dataclass

Data = Mapping[str, Any]
Document = dict[str, Any]
TrialNumber = NewType("TrialNumber", int)
"""A trial's number in the log, its place among the decisions: 0, 1, 2, … without gaps. A document of hyperopt's may
have another tid, which its program chose; a type checker refuses to take one for the other."""

Signature: TypeAlias = tuple[bytes, bytes]
"""Of an event: the id of the key (8 bytes), and the HMAC-SHA256 (32 bytes). See `keys.Keys`."""

EVENT_BYTES = 64 * 1024
"""The most bytes a stored event may take; the validator of every store has the same limit."""

CAUSES = ("lost", "interrupted", "failed", "timeout")
"""Why an attempt failed: its worker missed its heartbeat, or was told to stop; the objective raised or its
process died; it took too long. A retry policy says how often each may happen before the trial has failed for good."""
RELEASED = "released"
"""Why there was no attempt: the worker that had claimed the trial gave it back before it began. No policy counts it."""

AMENDABLE = ("loss", "losses", "constraints")
"""Of a `Done`: what a note may amend."""

NOTHING: Data = {}

CODEC: bson.CodecOptions[Document] = bson.CodecOptions(
    tz_aware=True,
    uuid_representation=bson.binary.UuidRepresentation.STANDARD,
    datetime_conversion=bson.codec_options.DatetimeConversion.DATETIME_AUTO,
)
"""How every document of hstore is read and written: aware UTC datetimes, UUIDs as binary subtype 4."""
TABLE_CODEC = CODEC.with_options(unicode_decode_error_handler="replace")
"""How tables for queries are read: text that is no UTF-8 in one document must not hide all others."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What all events share: chain (`exp`, `tid`; no tid: the experiment's own), place there (`ver`) and writer."""

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
    """Digest of what this event follows: its chain so far, or for a decision the decision before (see `digest`)."""
    imported: Data | None = None
    """Of an event that was imported: `at`, when it happened, as far as its own store recorded it, and what else that
    recorded and no field here holds. See `happened`."""
    origin: Data | None = None
    """Of an event that a copy or a fork brought to another name: the `exp` and the `id` that it was written with. Its
    digest is of those: see `event_documents.as_written`."""
    ts: tuple[int, int] | None = field(default=None, compare=False)
    """Filled by the store on arrival (seconds, counter); for listing only."""
    mac: Signature | None = field(default=None, compare=False)
    """Signs the chain up to this event, if its writer had a key; stored beside the data, and no part of the digest."""
    extra: Data = field(default_factory=lambda: NOTHING)
    """Data that this version of hstore has no field for; kept, since the digest covers it."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class TrialEvent(Event):
    """What all events share that only the chain of a trial can hold."""

    tid: int


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentEvent(Event):
    """What all events share that only the experiment's own chain can hold."""

    tid: None = None


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Queued(TrialEvent):
    """The decision that trial *tid* is to be this point, and what was newly known when it was made."""

    type: ClassVar[str] = "queued"
    point: Data
    params: Data
    observed: Sequence[Sequence[Any]] = field(default_factory=list)
    """[tid or None, ver, digest] of each chain that has news which this decision was the first to know, in order."""
    source: str = "suggested"
    """suggested by an algorithm; enqueued by a person; injected by an objective; imported from another store."""
    seed: int | None = None
    algorithm: Data | None = None
    """name, version, settings."""
    batch: Sequence[int] | None = None
    """(first tid, size) of the decisions that were made together, all of them knowing the same."""
    fingerprint: Data | None = None


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Reserved(TrialEvent):
    """A worker took the trial; from now on it alone holds the next *ver*."""

    type: ClassVar[str] = "reserved"
    worker: str
    host: str
    attempt: int
    process: Data | None = None
    """machine (boot and process namespace), pid, started: names a process for good, on the machine where it ran."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Running(TrialEvent):
    """The objective is being called."""

    type: ClassVar[str] = "running"
    pid: int
    python: str
    hstore: str
    objective: str | None = None
    """Version of the objective's code."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Reported(TrialEvent):
    """The objective reported something while it ran: a value at a step, a partial result, an attachment, parameters."""

    type: ClassVar[str] = "reported"
    step: int | None = None
    value: float | None = None
    result: Data | None = None
    attachment: Data | None = None
    """name, sha256, length."""
    point: Data | None = None
    """Raw values that the trial has beside those it was queued with, where an objective asks for them as it goes."""
    params: Data | None = None
    """What these mean."""
    pruning: Data | None = None
    """Of a value after which the trial is to stop early: the `pruner` (name, version, settings), and what it had `seen`
    of other trials: [first, last] tid of each run of those that had `ended`, and [tid, ver] of each that was `open`."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Done(TrialEvent):
    """The objective returned."""

    type: ClassVar[str] = "done"
    result: Data
    status: str
    loss: float | None = None
    losses: Sequence[float] | None = None
    """Of a search with several losses: one for each objective."""
    constraints: Sequence[float] | None = None
    """Each is kept if it is at most 0."""
    pruned: bool | None = None
    """True of a trial that its pruner stopped early, or that raised `Pruned`."""
    duration: float | None = None
    """Seconds."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Failed(TrialEvent):
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


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Requeued(TrialEvent):
    """The trial goes back to the queue: its lease ended, or it was released, interrupted or is to be retried."""

    type: ClassVar[str] = "requeued"
    why: str
    cause: str | None = None
    """One of `CAUSES`, which the retry policy counts, or `RELEASED`; None: by hand, which resets the count."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled(TrialEvent):
    """The trial will not be evaluated any more."""

    type: ClassVar[str] = "cancelled"
    why: str


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Noted(Event):
    """A note on a trial or on the experiment itself (no *tid*); no state changes."""

    type: ClassVar[str] = "noted"
    note: str | None = None
    tags: Sequence[str] | None = None
    void: bool | None = None
    """True takes the trial out of what algorithms see, False puts it back."""
    late: Data | None = None
    """The result that a lost attempt still brought."""
    attachment: Data | None = None
    amend: Data | None = None
    """`loss`, `losses`, `constraints`: what counts from now on in the place of what the objective returned. See
    `AMENDABLE`."""
    title: str | None = None
    """Of the experiment, for people, from now on; empty: it has none."""
    archived: bool | None = None
    """True hides the experiment from lists and from workers that serve all experiments, False shows it again."""
    copied: Data | None = None
    """Of a copy under another name, behind all that was copied: `exp` (the name there), `store`, and the `head` of what
    was copied, so many `events`."""
    person: str | None = None
    """Who wrote the note, as `person.person` found it: for people; nothing proves it."""
    about: Sequence[int] | None = None
    """On the experiment's chain: ended trials whose chains are about to go on, so that readers look there again."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Created(ExperimentEvent):
    """The experiment began; holds all that its suggestions depend on."""

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
    keep_output: str | None = None
    """Of which trials workers keep what they print, one of `KEEP_OUTPUT`; None: of those that failed."""
    provenance: Data | None = None
    """Where the search came from: git, command, host, user, packages, source. No decision depends on it, nor whether
    the search may go on."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Changed(ExperimentEvent):
    """A limit, the algorithm, the objective, or something else of what `Created` says was replaced."""

    type: ClassVar[str] = "changed"
    limits: Data | None = None
    algorithm: Data | None = None
    objective: Data | None = None
    pruner: Data | None = None
    """Empty: none from here on."""
    generator: Data | None = None
    """As in `Created`, and `after`: how many suggestions there were. Its first seed is that of the first decision that
    observes this event."""
    space: Data | None = None
    """Of a search in memory only; a durable one keeps the space that it was created with."""
    keep_output: str | None = None
    provenance: Data | None = None
    """As in `Created`, if it is another one from here on."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Paused(ExperimentEvent):
    """No trial is suggested or started until `Resumed`."""

    type: ClassVar[str] = "paused"
    why: str


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Resumed(ExperimentEvent):
    """The search goes on."""

    type: ClassVar[str] = "resumed"
    why: str


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Finished(ExperimentEvent):
    """The search ended; *observed* and *decision* commit to all that happened after the last decision."""

    type: ClassVar[str] = "finished"
    why: str
    observed: Sequence[Sequence[Any]] = field(default_factory=list)
    decision: bytes | None = None
    """Digest of the last decision."""
    head: bytes | None = None
    """As in `Sealed`; None of an older version's."""
    tips: Sequence[Sequence[Any]] | None = None


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Sealed(ExperimentEvent):
    """Commits to every event that its writer had read: whatever was changed in one of them since is found by it."""

    type: ClassVar[str] = "sealed"
    head: bytes
    """The head (32 bytes, see `head`) of all chains as far as they had been read."""
    tips: Sequence[Sequence[Any]]
    """How far that was: [tid or None, n, ver] of each run of n chains that did not end with *ver* in the latest event
    before this one that holds a head."""
    decisions: int
    """How many trials there were."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Forked(ExperimentEvent):
    """The experiment goes on from another one's first trials: from copies of their events, or in another space."""

    type: ClassVar[str] = "forked"
    source: str
    """The name of the other experiment."""
    until: int
    """How many of its decisions there were."""
    head: bytes | None = None
    """The head (32 bytes, see `head`) of what was taken of it."""
    cut: Sequence[Sequence[Any]] | None = None
    """How far that went: [tid or None, n, ver] of each run of n chains that ended with *ver*."""
    left_out: int | None = None
    """How many of its trials do not fit the space of this one; None: it has the same space, and all were copied."""
    person: str | None = None
    """Who forked it, as `person.person` found it."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined(ExperimentEvent):
    """Events that were set aside count for nothing from now on: where one has a place, its chain goes on behind it."""

    type: ClassVar[str] = "quarantined"
    why: str
    events: Sequence[Sequence[Any]]
    """[tid or None, ver, id, digest of the event by itself] of each, as they are stored."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable(Event):
    """Stands for a stored document that this program cannot decode; never written."""

    type: ClassVar[str] = "unreadable"
    why: str
    raw: bytes
    """The BSON of the document as it is stored."""
    is_quarantined: bool = False
    """Whether a `Quarantined` names it: it has its place, and means nothing."""

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
        Created, Changed, Paused, Resumed, Finished, Forked, Sealed, Quarantined,
    )
}  # fmt: skip


def happened(event: Event) -> dt.datetime:
    """Return when *event* happened: when it was written, or if it was imported the time that its own store recorded."""
    at = event.imported.get("at") if event.imported is not None else None
    return at if isinstance(at, dt.datetime) else event.at


WARM_START = "warm_start"
"""`imported.from` of a trial that an experiment knows from another one."""


def origin_of(queued: Queued | None) -> Data | None:
    """Return where the trial of *queued* came from, if that was another experiment, by a warm start."""
    said = None if queued is None else queued.imported
    return said if said is not None and said.get("from") == WARM_START else None
