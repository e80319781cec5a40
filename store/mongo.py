"""MongoLog: the log in a MongoDB collection. Append, retries, conflicts, wake-up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import UUID

import bson
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo.errors import (
    AutoReconnect,
    BulkWriteError,
    DuplicateKeyError,
    ExecutionTimeout,
    OperationFailure,
)
from pymongo.read_concern import ReadConcern

from hstore.migrations import identity
from hstore.store.change_streams import wait_for_news
from hstore.store.digest import digest_event, digest_of_any
from hstore.store.document_cursor import IN_ORDER, RAW, StoredDocuments, envelope
from hstore.store.errors import Conflict, HstoreError, InvalidEvent
from hstore.store.event_documents import from_document, place, signed, spill, to_document, unreadable
from hstore.store.events import CODEC, TABLE_CODEC, Document, Event, Unreadable
from hstore.store.log import EVERY_TRIAL, NO_EVENTS, REPORT_ROW_FIELDS, EventIds, Place, ReadCursor, ReportRow
from hstore.store.log_queries import places_of, query_beyond
from hstore.store.retry import RetryPolicy, is_duplicate, let_go
from hstore.store.rewind import rewound
from hstore.store.set_aside import Separated, SetAside, separate
from hstore.store.values import fits_int64

if TYPE_CHECKING:
    from pymongo.collection import Collection

LINEARIZABLE_MS = 5000
_NO_REPLICA_SET = {123, 148, 72}
"""Codes with which a server alone refuses a linearizable read: there is no other that could know better."""


class MongoLog:
    """See `EventLog`. Reads and writes with majority concern: no failover takes back what it returns.

    fetch, put: content of an attachment by its SHA-256, for data too large for an event.
    A process that forks must open the store anew in the child.
    """

    is_on_disk = True

    def __init__(
        self,
        events: Collection[Document],
        *,
        fetch: Callable[[bytes], bytes],
        put: Callable[[bytes], bytes],
        retry: RetryPolicy,
    ) -> None:
        self._events = events
        self._raw = events.with_options(codec_options=RAW)
        self._fetch = fetch
        self._put = put
        self._retrying = retry
        self._stored_documents = StoredDocuments(events, retry)
        self.refusal: HstoreError | None = None
        """Why nothing may be appended, if so: see `place_index`."""

    @property
    def timeout(self) -> float:
        """Seconds to wait for a server that does not answer."""
        return self._retrying.seconds

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._retrying.seconds = seconds

    def close(self) -> None:
        """Close the connection."""
        self._events.database.client.close()

    # -- writing ----------------------------------------------------------------------------------------------

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        """See `EventLog.append`."""
        if self.refusal is not None:
            raise self.refusal
        documents = [self._stored(event) for event in events]
        if held and documents and not is_checked:
            self._retrying(partial(self._require, documents[0]["exp"], held))
        done = 0
        while done < len(documents):
            inserted, is_refused = self._retrying(self._insertion(documents[done:], held))
            done += inserted
            if is_refused:
                # A duplicate proves nothing about durability (the original may be rolled back), so it is read back.
                self._retrying(partial(self._confirm_durable, documents[done], events[done]))
                done += 1

    def _stored(self, event: Event) -> Any:
        if isinstance(event, Unreadable):  # of a copy: it is quarantined, and stays what it is
            document = event.stored()
            return RawBSONDocument(event.raw, RAW) if "raw" in document else document | {"ts": bson.Timestamp(0, 0)}
        try:
            document, blobs = spill(to_document(event))
        except (BSONError, OverflowError) as error:
            raise InvalidEvent(f"no document can hold this {event.type} event: {error}", path="data") from error
        for blob in blobs.values():
            self._put(blob)  # before the event that names it
        return signed(document, event.mac) | {"ts": bson.Timestamp(0, 0)}  # which the server fills

    def _insertion(self, documents: Sequence[Document], held: EventIds) -> Callable[[], tuple[int, bool]]:
        """Return what inserts *documents*; from the second call on it first looks whether *held* is still there."""
        is_again = False

        def insert() -> tuple[int, bool]:
            nonlocal is_again
            if is_again and held:  # the server was away: what answers now may be another, or an older one
                self._require(documents[0]["exp"], held)
            is_again = True
            return self._insert(documents)

        return insert

    def _insert(self, documents: Sequence[Document]) -> tuple[int, bool]:
        """Insert *documents* in order; return how many are in, and whether the next one met a duplicate."""
        try:
            if len(documents) == 1:
                self._events.insert_one(documents[0])
            else:
                self._events.insert_many(documents, ordered=True)
        except DuplicateKeyError as error:
            let_go(error)
            return 0, True
        except BulkWriteError as error:
            if not is_duplicate(error):  # which it is not if the write concern failed as well
                raise
            let_go(error)
            # Those before the duplicate are durable: a server waits for its majority even when it refuses the rest.
            return error.details["writeErrors"][0]["index"], True
        return len(documents), False

    def _confirm_durable(self, document: Document, mine: Event) -> None:
        """Return once *document* is durable; raise `Conflict` if another event has its place for good."""
        wanted = {"exp": document["exp"], "tid": document.get("tid"), "ver": document["ver"]}
        there, _, _ = self._find({"$or": [{"_id": document["_id"]}, wanted]})
        for event in there:
            if event.id == document["_id"]:
                if digest_event(event) != digest_event(mine):
                    raise InvalidEvent(f"the id {event.id} was given to two different events", path="id")
                return
        for event in there:
            raise Conflict(
                f"{mine.exp!r} trial {mine.tid}: place {mine.ver} is taken by {event.type}",
                event=event, mine=mine, exp=mine.exp, tid=mine.tid, ver=mine.ver,
            )  # fmt: skip
        # Not there for the majority: it was rolled back, or is not replicated yet.
        if self._insert([document]) != (1, False):
            raise AutoReconnect("what was written before has not reached a majority of the servers")

    # -- reading ----------------------------------------------------------------------------------------------

    def read(self, exp: str, known: ReadCursor = ReadCursor()) -> list[Event]:  # noqa: B008 - frozen
        """See `EventLog.read`."""
        return self.look(exp, known).sound

    def look(self, exp: str, known: ReadCursor = ReadCursor()) -> Separated:  # noqa: B008 - frozen
        """See `EventLog.look`."""
        query = query_beyond(exp, known)

        def look() -> Separated:
            events, there, strays = self._find(query, known)
            self._refuse_loss(exp, known.held, there)
            sound, aside = separate(events, known)
            return Separated(sound, [*aside, *strays])

        found = self._retrying(look)
        if any(each.id not in known.aside for each in found.aside if each.missing):
            # A cursor can pass a place just before it is filled and then see the next one. A read that begins now
            # sees both, unless the gap is real.
            found = self._retrying(look)
        return found

    def _find(
        self, query: Document, known: ReadCursor | None = None
    ) -> tuple[list[Event], dict[Place, Any], list[SetAside]]:
        """Return the events that match and are not *known*, the `_id`s in the places of what the reader holds, and what
        has no place at all.
        """
        there: dict[Place, Any] = {}
        strays: list[SetAside] = []

        def is_new(document: Document) -> bool:
            at = place(document)
            if at is None:
                strays.append(_stray(document))
                return False
            if known is not None and at in known.held:
                if there.get(at) != known.held[at]:  # two events may be in one place: see `place_index`
                    there[at] = document["_id"]
                return not known.has(at)
            return True

        try:
            found = self._events.find(query, sort=IN_ORDER, batch_size=20_000)
            return [from_document(document, self._fetch) for document in found if is_new(document)], there, strays
        except BSONError:
            strays.clear()
            raws = [bytes(raw.raw) for raw in self._raw.find(query, sort=IN_ORDER)]
            return [self._decoded(raw) for raw in raws if is_new(envelope(raw))], there, strays

    def _require(self, exp: str, held: EventIds) -> None:
        """Raise `StoreRewound` if an event of *held* is gone."""
        wanted = places_of(exp, held)
        found = self._events.find(wanted[0] if len(wanted) == 1 else {"$or": wanted}, {"_id": 1, "tid": 1, "ver": 1})
        there: dict[Place, Any] = {}
        for each in found:
            if (at := place(each)) is not None and there.get(at) != held.get(at):
                there[at] = each["_id"]
        self._refuse_loss(exp, held, there)

    def _refuse_loss(self, exp: str, held: EventIds, there: EventIds) -> None:
        """Raise `StoreRewound` if an event of *held* is not among what was found *there*, and not in its place."""
        gone = {at: id for at, id in held.items() if there.get(at) != id}
        if not gone:
            return
        found = {at: self._place_of(exp, id) for at, id in gone.items()}
        if any(at == now for at, now in found.items()):
            raise AutoReconnect("the server has just become the primary, and does not show all that it has yet")
        moved = {at: now for at, now in found.items() if now is not None}
        raise rewound(exp, gone, left=self._events.count_documents({"exp": exp}), moved=moved)

    def _place_of(self, exp: str, id: UUID) -> Place | None:
        """Return where in the log of *exp* the event *id* is, by a read that no server answers which has been replaced.

        None: it is nowhere in it.
        """
        fields = {"exp": 1, "tid": 1, "ver": 1}
        linearizable = self._events.with_options(read_concern=ReadConcern("linearizable"))
        try:
            found = linearizable.find_one({"_id": id}, fields, max_time_ms=LINEARIZABLE_MS)
        except ExecutionTimeout:
            raise
        except OperationFailure as error:
            if error.code not in _NO_REPLICA_SET:
                raise
            found = self._events.find_one({"_id": id}, fields)
        return place(found) if found is not None and found["exp"] == exp else None

    def identity(self) -> UUID | None:
        """See `EventLog.identity`."""
        return self._retrying(lambda: identity(self._events.database))

    def ids(self, exp: str) -> EventIds:
        """See `EventLog.ids`."""
        fields = {"_id": 1, "tid": 1, "ver": 1}
        found = self._retrying(lambda: list(self._events.find({"exp": exp}, fields)))
        there: dict[Place, Any] = {}
        for document in found:
            if (at := place(document)) is not None:
                there.setdefault(at, document["_id"])
        return there

    def _decoded(self, raw: bytes) -> Event:
        try:
            return from_document(bson.decode(raw, codec_options=CODEC), self._fetch)
        except BSONError as error:
            return unreadable(envelope(raw), str(error), raw)

    def count(self, exp: str, below: int) -> int:
        """See `EventLog.count`. By the command: it counts keys of an index, of which an aggregation makes documents."""
        query = {"exp": exp, "tid": {"$gte": 0, "$lt": below}}
        database, concern = self._events.database, {"level": "majority"}
        return int(self._retrying(lambda: database.command("count", "events", query=query, readConcern=concern))["n"])

    def lengths(self, exp: str, below: int) -> dict[int, int]:
        """See `EventLog.lengths`."""
        group: list[Document] = [
            {"$match": {"exp": exp, "tid": {"$gte": 0, "$lt": below}}}, {"$group": {"_id": "$tid", "n": {"$sum": 1}}},
        ]  # fmt: skip
        found = self._retrying(lambda: list(self._events.aggregate(group)))
        return {document["_id"]: document["n"] for document in found}

    def report_rows(self, exp: str, known: ReadCursor) -> list[ReportRow]:
        """See `EventLog.report_rows`."""
        query = {"$and": [query_beyond(exp, replace(known, header=EVERY_TRIAL, held=NO_EVENTS)), {"ver": {"$gt": 0}}]}
        fields = {"_id": 0, "tid": 1, "ver": 1, "type": 1, **{f"data.{name}": 1 for name in REPORT_ROW_FIELDS}}

        def find() -> list[ReportRow]:
            found = self._events.find(query, fields, sort=IN_ORDER, batch_size=20_000)
            return [(d["tid"], d["ver"], d["type"], d.get("data", {})) for d in found]

        return self._retrying(find)

    def documents(self, exp: str, *, quick: bool = False) -> Iterator[Document]:
        """See `EventLog.documents`."""
        return self._stored_documents.read({"exp": exp}, quick=quick)

    def chain_documents(self, exp: str, tid: int | None) -> Iterator[Document]:
        """See `EventLog.chain_documents`."""
        if tid is not None and not fits_int64(tid):  # no document has it, and none could ask for it
            return iter(())
        return self._stored_documents.read({"exp": exp, "tid": tid})

    def latest_documents(self, exp: str, n: int) -> list[Document]:
        """See `EventLog.latest_documents`."""
        return self._stored_documents.latest(exp, n)

    def last_trial(self, exp: str) -> int:
        """See `EventLog.last_trial`."""
        query = {"exp": exp, "tid": {"$gte": 0}, "ver": 0}
        found = self._retrying(lambda: self._events.find_one(query, {"_id": 0, "tid": 1}, sort=[("tid", -1)]))
        return -1 if found is None else int(found["tid"])

    def last_inserted(self) -> object:
        """See `EventLog.last_inserted`: the id of the event at the end of the collection."""
        found = self._retrying(lambda: self._events.find_one({}, {"_id": 1}, sort=[("$natural", -1)]))
        return None if found is None else found["_id"]

    def remove(self, exp: str) -> int:
        """See `EventLog.remove`: from the first moment on it is in no list, and no reader sees half of it."""
        n = 0
        for which in ({"exp": exp, "tid": None, "ver": 0}, {"exp": exp}):
            n += self._retrying(partial(self._events.delete_many, which)).deleted_count
        return n

    def experiments(self) -> list[str]:
        """See `EventLog.experiments`."""

        def look() -> list[str]:
            events = self._events.with_options(TABLE_CODEC)
            names = events.distinct("exp")  # by the index, whatever the length of the log
            begun = events.find({"exp": {"$in": names}, "tid": None, "ver": 0}, {"_id": 0, "exp": 1})
            return sorted(name for document in begun if type(name := document.get("exp")) is str)

        return self._retrying(look)

    def beginnings(self) -> list[UUID]:
        """Return the ids of the events that began the experiments."""
        names = {"$in": self.experiments()}
        begun = {"exp": names, "tid": None, "ver": 0}
        ids = self._retrying(lambda: [document["_id"] for document in self._events.find(begun, {"_id": 1})])
        return [id for id in ids if isinstance(id, UUID)]

    # -- waiting ----------------------------------------------------------------------------------------------

    def wait(self, exp: str, known: ReadCursor, timeout: float) -> bool:
        """See `EventLog.wait`."""
        return wait_for_news(self._raw, exp, partial(self._has_news, exp, known), timeout)

    def _has_news(self, exp: str, known: ReadCursor) -> bool:
        query = query_beyond(exp, replace(known, held=NO_EVENTS))
        if known.aside:
            query = {"$and": [query, {"_id": {"$nin": list(known.aside)}}]}
        return self._events.find_one(query, {"_id": 1}) is not None


def _stray(document: Document) -> SetAside:
    """Return a *document* that has no place as it is set aside."""
    why = "has a number, a place or an id that is none of an event"
    return SetAside(
        tid=document.get("tid"), ver=document.get("ver"), id=document["_id"], type=document.get("type"),
        by=document.get("by"), digest=digest_of_any(document), why=why,
    )  # fmt: skip
