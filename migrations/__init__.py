"""Migrations: how an older database becomes a current one, one numbered step after the other."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

from pymongo.database import Database

from hstore.migrations import compressed_events

SCHEMA = "schema"
"""The collection that records which steps were applied."""


@dataclass(frozen=True, slots=True)
class Migration:
    """A step: its number and name, which are those of its module; `up(database)` there applies it."""

    number: int
    name: str

    @property
    def up(self) -> Callable[[Database[dict[str, Any]]], None]:
        """The step itself; applied twice it changes nothing more."""
        up: Callable[[Database[dict[str, Any]]], None] = import_module(f"{__name__}.m{self.number:04}_{self.name}").up
        return up


MIGRATIONS = (
    Migration(1, "create_collections"),
    Migration(2, "workers"),
    Migration(3, "jobs_view"),
    Migration(4, "wakeups"),
    Migration(5, "identity"),
    Migration(6, "results"),
    Migration(7, "signatures"),
    Migration(8, "sealed"),
    Migration(9, "quarantine"),
    Migration(10, "room_for_origins"),
)


def pending(applied: Iterable[int]) -> list[Migration]:
    """Return the steps that are not *applied*, in their order."""
    known = set(applied)
    return [migration for migration in MIGRATIONS if migration.number not in known]


def applied(database: Database[dict[str, Any]]) -> list[int]:
    """Return the numbers of the steps that were applied to *database*, those of newer programs included."""
    return sorted(document["_id"] for document in database[SCHEMA].find({"_id": {"$type": "number"}}, {"_id": 1}))


def identity(database: Database[dict[str, Any]]) -> uuid.UUID | None:
    """Return the UUID of the store in *database*; None if there is no store, or one of before step 5."""
    first = database[SCHEMA].find_one({"_id": 1}, {"store": 1})
    return None if first is None else first.get("store")


def status(database: Database[dict[str, Any]]) -> Literal["fresh", "current", "older", "newer"]:
    """Return whether *database* is older or newer than this program; fresh if it holds nothing of hstore's yet."""
    numbers = applied(database)
    if any(number > MIGRATIONS[-1].number for number in numbers):
        return "newer"
    if not pending(numbers):
        return "current"
    if database["events"].find_one({}, {"_id": 1}) is None:
        return "fresh"  # also if another process is applying the steps, or was killed between two of them
    if not numbers and _has_no_beginning(database):
        return "fresh"
    return "older" if pending(applied(database)) else "current"


def _has_no_beginning(database: Database[dict[str, Any]]) -> bool:
    """Return whether *database* was emptied, and then written to by a process that had not noticed it yet.

    There are a few events then, and none that begins an experiment. Events of another program have other fields.
    """
    events = database["events"]
    is_ours = events.find_one({"$or": [{name: {"$exists": False}} for name in ("exp", "ver", "type")]}) is None
    return is_ours and events.find_one({"type": "created"}, {"_id": 1}) is None


def apply(database: Database[dict[str, Any]], *, by_version: str, dry_run: bool = False) -> list[Migration]:
    """Apply the pending steps and return them; with *dry_run* only return them. Two processes may do so at once."""
    steps = pending(applied(database))
    if steps == list(MIGRATIONS) and not dry_run:
        compressed_events.create(database)
    for step in [] if dry_run else steps:
        step.up(database)
        done = {"name": step.name, "at": dt.datetime.now(dt.UTC), "by": by_version}
        database[SCHEMA].update_one({"_id": step.number}, {"$setOnInsert": done}, upsert=True)
    return steps
