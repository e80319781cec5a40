"""A store that goes back in time, or loses events: every process that knew better notices before it writes more."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pymongo.database import Database
from rewound_logs import REMOVALS, Removal, after_trial, begun, claimed, ended, queued
from rollback_server import Document, RollbackCollection
from test_log import created, places, trial
from test_mongo import log_on

from hstore.migrations import apply
from hstore.store.errors import ClosedChain, Conflict, StoreRewound, VerificationFailed
from hstore.store.events import Noted, Requeued
from hstore.store.experiment import Experiment
from hstore.store.latest_events import MOST_NAMED, LatestEvents
from hstore.store.log import EventLog, ReadCursor
from hstore.store.memory import MemoryLog
from hstore.store.messages import shown_on_stderr
from hstore.store.open_store import open_store
from hstore.store.rewind import rewound
from hstore.store.store import Store

# -- what the log promises ------------------------------------------------------------------------------------


def test_a_read_and_an_append_accept_what_is_held_and_there(log: EventLog) -> None:
    events = [created(), *trial(0)]
    log.append(events)
    held = {(event.tid, event.ver): event.id for event in events}
    assert log.ids("e") == held
    more = trial(1)
    log.append(more[:2], held=held)
    known = ReadCursor(header=0, last=0, open={0: 3}, held=held)
    assert log.read("e", known) == more[:2]


@pytest.mark.parametrize("place", [(0, 4), (5, 0), (None, 1)])
def test_a_read_and_an_append_refuse_what_is_held_and_gone(place: tuple[int | None, int], log: EventLog) -> None:
    log.append([created(), *trial(0)])
    held = {place: uuid.uuid4()}
    with pytest.raises(StoreRewound) as caught:
        log.read("e", ReadCursor(header=0, last=0, held=held))
    assert caught.value.lost == [place]
    more = trial(1)
    with pytest.raises(StoreRewound):
        log.append(more, held=held)
    assert places(log.read("e")) == [(None, 0), *((0, ver) for ver in range(4))]
    log.append(more, held=held, is_checked=True)


def test_another_event_in_the_place_of_one_that_is_held_is_a_loss(log: EventLog) -> None:
    log.append([created(), *trial(0)])
    with pytest.raises(StoreRewound):
        log.read("e", ReadCursor(header=0, last=0, held={(0, 3): uuid.uuid4()}))


def test_a_new_primary_that_does_not_show_all_it_has_yet_is_waited_for() -> None:
    class Lagging(RollbackCollection):
        hidden = 2

        def find(self, query: Document, *args: Any, **options: Any) -> list[Document]:
            self.hidden -= 1
            return [] if self.hidden >= 0 else super().find(query, *args, **options)

        def find_one(self, query: Document, *args: Any, **_: Any) -> Document | None:
            return next(iter(RollbackCollection.find(self, query)), None)

    log = log_on(Lagging())
    events = trial(0)
    log.append(events)
    assert log.read("e", ReadCursor(last=0, open={0: 2}, held={(0, 2): events[2].id})) == events[3:]


def test_an_append_that_is_tried_again_looks_first_what_answers_now(mongo_store: Store) -> None:
    experiment = begun(mongo_store)
    log, database = mongo_store.log, mongo_store.database
    assert database is not None
    events = database["events"]

    class Restarting:
        """The database goes away with the first insert, and another one, empty, comes in its place."""

        def __getattr__(self, name: str) -> Any:
            return getattr(events, name)

        def insert_one(self, document: Document) -> None:
            from pymongo.errors import AutoReconnect

            events.delete_many({})
            raise AutoReconnect("connection closed")

    log._events = Restarting()  # type: ignore[attr-defined]
    with pytest.raises(StoreRewound):
        experiment.append(experiment.compose(ended(3)))
    assert events.count_documents({}) == 0


# -- an experiment --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_read_notices_what_the_store_has_lost(remove: Removal, mongo_store: Store, database: Database[Any]) -> None:
    experiment = begun(mongo_store)
    remove(database)
    with pytest.raises(StoreRewound, match=r"lost .* of 'e'"):
        experiment.refresh()


@pytest.mark.parametrize("remove", REMOVALS)
def test_nothing_is_appended_to_what_the_store_has_lost(
    remove: Removal, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    remove(database)
    left = database["events"].count_documents({})
    with pytest.raises(StoreRewound) as caught:
        experiment.append(experiment.compose(ended(3)))
    assert caught.value.exit_code == 10
    with pytest.raises(StoreRewound):
        experiment.append(experiment.compose(queued(4)))
    with pytest.raises(StoreRewound):
        experiment.refresh()
    assert database["events"].count_documents({}) == left


@pytest.mark.parametrize("remove", REMOVALS)
def test_all_of_the_process_are_stopped_whatever_they_have_read(
    remove: Removal, mongo_store: Store, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.store.rewind_check.FRESH_SECONDS", 0.0)
    begun(mongo_store)
    slot = Experiment(mongo_store.for_thread(), "e", only=())
    slot.load_trial(3)
    remove(database)
    with pytest.raises(StoreRewound):
        slot.append(slot.compose(ended(3)))
    with pytest.raises(StoreRewound):
        mongo_store.experiment("e")
    assert list(mongo_store.rewound) == ["e"]


def test_a_chain_that_lost_its_end_is_noticed_where_it_goes_on(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begun(mongo_store)
    database["events"].delete_one({"tid": 1, "ver": 3})
    with pytest.raises(StoreRewound, match="lost an event of 'e': trial 1"):
        experiment.append(experiment.compose((Requeued, 1, {"why": "retry"})))


@pytest.mark.parametrize("to", [{"ver": 7}, {"tid": 1, "ver": 9}, {"exp": "another"}])
def test_an_event_that_was_edited_to_another_place_is_named_at_once(
    to: dict[str, Any], mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    database["events"].update_one({"tid": 3, "ver": 2}, {"$set": to})
    with pytest.raises(StoreRewound) as caught:
        experiment.refresh()
    if "exp" in to:
        assert "the store lost an event of 'e': trial 3" in str(caught.value)
    else:
        now = f"event {to['ver']} of trial {to.get('tid', 3)}"
        assert str(caught.value) == f"the log of 'e' was edited: event 2 of trial 3 is {now} now"
        assert "hstore verify e" in caught.value.hint
    with pytest.raises(StoreRewound):
        experiment.append(experiment.compose(ended(3)))


def test_every_open_chain_is_looked_at_in_its_turn(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begun(mongo_store)
    experiment.append(experiment.compose(*(queued(tid) for tid in range(4, 24))))
    experiment.append(experiment.compose(*(event for tid in range(4, 24) for event in claimed(tid))))
    experiment.append(experiment.compose((Noted, None, {"note": "later"}), queued(24)))
    experiment.append(experiment.compose((Noted, None, {"note": "later still"})))
    experiment.refresh()
    database["events"].delete_one({"tid": 11, "ver": 2})

    def look() -> None:
        for _ in range(8):
            experiment.refresh()

    with pytest.raises(StoreRewound, match="trial 11"):
        look()


def test_a_new_process_continues_from_what_the_store_holds(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    after_trial(2)(database)
    with pytest.raises(StoreRewound):
        experiment.refresh()
    with open_store(mongo_url) as another:
        fresh = another.experiment("e")
        fresh.append(fresh.compose(queued(2), *claimed(2)))
        assert [trial.state for trial in fresh.trials] == ["done", "done", "running"]


def test_what_others_wrote_after_the_rewind_is_not_taken_for_what_was_lost(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    after_trial(2)(database)
    with open_store(mongo_url) as another:
        fresh = another.experiment("e")
        for tid in (2, 3):
            fresh.append(fresh.compose(queued(tid), *claimed(tid)))
    with pytest.raises(StoreRewound) as caught:
        experiment.append(experiment.compose(ended(3)))
    assert caught.value.lost == [(2, 0), (2, 1), (2, 2), (2, 3), (3, 0), (3, 1), (3, 2)]


def test_a_missing_event_that_was_never_read_is_no_rewind(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    begun(mongo_store)
    database["events"].delete_one({"tid": 1, "ver": 1})
    with open_store(mongo_url) as another:
        experiment = another.experiment("e")
        assert {str(each.missing) for each in experiment.set_aside} == {"(1, 1)"}
        with pytest.raises(ClosedChain, match="without event 1 of trial 1, which is missing"):
            experiment.compose((Noted, 1, {"note": "x"}))
    database["events"].update_one({"tid": 2, "ver": 0}, {"$set": {"data.observed": [[1, 3, b"d" * 32]]}})
    with open_store(mongo_url) as another, pytest.raises(VerificationFailed, match="event 1 of trial 1 is missing"):
        another.experiment("e")


def test_a_conflict_is_no_rewind(mongo_store: Store) -> None:
    mine = begun(mongo_store)
    other = mongo_store.experiment("e")
    other.append(other.compose(ended(3)))
    with pytest.raises(Conflict):
        mine.append(mine.compose(ended(3)))
    mine.refresh()
    assert mongo_store.rewound == {}


# -- what is said ---------------------------------------------------------------------------------------------


def test_the_error_says_what_was_lost() -> None:
    lost = [(tid, ver) for tid in range(31, 35) for ver in range(3)] + [(40, 0), (None, 1)]
    found = str(rewound("x", lost, left=3))
    assert found == (
        "the store lost 14 events of 'x': trials 31 to 34, trial 40, its own chain; "
        "it was probably restored from a backup, or events were removed"
    )
    assert "and 2 more trials" in str(rewound("x", [(tid, 0) for tid in (1, 3, 5, 7, 9)], left=1))
    assert str(rewound("x", [(1, 0)], left=0)).endswith("the whole experiment was removed")


def test_an_emptied_database_and_another_store_in_its_place_are_told_apart(
    mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    database.client.drop_database(database.name)
    with pytest.raises(StoreRewound, match=f"emptied \\(it was store {mongo_store.identity}\\)"):
        experiment.refresh()
    apply(database, by_version="1")
    mongo_store.rewound.clear()
    with pytest.raises(StoreRewound, match="it is another store now"):
        experiment.refresh()


def test_a_log_in_memory_keeps_what_it_has() -> None:
    store = Store.in_memory()
    experiment = begun(store)
    assert isinstance(store.log, MemoryLog)
    store.log._chains["e"][1].pop()
    with pytest.raises(StoreRewound, match="trial 1"):
        experiment.append(experiment.compose((Requeued, 1, {"why": "retry"})))


# -- what others left behind ----------------------------------------------------------------------------------


def test_read_models_of_what_was_lost_are_brought_back_to_the_log(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    begun(mongo_store).repair()
    after_trial(2)(database)
    database["events"].delete_one({"tid": 1, "ver": 3})
    with open_store(mongo_url) as another:
        fresh = another.experiment("e")
        fresh.repair()
        trials, about = another.models.shown("e")
        assert {d["tid"]: (d["ver"], d["state"]) for d in trials} == {0: (3, "done"), 1: (2, "running")}
        assert about is not None
        assert about["events"] == fresh.state.events


def test_read_models_of_what_was_written_meanwhile_stay(mongo_store: Store) -> None:
    mine = begun(mongo_store)
    other = mongo_store.experiment("e")
    other.append(other.compose(ended(3)))
    other.repair()
    mine.repair()
    trials, _ = mongo_store.models.shown("e")
    assert {d["tid"]: d["ver"] for d in trials} == dict.fromkeys(range(4), 3)


def test_all_that_one_append_wrote_is_named_when_it_is_lost(mongo_store: Store, database: Database[Any]) -> None:
    whole = begun(mongo_store)
    whole.append(whole.compose(queued(4)))
    worker = Experiment(Store(mongo_store.log, mongo_store.attachments), "e", only=())
    worker.load_trials([3, 4])
    worker.append(worker.compose(ended(3), *claimed(4)))
    worker.evict(3)
    database["events"].delete_many({"$or": [{"tid": 3, "ver": 3}, {"tid": 4, "ver": {"$gt": 0}}]})
    with pytest.raises(StoreRewound) as raised:
        worker.refresh()
    assert {(3, 3), (4, 1), (4, 2)} <= {*raised.value.lost}


def test_what_a_worker_appended_in_the_last_seconds_is_named_although_it_let_go_of_the_trial(
    mongo_store: Store, database: Database[Any]
) -> None:
    driver = begun(mongo_store, 0)
    driver.append(driver.compose(queued(1), queued(2), queued(3)))
    worker = Experiment(Store(mongo_store.log, mongo_store.attachments), "e", only=())
    for tid in (1, 2, 3):
        worker.load_trials([tid])
        worker.append(worker.compose(*claimed(tid)))
        worker.append(worker.compose(ended(tid)))
        worker.evict(tid)
    after_trial(2)(database)
    with pytest.raises(StoreRewound) as raised:
        worker.refresh()
    assert {*raised.value.lost} >= {(tid, ver) for tid in (2, 3) for ver in (1, 2, 3)}


def test_a_worker_remembers_no_more_than_its_last_appends() -> None:
    latest = LatestEvents()
    for number in range(MOST_NAMED + 9):
        latest.appended(trial(number)[:1])
    assert [event.tid for event in latest.events] == [*range(9, MOST_NAMED + 9)]
    assert {tid for tid, _ in latest.ids} == {MOST_NAMED + 7, MOST_NAMED + 8}
    latest.closed()
    assert [event.tid for event in latest.events] == [MOST_NAMED + 7, MOST_NAMED + 8]


def test_a_process_that_opens_the_store_again_says_once_what_is_gone(
    mongo_url: str, database: Database[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    with open_store(mongo_url) as store:
        begun(store)
    with open_store(mongo_url) as store:
        store.experiment("e")
    after_trial(2)(database)
    for _ in range(2):
        with shown_on_stderr(always=True), open_store(mongo_url) as store:
            assert len(store.experiment("e").trials) == 2
    [said] = capfd.readouterr().err.splitlines()
    assert "the store has lost events of 'e' that this process knew (trial 3)" in said
    database["events"].delete_many({})
    with open_store(mongo_url) as store:  # a person begins anew
        begun(store, 1)
    assert "lost" not in capfd.readouterr().err
