"""Removal: the only way in which events leave a store. A tombstone stays, which says what was there and who removed it.

A tombstone is a document of the collection `removed` (in memory: one of a list). It is written before anything is
removed, and holds the head of all that was: a file of `hstore export` can be checked against it.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from hstore.store.composing import now
from hstore.store.errors import ExperimentRemoved, NotFound, StoreUnreachable
from hstore.store.housekeeping import require_idle
from hstore.store.person import person as who_is_there

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.retry import RetryPolicy
    from hstore.store.store import Store

COLLECTION = "removed"
Progress = Callable[[int], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A tombstone: what was removed, when, by whom and why."""

    id: uuid.UUID
    exp: str
    created: uuid.UUID
    """The id of the event that began it: another experiment of that name has another one."""
    at: dt.datetime
    person: str
    reason: str | None
    head: bytes
    """Of all that was removed; nothing if the log could not be read."""
    events: int
    trials: int

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        trials = f"{self.trials} trial{'' if self.trials == 1 else 's'}"
        return (
            f"{self.exp!r} was removed on {self.at:%Y-%m-%d %H:%M} UTC by {self.person}{reason} "
            f"({self.events} events, {trials}, head {self.head.hex()})"
        )

    @property
    def hint(self) -> str:
        """What can be done about it."""
        return (
            f"if you have a file of it, `hstore verify FILE.hstore --head {self.head.hex()[:8]}…` checks that, and "
            "`hstore import FILE.hstore` brings it back; a search of that name begins anew"
        )


class Removals(Protocol):
    """The tombstones of a store."""

    def add(self, removal: Removal) -> None:
        """Keep *removal* for good."""

    def of(self, exp: str) -> list[Removal]:
        """Return what was removed of that name, the latest last."""


class MemoryRemovals:
    """See `Removals`."""

    def __init__(self) -> None:
        self._all: list[Removal] = []

    def add(self, removal: Removal) -> None:
        """See `Removals.add`."""
        self._all.append(removal)

    def of(self, exp: str) -> list[Removal]:
        """See `Removals.of`."""
        return [each for each in self._all if each.exp == exp]


class MongoRemovals:
    """See `Removals`. The first one makes the collection: a store from which nothing was removed needs none."""

    def __init__(self, database: Database[dict[str, Any]], retry: RetryPolicy) -> None:
        self._collection = database[COLLECTION]
        self._retrying = retry

    def add(self, removal: Removal) -> None:
        """See `Removals.add`."""
        document = {name: value for name, value in asdict(removal).items() if name != "id"}
        query, update = {"_id": removal.id}, {"$setOnInsert": document}
        self._retrying(partial(self._collection.update_one, query, update, upsert=True))

    def of(self, exp: str) -> list[Removal]:
        """See `Removals.of`. A user who may not read the collection sees none."""
        try:
            found = self._retrying(lambda: list(self._collection.find({"exp": exp}, sort=[("at", 1)])))
        except StoreUnreachable as error:
            if "not authorized" in str(error):
                return []
            raise
        return [removal for document in found if (removal := _read(document)) is not None]


def _read(document: dict[str, Any]) -> Removal | None:
    """Return the tombstone in *document*; None if no program of hstore wrote it so."""
    names = ("exp", "created", "at", "person", "reason", "head", "events", "trials")
    shapes: tuple[Any, ...] = (str, uuid.UUID, dt.datetime, str, str | None, bytes, int, int)
    values: list[Any] = [document.get(name) for name in names]
    if not all(isinstance(value, shape) for value, shape in zip(values, shapes, strict=True)):
        return None
    return Removal(id=document["_id"], **dict(zip(names, values, strict=True)))


def latest_removal(store: Store, exp: str, created: uuid.UUID | None = None) -> Removal | None:
    """Return the latest tombstone of *exp*, of the experiment that the event *created* began if that is given."""
    found = [each for each in store.removals.of(exp) if created is None or each.created == created]
    return found[-1] if found else None


def removed_error(removal: Removal) -> ExperimentRemoved:
    """Return the error of a process that works on what was removed."""
    return ExperimentRemoved(
        f"experiment {removal}", hint="nothing more was written to it from here", exp=removal.exp, lost=[], behind=[],
        moved={},
    )  # fmt: skip


# -- removing -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The outcome of a removal."""

    removal: Removal
    events: int
    """How many events were removed now."""
    attachments: int
    """How many attachments that no other experiment names."""


def remove(
    store: Store, name: str, *, reason: str = "", person: str | None = None, force: bool = False,
    on_progress: Progress = lambda _: None,
) -> Removed:  # fmt: skip
    """Remove experiment *name* from *store*, and leave a tombstone; see `Store.remove`.

    on_progress: called with the number of events of other experiments that were just searched for attachments. Can be
    killed and repeated: the tombstone comes first, then the event that began it, then all else.
    """
    if not (first := next(iter(store.log.chain_documents(name, None)), None)) or first.get("ver") != 0:
        return _finish(store, name, on_progress)
    experiment = store.experiment(name)
    if not force:
        require_idle(experiment.state, "removed")
    removal = Removal(
        id=uuid.uuid4(), exp=name, created=experiment.events[0].id, at=now(), person=person or who_is_there(),
        reason=reason.strip() or None, head=experiment.head, events=experiment.state.events,
        trials=len(experiment.state.trials),
    )  # fmt: skip
    named = _named_by(store, name)
    store.removals.add(removal)
    return _clear(store, removal, named, on_progress)


def _finish(store: Store, name: str, on_progress: Progress) -> Removed:
    """Remove what a removal that was interrupted, or a process that did not know of it, has left."""
    removal = latest_removal(store, name)
    if removal is None or not store.log.ids(name):
        store.experiment(name)  # raises `NotFound`, which names the tombstone
        raise NotFound(f"experiment {name!r} has no beginning", hint=f"see `hstore check {name}`", name=name)
    return _clear(store, removal, _named_by(store, name), on_progress)


def _clear(store: Store, removal: Removal, named: set[bytes], on_progress: Progress) -> Removed:
    name = removal.exp
    n = store.log.remove(name)
    store.models.remove_all(name)
    store.snapshots.remove(name)
    store.latest.pop(name, None)
    store.rewound.pop(name, None)
    alone = named - _named_by_all(store, named, on_progress) if named else set()
    for sha256 in sorted(alone):
        store.attachments.remove(sha256)
    return Removed(removal=removal, events=n, attachments=len(alone))


def _named_by(store: Store, name: str, on_progress: Progress = lambda _: None) -> set[bytes]:
    """Return the SHA-256 of each attachment that events of experiment *name* name, or that holds a part of them."""
    from hstore.store.copying import named_in

    named = set[bytes]()
    for document in store.log.documents(name):
        named |= named_in(document, store.attachments.get)
        on_progress(1)
    return named


def _named_by_all(store: Store, wanted: set[bytes], on_progress: Progress) -> set[bytes]:
    """Return which of *wanted* an event that is still in the store names."""
    found = set[bytes]()
    for name in store.log.experiments():
        found |= wanted & _named_by(store, name, on_progress)
        if found == wanted:
            break
    return found
