"""Claims: tickets, leases and the presence of workers: hints beside the log, by the server's clock. All can be lost."""

from __future__ import annotations

import contextlib
import datetime as dt
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pymongo
from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from hstore.store.events import TABLE_CODEC, Document
from hstore.store.fold import HELD
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.retry import RetryPolicy, let_go

if TYPE_CHECKING:
    from pymongo.collection import Collection
    from pymongo.database import Database

POLL_SECONDS = 0.05

EXPIRY_SECONDS = 1.0
"""Seconds: an unused ticket is found again at most so long after it ran out."""

OF_A_TRIAL = {"tid": {"$type": ["int", "long"]}}
"""Matches no document that only another program can have written."""

TrialKey = tuple[str, int]
"""A trial: the name of its experiment and its tid."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class ActiveLease:
    """A trial that a worker holds, as its read model shows it."""

    exp: str
    tid: int
    ver: int
    worker: str | None
    host: str | None
    by: str | None
    """Session of the worker; None for a claim whose lease was never written."""
    beat: dt.datetime | None
    """When the lease was last extended, by the server's clock."""
    seconds: float | None
    """How long it runs from there."""
    age: float | None
    """Seconds since the lease was extended, by the server's clock."""
    is_over: bool
    """Whether the lease has run out, by the server's clock; never for a lease that was not written."""


class Claims:
    """Tickets and leases in `trials`, the presence of workers in `workers`.

    Nothing here decides anything: a ticket only keeps two workers from racing, and a lease that is over only
    lets another process *try* to requeue the trial. What decides is who gets the next place in the trial's chain.
    """

    def __init__(self, database: Database[Document], retry: RetryPolicy) -> None:
        light: dict[str, Any] = {
            "write_concern": pymongo.WriteConcern(w=1), "read_concern": ReadConcern("local"),
            "codec_options": TABLE_CODEC,
        }  # fmt: skip
        self._database = database
        self._trials: Collection[Document] = database.get_collection("trials", **light)
        self._workers: Collection[Document] = database.get_collection("workers", **light)
        self._retrying = retry
        self._looked_for_expired = -EXPIRY_SECONDS

    # -- tickets ----------------------------------------------------------------------------------------------

    def take_ticket(self, session: str, experiments: Sequence[str], *, seconds: float) -> TrialKey | None:
        """Return the trial of *experiments* that was queued first and has no ticket, or None; give it a ticket.

        No other worker gets it for so many *seconds*. Only its chain tells whether it is still queued.
        """
        names = list(experiments)
        query = {"exp": names[0] if len(names) == 1 else {"$in": names}, "state": "queued", **OF_A_TRIAL}
        # Those without a ticket are found by an index; those whose ticket ran out are few, and looked for now and then.
        found = self._stamp({**query, "ticket": None}, session, seconds)
        if found is None and time.monotonic() - self._looked_for_expired >= EXPIRY_SECONDS:
            found = self._stamp({**query, "$expr": {"$lte": ["$ticket.until", "$$NOW"]}}, session, seconds)
            if found is None:
                self._looked_for_expired = time.monotonic()
        return None if found is None else (found["exp"], found["tid"])

    def _stamp(self, query: Document, session: str, seconds: float) -> Document | None:
        ticket = {"by": session, "until": {"$add": ["$$NOW", _ms(seconds)]}}
        # As a command, which the driver does not repeat by itself: for a write that it may, the server keeps a copy of
        # what was there before, and that costs a third more. A ticket that got lost lapses.
        command = {
            "findAndModify": "trials",
            "query": query,
            "sort": {"queued_at": 1},
            "update": [{"$set": {"ticket": ticket}}],
            "fields": {"_id": 0, "exp": 1, "tid": 1},
            "writeConcern": {"w": 1},
        }
        run = partial(self._database.command, command, codec_options=TABLE_CODEC)
        found: Document | None = self._retrying(lambda: run()["value"])
        return found

    def give_back(self, session: str, key: TrialKey) -> None:
        """Give back a ticket that is not used; other workers need not wait then until it lapses."""
        exp, tid = key
        query = {"_id": {"exp": exp, "tid": tid}, "ticket.by": session}
        self._retrying(lambda: self._trials.update_one(query, {"$unset": {"ticket": ""}}))

    def is_anything_queued(self, experiments: Sequence[str], *, but: Iterable[TrialKey] = ()) -> bool:
        """Return whether a trial of *experiments*, *but* those, is queued, ticket or not."""
        query: Document = {"exp": {"$in": list(experiments)}, "state": "queued", **OF_A_TRIAL}
        if others := [{"exp": exp, "tid": tid} for exp, tid in but]:
            query["_id"] = {"$nin": others}
        return self._retrying(lambda: self._trials.find_one(query, {"_id": 1})) is not None

    def wakeups(self) -> Wakeups:
        """Return what an idle worker waits for trials with."""
        return Wakeups(self._database)

    # -- leases -----------------------------------------------------------------------------------------------

    def extend(self, session: str, held: Mapping[TrialKey, int], *, seconds: float) -> None:
        """Make the leases of *session* on *held* (the ver at which it claimed each) run *seconds* from now."""
        updates = [
            pymongo.UpdateOne(
                {"_id": {"exp": exp, "tid": tid}, "ver": {"$gte": ver}, "state": {"$in": sorted(HELD)}},
                {"$set": {"lease.by": session, "lease.seconds": seconds}, "$currentDate": {"lease.beat": True}},
            )
            for (exp, tid), ver in held.items()
        ]
        if updates:
            self._retrying(lambda: self._trials.bulk_write(updates, ordered=False))

    def held(self, experiments: Iterable[str] | None = None) -> list[ActiveLease]:
        """Return the trials (of *experiments*, or all) that workers hold, by experiment and tid."""
        query: Document = {"state": {"$in": sorted(HELD)}}
        if experiments is not None:
            query["exp"] = {"$in": list(experiments)}
        until = _until("$lease.beat", "$lease.seconds")
        pipeline: list[Document] = [
            {"$match": query},
            {"$project": {"_id": 0, "exp": 1, "tid": 1, "ver": 1, "worker": 1, "host": 1, "lease": 1,
                          "age": _age("$lease.beat"),
                          "is_over": {"$lt": [{"$ifNull": [until, "$$NOW"]}, "$$NOW"]}}},
            {"$sort": {"exp": 1, "tid": 1}},
        ]  # fmt: skip
        found = self._retrying(lambda: list(self._trials.aggregate(pipeline)))
        return [_held(document) for document in found if _is_trial(document)]

    def elect_reaper(self, session: str, seconds: float) -> bool:
        """Return whether *session* is the reaper for so many *seconds*: the worker that requeues trials of silent ones.

        One is enough. Which one does not matter, and two would do no harm.
        """
        is_free = {"$or": [{"$eq": ["$by", session]}, {"$not": [{"$gt": ["$until", "$$NOW"]}]}]}
        until = {"$add": ["$$NOW", _ms(seconds)]}
        mine = [{"$set": {"by": {"$cond": [is_free, session, "$by"]}, "until": {"$cond": [is_free, until, "$until"]}}}]

        def take() -> bool:
            try:
                now = self._workers.find_one_and_update(
                    {"_id": ""}, mine, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError as error:
                let_go(error)
                return False
            return now is not None and now["by"] == session

        return self._retrying(take)

    # -- presence --------------------------------------------------------------------------------------------

    def take_name(self, name: str, session: str, seconds: float, about: Mapping[str, Any]) -> bool:
        """Announce a worker unless another one has *name*; return whether the name was free."""
        is_taken = {"$and": [{"$gt": [_until("$beat", "$seconds"), "$$NOW"]}, {"$ne": ["$session", session]}]}
        about_it = {"$literal": {**about, "_id": name, "session": session, "seconds": seconds}}
        presence = [{"$replaceWith": {"$cond": [is_taken, "$$ROOT", {"$mergeObjects": [about_it, {"beat": "$$NOW"}]}]}}]

        def take() -> bool:
            try:
                found = self._workers.find_one_and_update(
                    {"_id": name}, presence, upsert=True, return_document=ReturnDocument.AFTER
                )
            except DuplicateKeyError as error:  # another worker came at the same moment
                let_go(error)
                return False
            return found is not None and found["session"] == session

        return self._retrying(take)

    def announce(self, name: str, session: str, seconds: float, about: Mapping[str, Any]) -> None:
        """Record that worker *name* is present for *seconds* from now, and what is to be known *about* it.

        A worker of that name and of another session is replaced.
        """
        presence = {
            "$set": {**about, "session": session, "seconds": seconds},
            "$currentDate": {"beat": True},
        }
        self._retrying(lambda: self._workers.update_one({"_id": name}, presence, upsert=True))

    def leave(self, name: str, session: str) -> None:
        """Remove what `announce` recorded."""
        self._retrying(lambda: self._workers.delete_one({"_id": name, "session": session}))

    def present(self) -> int:
        """Return how many workers there are, those that died and were not removed yet among them."""
        return self._retrying(self._workers.estimated_document_count)

    def workers(self, experiment: str | None = None) -> list[Document]:
        """Return the workers present (for *experiment*, or all) by name: what was announced, and `age` in seconds."""
        query: Document = {"$expr": {"$gt": [_until("$beat", "$seconds"), "$$NOW"]}}
        if experiment is not None:
            query["experiments"] = experiment
        pipeline: list[Document] = [
            {"$match": query},
            {"$set": {"age": _age("$beat")}},
            {"$sort": {"_id": 1}},
        ]
        return self._retrying(lambda: list(self._workers.aggregate(pipeline)))


class Wakeups:
    """Wakes an idle worker. A hint: it looks again by itself from time to time.

    It listens to `wakeups`, a small capped collection that is written to when there is something to take. A change
    stream would wake the worker for every other write too, and a standalone server has none.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._wakeups: Collection[Document] = database.get_collection(
            "wakeups", TABLE_CODEC, read_concern=ReadConcern("local")
        )
        self._cursor: Any = None
        self._timeout = 0.0

    def wait(self, timeout: float) -> bool:
        """Return True as soon as there is something to take, False when it is time to look anyway.

        The first call begins to listen and returns False at once: a caller that looks then misses nothing.
        """
        if timeout != self._timeout:  # the server learns once how long it may wait
            self.close()
        try:
            if self._cursor is None:
                self._listen(timeout)
                return False
            is_woken = next(self._cursor, None) is not None
            if not self._cursor.alive:
                self.close()
            return is_woken
        except OperationFailure:  # the cursor was overtaken, or the collection is not one to wait for
            self.close()
            time.sleep(min(timeout, POLL_SECONDS))
        except PyMongoError:  # the caller's next query waits for the server, and reports it
            self.close()
        return False

    def _listen(self, timeout: float) -> None:
        self._timeout = timeout
        last = self._wakeups.find_one(sort=[("$natural", pymongo.DESCENDING)])
        if last is None or "at" not in last:  # a tailable cursor on an empty collection dies at once
            time.sleep(min(timeout, POLL_SECONDS))
            return
        cursor = self._wakeups.find({"at": {"$gt": last["at"]}}, cursor_type=pymongo.CursorType.TAILABLE_AWAIT)
        self._cursor = cursor.max_await_time_ms(max(1, int(timeout * 1000)))

    def close(self) -> None:
        """Stop listening; the next `wait` begins again."""
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            with contextlib.suppress(PyMongoError):
                cursor.close()


def _until(beat: str, seconds: str) -> Document:
    """Return the expression for the end of what was extended at *beat*, and runs for so many *seconds*."""
    until = {"$add": [beat, {"$multiply": [seconds, 1000]}]}
    return {"$cond": [{"$and": [_is_date(beat), {"$isNumber": seconds}, {"$lt": [seconds, 1e9]}]}, until, None]}


def _age(beat: str) -> Document:
    """Return the expression for the seconds since *beat*."""
    return {"$cond": [_is_date(beat), {"$divide": [{"$subtract": ["$$NOW", beat]}, 1000]}, None]}


def _is_date(beat: str) -> Document:
    return {"$eq": [{"$type": beat}, "date"]}


def _is_trial(document: Document) -> bool:
    """Return whether *document* is one of `trials` as hstore writes them, as far as its lease goes."""
    tid, lease = document.get("tid"), document.get("lease")
    is_named = type(document.get("exp")) is str and isinstance(tid, int) and isinstance(document.get("ver"), int)
    return is_named and isinstance(lease, dict | None)


def _held(document: Document) -> ActiveLease:
    lease = document.get("lease") or {}
    return ActiveLease(
        exp=document["exp"], tid=document["tid"], ver=document["ver"], worker=document.get("worker"),
        host=document.get("host"),
        by=lease.get("by"), beat=lease.get("beat"), seconds=lease.get("seconds"),
        age=document.get("age"), is_over=bool(document["is_over"]) and "beat" in lease,
    )  # fmt: skip


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
