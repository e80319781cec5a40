"""What only a log on a server has to get right: lost answers, refusals, what others wrote, waiting."""

import datetime as dt
import math
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import bson
import pytest
from pymongo.database import Database
from pymongo.errors import AutoReconnect, BulkWriteError, OperationFailure
from rollback_server import Document, FaultyCollection, RollbackCollection
from test_fold import event
from tests.waiting import GENEROUS

from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import Conflict, InvalidEvent, StoreUnreachable
from hstore.store.events import CODEC, Created, Done, Noted, Queued, Reserved, Running, Unreadable
from hstore.store.log import ReadCursor
from hstore.store.mongo import MongoLog
from hstore.store.open_store import open_store
from hstore.store.retry import RetryPolicy
from hstore.store.set_aside import separate
from hstore.store.state import fold
from hstore.store.store import Store
from hstore.store.url import connect, parse


def log_on(collection: Any, *, seconds: float = 30.0) -> MongoLog:
    blobs = MemoryAttachments()
    return MongoLog(collection, fetch=blobs.get, put=blobs.put, retry=RetryPolicy("the server", seconds=seconds))


def run(tid: int = 0) -> list[Any]:
    kinds = (Queued, Reserved, Running, Done)
    return [event(kind, tid, ver) for ver, kind in enumerate(kinds)]


# -- answers that get lost ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["before", "after"])
@pytest.mark.parametrize("count", [1, 4])
def test_an_append_whose_answer_was_lost_is_in_the_log_once(
    fault: str, count: int, mongo_store: Store, database: Database[Any]
) -> None:
    collection = FaultyCollection(database["events"])
    collection.fault = fault
    events = run()[:count]
    log_on(collection).append(events)
    assert mongo_store.log.read("e") == events


def test_a_nan_of_our_own_that_is_met_again_is_no_conflict(mongo_store: Store, database: Database[Any]) -> None:
    *before, _ = run()
    done = event(Done, 0, 3, result={"loss": math.nan, "deep": [{"$x.y": -math.nan}]}, loss=math.nan)
    collection = FaultyCollection(database["events"])
    log = log_on(collection)
    log.append(before)
    collection.fault = "after"
    log.append([done])
    assert [e.ver for e in log.read("e")] == [0, 1, 2, 3]


def test_a_server_that_never_answers_is_unreachable_when_patience_ends() -> None:
    database = connect(parse("mongodb://127.0.0.1:1/db?serverSelectionTimeoutMS=20"))
    log = log_on(database["events"], seconds=0.2)
    for ask in (lambda: log.append(run()), lambda: log.read("e"), lambda: log.experiments()):
        began = time.monotonic()
        with pytest.raises(StoreUnreachable, match="no answer from the server"):
            ask()
        assert time.monotonic() - began < 5
    assert log.wait("e", ReadCursor(), 0.1) is True  # the next reader hears of it
    log.close()


def test_who_is_not_let_in_hears_of_it_at_once() -> None:
    class Forbidding(RollbackCollection):
        def insert_one(self, document: Document) -> None:
            raise OperationFailure("Authentication failed.", 18)

    with pytest.raises(StoreUnreachable, match="authentication failed") as caught:
        log_on(Forbidding(), seconds=math.inf).append(run()[:1])
    assert "password" in caught.value.hint


def test_a_write_that_no_majority_ever_has_is_waited_for_only_so_long() -> None:
    collection = RollbackCollection()
    mine = run()[:1]
    log = log_on(collection, seconds=0.2)
    with pytest.raises(AutoReconnect):
        collection.lose([log._stored(mine[0])], reads=10**9)
    with pytest.raises(StoreUnreachable, match="majority"):
        log.append(mine)


def test_a_place_whose_holder_is_rolled_back_is_ours_after_all() -> None:
    collection = RollbackCollection()
    log = log_on(collection)
    theirs, mine = run()[0], run()[0]
    with pytest.raises(AutoReconnect):
        collection.lose([log._stored(theirs)], reads=3)
    log.append([mine])
    assert log.read("e") == [mine]
    with pytest.raises(Conflict):
        log.append([theirs])


def test_a_duplicate_beside_a_failed_write_concern_is_tried_again() -> None:
    class Hesitating(RollbackCollection):
        has_hesitated = False

        def insert_many(self, documents: Sequence[Document], *, ordered: bool = True) -> None:
            try:
                super().insert_many(documents, ordered=ordered)
            except BulkWriteError as error:
                if not self.has_hesitated:
                    self.has_hesitated = True
                    hesitation = [{"code": 64, "errmsg": "waiting timed out"}]
                    raise BulkWriteError({**error.details, "writeConcernErrors": hesitation}) from error
                raise

    log = log_on(Hesitating())
    events = run()
    log.append(events[1:2])
    log.append(events)
    assert log.read("e") == events


# -- what cannot be written -----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [object(), 2**64, {1: 2}, 1j])
def test_what_no_document_holds_is_refused_before_anything_is_sent(value: Any, mongo_store: Store) -> None:
    *before, _ = run()
    with pytest.raises(InvalidEvent, match="no document can hold"):
        mongo_store.log.append([*before, event(Done, 0, 3, result={"v": value})])
    assert mongo_store.log.read("e") == []


def test_one_id_cannot_be_two_events(mongo_store: Store) -> None:
    mine = run()[0]
    mongo_store.log.append([mine])
    other = replace(mine, point={"x": 2.0})
    elsewhere = replace(mine, tid=1)
    for wrong in (other, elsewhere):
        with pytest.raises(InvalidEvent, match="two different events"):
            mongo_store.log.append([wrong])
    assert mongo_store.log.read("e") == [mine]


# -- what others wrote ----------------------------------------------------------------------------------------


def insert_raw(database: Database[Any], ver: int, data: bytes, stand_in: Any) -> None:
    """Insert a `noted` event whose data hold the bytes *data* in place of the value *stand_in*."""
    document = {"_id": uuid.uuid4(), "exp": "e", "tid": 0, "ver": ver, "type": "noted", "v": 1}
    document |= {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "ts": bson.Timestamp(1, 1), "by": "x"}
    good = bson.encode(document | {"data": {"bad": stand_in}}, codec_options=CODEC)
    element = bson.encode({"bad": stand_in}, codec_options=CODEC)[4:-1]
    assert good.count(element) == 1
    assert len(data) == len(element)
    raw = bson.raw_bson.RawBSONDocument(good.replace(element, data))
    database["events"].insert_one(raw, bypass_document_validation=True)


BROKEN = [
    (b"\x02bad\x00\x03\x00\x00\x00\xff\xfe\x00", "??"),  # a string that is no UTF-8
    (b"\x05bad\x00\x03\x00\x00\x00\x04abc", b"abc"),  # a UUID of three bytes
]


@pytest.mark.parametrize(("data", "stand_in"), BROKEN)
def test_an_event_that_cannot_be_decoded_leaves_the_rest_readable(
    data: bytes, stand_in: Any, mongo_store: Store, database: Database[Any]
) -> None:
    mongo_store.log.append(run()[:2])
    insert_raw(database, 2, data, stand_in)
    mongo_store.log.append([event(Noted, 0, 3)])
    read = mongo_store.log.read("e")
    assert [(e.tid, e.ver) for e in read] == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert isinstance(read[2], Unreadable)
    assert fold("e", read).trials[0].state == "reserved"
    assert [("raw" in d, d["ver"]) for d in mongo_store.log.documents("e")] == [
        (False, 0), (False, 1), (True, 2), (False, 3),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "change",
    [
        {"data": {"tags": [["no text"]]}},
        {"data": {"about": ["no number"]}},
        {"data": {"attachment": {"no": "name"}}},
        {"data": {"spilled": 5}},
        {"data": {"void": "maybe"}},
        {"at": bson.datetime_ms.DatetimeMS(8_640_000_000_000_000)},
        {"v": 9},
    ],
    ids=str,
)
def test_what_other_programs_get_wrong_stops_nobody(
    change: dict[str, Any], mongo_store: Store, database: Database[Any]
) -> None:
    mongo_store.log.append(run()[:1])
    document = {"_id": uuid.uuid4(), "exp": "e", "tid": 0, "ver": 1, "type": "noted", "v": 1, "data": {}}
    document |= {"at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "ts": bson.Timestamp(0, 0), "by": "x"}
    database["events"].insert_one(document | change)
    experiment = mongo_store.experiment("e")
    (trial,) = experiment.trials
    assert isinstance(trial.last, Unreadable)
    assert (trial.state, trial.ver, trial.tags, trial.attachments) == ("queued", 1, (), {})


@pytest.mark.parametrize("is_removed", [True, False])
def test_an_event_whose_attachment_is_gone_is_set_aside(
    is_removed: bool, mongo_store: Store, database: Database[Any]
) -> None:
    *before, _ = run()
    mongo_store.log.append([*before, event(Done, 0, 3, result={"status": "ok", "big": "x" * 100_000})])
    if is_removed:
        database["attachments.files"].delete_many({})
    else:
        database["attachments.chunks"].update_many({}, {"$set": {"data": b"other"}})
    read = mongo_store.log.read("e")
    assert read[:3] == before
    assert isinstance(read[3], Unreadable)
    assert "moved out into an attachment that cannot be fetched" in read[3].why


# -- holes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "known", "hole"),
    [
        ([], ReadCursor(), None),
        ([(None, 0), (0, 0), (0, 1), (1, 0)], ReadCursor(), None),
        ([(None, 0), (None, 2)], ReadCursor(), (None, 1)),
        ([(1, 0)], ReadCursor(), (0, 0)),
        ([(0, 0), (0, 2)], ReadCursor(), (0, 1)),
        ([(0, 1)], ReadCursor(), (0, 0)),
        ([(None, 1), (2, 3), (4, 0)], ReadCursor(header=0, last=3, open={2: 2}), None),
        ([(2, 4)], ReadCursor(header=0, last=3, open={2: 2}), (2, 3)),
        ([(5, 0)], ReadCursor(header=0, last=3), (4, 0)),
        ([(None, 2)], ReadCursor(header=0, last=3), (None, 1)),
    ],
)
def test_a_hole_is_the_first_place_that_is_missing(
    places: list[tuple[int | None, int]], known: ReadCursor, hole: tuple[int | None, int] | None
) -> None:
    found = separate([event(Noted, tid, ver) for tid, ver in places], known)
    assert (found.aside[0].missing if found.aside else None) == hole
    assert len(found.sound) + len(found.aside) == len(places)


# -- waiting --------------------------------------------------------------------------------------------------


def woken(log: MongoLog, known: ReadCursor, append: Callable[[], None]) -> bool:
    messages: list[bool] = []
    thread = threading.Thread(target=lambda: messages.append(log.wait("e", known, 30.0)))
    thread.start()
    append()
    thread.join(GENEROUS)
    return messages == [True]


def test_without_change_streams_the_log_is_asked_again_and_again() -> None:
    log = log_on(RollbackCollection())
    log.append([event(Created, None, 0)])
    known = ReadCursor(header=0)
    assert log.wait("e", known, 0.02) is False
    assert log.wait("e", ReadCursor(), 30.0) is True
    assert woken(log, known, lambda: log.append(run()))


def test_a_server_that_goes_away_while_it_is_asked_wakes_whoever_waits() -> None:
    class Leaving(RollbackCollection):
        def find_one(self, query: Document, projection: Any = None) -> Document | None:
            raise AutoReconnect("gone")

    assert log_on(Leaving()).wait("e", ReadCursor(), 30.0) is True


@pytest.mark.parametrize("timeout", [0.0, 0.1, 1.2])
def test_waiting_ends_when_the_time_is_over(timeout: float, mongo_store: Store) -> None:
    took: list[float] = []
    while not took or (min(took) >= timeout + 0.9 and len(took) < 20):  # a busy machine adds some, but not every time
        began = time.monotonic()
        assert mongo_store.log.wait("e", ReadCursor(), timeout) is False
        took.append(time.monotonic() - began)
    assert timeout <= min(took) < timeout + 0.9


def test_events_of_other_experiments_wake_nobody(mongo_store: Store) -> None:
    mongo_store.log.append([replace(run()[0], exp="other")])
    assert mongo_store.log.wait("e", ReadCursor(), 0.1) is False


def test_a_store_opened_twice_is_one_log(mongo_url: str) -> None:
    with open_store(mongo_url) as one, open_store(mongo_url) as other:
        one.log.append(run())
        assert [e.ver for e in other.log.read("e")] == [0, 1, 2, 3]
        assert other.log.experiments() == []  # a trial alone is no experiment
        other.log.append([event(Created, None, 0)])
        assert one.log.experiments() == ["e"]
