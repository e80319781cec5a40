"""The log: what every back end promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from uuid import UUID

from hstore.store.events import Document, Event

if TYPE_CHECKING:
    from hstore.store.set_aside import Separated

Place: TypeAlias = tuple[int | None, int]
"""Where an event is in its experiment: its chain (a tid; None: the experiment's own) and its ver."""
EventIds: TypeAlias = Mapping[Place, UUID]
NO_EVENTS: EventIds = MappingProxyType({})
ReportRow: TypeAlias = tuple[int, int, str, Mapping[str, Any]]
"""tid, ver and type of an event, and those of `REPORT_ROW_FIELDS` that its data has."""
REPORT_ROW_FIELDS = ("step", "value", "status", "pruned", "final", "void")
EVERY_TRIAL = 2**62
"""As `ReadCursor.last`: no trials but those of `ReadCursor.open` are read."""


def report_row(tid: int, event: Event) -> ReportRow:
    """Return the row of *event* of trial *tid*."""
    data = ((name, getattr(event, name, None)) for name in REPORT_ROW_FIELDS)
    return tid, event.ver, event.type, {name: value for name, value in data if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCursor:
    """How far a reader has read. Chains are dense, so this is enough to ask for the rest."""

    header: int = -1
    """Last ver of the experiment's own chain."""
    last: int = -1
    """Highest trial id."""
    open: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    """Last ver by tid of the trials whose chains can still go on."""
    held: EventIds = field(default_factory=lambda: NO_EVENTS)
    """Some of the events that the process has read or appended: `read` looks whether they are still there."""
    aside: frozenset[Any] = frozenset()
    """The `_id`s of events that the reader knows and has set aside: they are no news."""

    def has(self, place: Place) -> bool:
        """Return whether the reader wants no event in *place*: it has that, or does not follow its chain."""
        tid, ver = place
        if tid is None:
            return ver <= self.header
        return ver <= self.open[tid] if tid in self.open else tid <= self.last


class EventLog(Protocol):
    """An append-only log of many experiments, safe to use from several threads and processes.

    An event is the writer's until `append` returns; from then on it is in the log for good, once, and every
    `read` that begins later yields it. Chains have no gaps and no place is taken twice.
    """

    is_on_disk: bool
    """Whether `documents` reads them from somewhere, some at a time."""

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        """Make *events* durable in their order; appending the same event again is no error.

        held: events of the same experiment that must be in the log. Before anything is sent, and again each time that
        the server was away, it is looked whether they are. is_checked: a `read` has just done so.
        Raises `StoreRewound` if one of *held* is gone: nothing of what was not sent yet is written then.
        Raises `Conflict` if another event has the place of one of them: `.event` is that other event, `.mine` the one
        that was refused. Those before it in *events* are in the log, those after it are not.
        Raises `InvalidEvent` for an event that no store may hold and `StoreUnreachable` if the timeout
        ends before the server answers (then the events may or may not be in the log: append them again).
        """

    def read(self, exp: str, known: ReadCursor = ReadCursor()) -> list[Event]:
        """Return the events of *exp* that are not *known*, by tid (the experiment's own chain first), then ver.

        That is what `look` returns, without what is set aside.
        """

    def look(self, exp: str, known: ReadCursor = ReadCursor()) -> Separated:
        """Return the events of *exp* that are not *known*, those apart that can be part of no chain: see `set_aside`.

        Raises `StoreRewound` if an event of `known.held` is not in the log any more.
        """

    def identity(self) -> UUID | None:
        """Return the UUID of the store that holds the log now; None in memory, and in one of before it had any."""

    def ids(self, exp: str) -> EventIds:
        """Return the `_id` of each event of *exp*, by its place."""

    def count(self, exp: str, below: int) -> int:
        """Return how many events the chains of trials 0 to *below* - 1 of *exp* have, without reading them."""

    def lengths(self, exp: str, below: int) -> Mapping[int, int]:
        """Return how many events the chain of each of these trials has, by tid."""

    def report_rows(self, exp: str, known: ReadCursor) -> list[ReportRow]:
        """Return the rows that learning curves are made of, of events of trials that are not *known*, by tid and ver.

        There is one for each event but decisions, with `REPORT_ROW_FIELDS` only: a small part of what `read` returns.
        A chain may have a hole for a moment, which the next call fills.
        """

    def documents(self, exp: str, *, quick: bool = False) -> Iterator[Document]:
        """Yield all events of *exp* as they are stored, in the order of `read`, to check or copy a log.

        quick: dates may come without their zone, which is UTC, an `_id` that is a UUID as bytes (any other is not), and
        any number as `ts`. That saves two thirds of the time that it takes to decode them, and neither a digest nor
        what is written to MongoDB is another. See `quick_documents`.
        One that cannot be decoded is yielded as {"raw": its BSON, …what of `exp`, `tid`, `ver`, `_id` could be read}.
        """

    def chain_documents(self, exp: str, tid: int | None) -> Iterator[Document]:
        """Yield the events of one trial, or of the experiment itself for None, as `documents` does."""

    def latest_documents(self, exp: str, n: int) -> list[Document]:
        """Return the last *n* events of *exp* that arrived, in that order, as `documents` yields them."""

    def last_trial(self, exp: str) -> int:
        """Return the highest tid that *exp* has, -1 if it has no trials: one event is looked at."""

    def last_inserted(self) -> object:
        """Return what differs after every append to any experiment of the store; None if that is not known."""

    def remove(self, exp: str) -> int:
        """Remove all events of *exp*, the one that began it first; return how many. Only `removal` calls this."""

    def experiments(self) -> list[str]:
        """Return the names of all experiments, sorted."""

    def wait(self, exp: str, known: ReadCursor, timeout: float) -> bool:
        """Return True as soon as *exp* may have events that are not *known*, False after *timeout* seconds: a hint."""
