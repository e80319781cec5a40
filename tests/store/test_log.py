"""What every log promises (`EventLog`), written once and run on all of them."""

import datetime as dt
import random
import threading
import uuid
from dataclasses import replace
from typing import Any

import bson
import pytest
from pymongo.database import Database
from pymongo.errors import WriteError
from tests.waiting import GENEROUS

from hstore.store.errors import Conflict, InvalidEvent, VerificationFailed
from hstore.store.events import CODEC, Created, Done, Event, Noted, Queued, Reserved, Running, Unreadable
from hstore.store.log import EventLog, ReadCursor
from hstore.store.store import Store

AT = dt.datetime(2026, 11, 21, 4, 5, 6, 7000, tzinfo=dt.UTC)


def made(kind: type[Event], tid: int | None, ver: int, exp: str = "e", **data: Any) -> Any:
    return kind(exp=exp, tid=tid, ver=ver, id=uuid.uuid4(), at=AT, by="h:1:t", **data)


def created(exp: str = "e") -> Event:
    empty: dict[str, Any] = {
        key: {} for key in ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
    }
    return made(Created, None, 0, exp, **empty)  # type: ignore[no-any-return]


def trial(tid: int, exp: str = "e") -> list[Event]:
    return [
        made(Queued, tid, 0, exp, point={"x": float(tid)}, params={"x": float(tid)}),
        made(Reserved, tid, 1, exp, worker="w", host="h", attempt=1),
        made(Running, tid, 2, exp, pid=1, python="3", hstore="0"),
        made(Done, tid, 3, exp, result={"status": "ok", "loss": 1.0}, status="ok", loss=1.0),
    ]


def places(events: list[Event]) -> list[tuple[int | None, int]]:
    return [(event.tid, event.ver) for event in events]


def test_what_was_appended_is_read_in_the_order_of_chains(log: EventLog) -> None:
    first, second = trial(0), trial(1)
    log.append([created()])
    for events in (first[:1], [*first[1:], *second[:2]], second[2:]):
        log.append(events)
    read = log.read("e")
    assert read[1:] == [*first, *second]
    assert places(read)[0] == (None, 0)
    assert log.read("other") == []


def test_the_same_event_sent_again_is_no_error_and_no_second_event(log: EventLog) -> None:
    events = trial(0)
    log.append(events[:2])
    log.append(events[:1])
    log.append(events)
    assert log.read("e") == events


def test_an_event_with_nan_sent_again_is_the_same_event(log: EventLog) -> None:
    *before, _ = trial(0)
    done = made(Done, 0, 3, result={"status": "ok", "loss": float("nan")}, status="ok", loss=float("nan"))
    log.append([*before, done])
    log.append([done])
    assert places(log.read("e")) == [(0, 0), (0, 1), (0, 2), (0, 3)]


def test_another_event_at_a_taken_place_is_a_conflict_that_shows_it(log: EventLog) -> None:
    mine, theirs = trial(0), trial(0)
    log.append(theirs[:2])
    with pytest.raises(Conflict) as caught:
        log.append([mine[1]])
    assert caught.value.event == theirs[1]
    assert caught.value.mine == mine[1]
    assert (caught.value.tid, caught.value.ver) == (0, 1)
    assert log.read("e") == theirs[:2]


def test_of_a_batch_what_comes_before_a_conflict_is_in_and_what_comes_after_is_not(log: EventLog) -> None:
    theirs = trial(1)[:1]
    log.append(trial(0))
    log.append(theirs)
    mine = [made(Noted, 0, 4, note="kept"), *trial(1)[:2], *trial(2)]
    with pytest.raises(Conflict) as caught:
        log.append(mine)
    assert caught.value.mine == mine[1]
    assert places(log.read("e")) == [(0, 0), (0, 1), (0, 2), (0, 3), (0, 4), (1, 0)]


def test_a_reader_is_given_what_it_does_not_know_and_nothing_else(log: EventLog) -> None:
    log.append([created()])
    for tid in range(4):
        log.append(trial(tid)[: tid + 1])
    known = ReadCursor(header=0, last=2, open={0: 0, 1: 0, 2: 2})
    assert places(log.read("e", known)) == [(1, 1), (3, 0), (3, 1), (3, 2), (3, 3)]
    assert places(log.read("e", ReadCursor(header=0, last=3, open={0: 0}))) == []
    assert places(log.read("e", ReadCursor(header=-1, last=3))) == [(None, 0)]


def test_experiments_are_kept_apart_and_listed(log: EventLog) -> None:
    for exp in ("b", "a"):
        log.append([created(exp), *trial(0, exp)])
    assert log.experiments() == ["a", "b"]
    assert {event.exp for event in log.read("a")} == {"a"}


def test_who_waits_is_woken_by_an_append(log: EventLog) -> None:
    log.append([created()])
    known = ReadCursor(header=0)
    assert log.wait("e", known, 0.05) is False
    assert log.wait("e", ReadCursor(), 5.0) is True
    waiting = threading.Event()
    messages: list[bool] = []

    def wait() -> None:
        waiting.set()
        messages.append(log.wait("e", known, 30.0))

    thread = threading.Thread(target=wait)
    thread.start()
    waiting.wait()
    log.append(trial(0))
    thread.join(GENEROUS)
    assert messages == [True]


def test_of_many_who_race_for_a_place_one_has_it(log: EventLog) -> None:
    log.append([created()])
    won: list[Event] = []
    lost: list[Event] = []

    def race(seed: int) -> None:
        rng = random.Random(seed)
        for tid in range(15):
            mine = trial(tid)[: rng.randint(1, 2)]
            try:
                log.append(mine)
                won.extend(mine)
            except Conflict as conflict:
                won.extend(mine[: mine.index(conflict.mine)])
                lost.append(conflict.mine)

    threads = [threading.Thread(target=race, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS)
    read = log.read("e")[1:]
    assert {event.id for event in read} == {event.id for event in won}
    assert len(lost) >= 15 * 7 - len(read)
    assert len(set(places(read))) == len(read)


def test_data_too_large_for_an_event_comes_back_as_if_it_had_not_been(log: EventLog) -> None:
    events = trial(0)[:3]
    big = {"status": "ok", "loss": 2.0, "text": "x" * 200_000, "list": list(range(20_000))}
    events.append(made(Done, 0, 3, result=big, status="ok", loss=2.0))
    log.append(events)
    log.append(events)
    assert log.read("e") == events


def test_one_id_cannot_be_two_events(log: EventLog) -> None:
    mine = trial(0)
    log.append(mine)
    with pytest.raises(InvalidEvent, match="two different events"):
        log.append([replace(mine[1], by="somebody:1:else")])
    assert log.read("e") == mine


def test_who_waits_hears_of_what_was_appended_before_a_conflict(log: EventLog) -> None:
    theirs, mine = trial(0), trial(0)
    log.append(theirs[:1])
    known = ReadCursor(last=0, open={0: 0})
    messages: list[bool] = []
    thread = threading.Thread(target=lambda: messages.append(log.wait("e", known, 20.0)))
    thread.start()
    with pytest.raises(Conflict):
        log.append([theirs[1], mine[0]])
    thread.join(GENEROUS)
    assert messages == [True]


# -- what only a real server can do ---------------------------------------------------------------------------


def test_an_event_that_cannot_be_decoded_is_set_aside(mongo_store: Store, database: Database[Any]) -> None:
    log = mongo_store.log
    log.append(trial(0)[:2])
    found = database["events"].find_one({"tid": 0, "ver": 1})
    assert found is not None
    good = bson.encode({**found, "_id": uuid.uuid4(), "ver": 2, "data": {"bad": "??"}}, codec_options=CODEC)
    raw = bson.raw_bson.RawBSONDocument(good.replace(b"??", b"\xff\xfe"))
    database["events"].insert_one(raw, bypass_document_validation=True)
    log.append([made(Noted, 0, 3, note="after")])
    read = log.read("e")
    assert places(read) == [(0, 0), (0, 1), (0, 2), (0, 3)]
    assert isinstance(read[2], Unreadable)
    assert "utf-8" in read[2].why.lower()


@pytest.mark.parametrize("hole", [(0, 1), (1, 0), (None, 0)])
def test_a_removed_event_is_named_and_what_follows_it_set_aside(
    hole: tuple[int | None, int], mongo_store: Store, database: Database[Any]
) -> None:
    mongo_store.log.append([created(), made(Noted, None, 1, note="n"), *trial(0), *trial(1)])
    database["events"].delete_one({"tid": hole[0], "ver": hole[1]})
    found = mongo_store.log.look("e")
    assert {each.missing for each in found.aside} == {hole}
    assert {each.tid for each in found.aside} == {hole[0]}
    assert len(found.sound) + len(found.aside) == 9
    if hole[0] is None:  # nothing is left to read
        with pytest.raises(VerificationFailed, match="event 0 of its own chain is missing") as caught:
            mongo_store.experiment("e")
        assert (caught.value.tid, caught.value.ver) == hole


@pytest.mark.parametrize(
    "change",
    [
        {"_id": "text"},
        {"_id": b"0123456789abcdef"},
        {"tid": [0]},
        {"tid": "0"},
        {"tid": 0.5},
        {"tid": -1},
        {"ver": None},
        {"ver": "0"},
        {"type": "vanished"},
        {"exp": ""},
        {"exp": 7},
        {"at": "now"},
        {"data": []},
        {"more": 1},
        {"type": "created"},
        {"data": {"point": {}}},
        {"data": {"spilled": {}, "x": "x" * 70_000}},
    ],
)
def test_nonsense_from_any_client_is_refused(
    change: dict[str, Any], mongo_store: Store, database: Database[Any]
) -> None:
    good = {"_id": uuid.uuid4(), "exp": "e", "tid": 0, "ver": 0, "type": "queued", "v": 1, "at": AT, "by": "x"}
    good |= {"ts": bson.Timestamp(0, 0), "data": {"point": {}, "params": {}, "observed": [], "source": "enqueued"}}
    database["events"].insert_one(good | {"exp": "fine"})
    with pytest.raises(WriteError, match="validation"):
        database["events"].insert_one(good | {"_id": uuid.uuid4()} | change)


def test_an_event_that_the_server_refuses_is_an_error_of_ours(mongo_store: Store) -> None:
    with pytest.raises(InvalidEvent, match="rejects the document"):
        mongo_store.log.append([made(Reserved, 0, 0, worker="w", host="h", attempt=1)])


def test_the_events_of_the_first_trials_are_counted_without_being_read(log: EventLog) -> None:
    log.append([created(), *trial(0), *trial(1)[:2], *trial(2), created("other"), *trial(0, "other")])
    assert [log.count("e", below) for below in (0, 1, 2, 9)] == [0, 4, 6, 10]
    assert log.lengths("e", 2) == {0: 4, 1: 2}
    assert (log.count("none", 9), log.lengths("none", 9)) == (0, {})
