"""Tombstones: what is left of an experiment that a person removed: when, by whom, why, and the head of all that was.

A tombstone is a document of the collection `removed` (in memory: one of a list). See `removal`.
"""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from hstore.store.errors import ExperimentRemoved, StoreUnreachable
from hstore.store.events import TABLE_CODEC
from hstore.store.lazy_dataclass import lazy_dataclass

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.retry import RetryPolicy
    from hstore.store.store import Store

COLLECTION = "removed"


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
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
        self._collection = database.get_collection(COLLECTION, TABLE_CODEC)
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
