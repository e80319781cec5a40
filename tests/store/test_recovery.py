"""Events that a store has lost are put back by the processes that still hold them, as they were."""

from __future__ import annotations

from typing import Any

import pytest
from pymongo.database import Database
from rewound_logs import Removal, after_trial, begun, claimed, ended, queued

from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.store.errors import StoreRewound
from hstore.store.events import Event, Noted
from hstore.store.experiment import Experiment
from hstore.store.held_events import held_events, saved
from hstore.store.log import Place
from hstore.store.memory import MemoryLog
from hstore.store.open_store import open_store
from hstore.store.recovery import put_back, recover
from hstore.store.rewind import behind_gaps
from hstore.store.store import Store
from hstore.store.verify import verify

LOST = [
    pytest.param(after_trial(2), id="an older backup is put back"),
    pytest.param(lambda database: database.client.drop_database(database.name), id="dropped"),
    pytest.param(lambda database: database["events"].delete_one({"tid": 3, "ver": 2}), id="one event"),
]


def held_by(experiment: Experiment) -> dict[Place, Event]:
    return held_events(experiment.store.latest[experiment.name])


def stored(store: Store) -> list[dict[str, Any]]:
    return [{**document, "ts": None} for document in store.log.documents("e")]


def rewind(store: Store, *places: Place) -> None:
    """Have a log in memory lose the events from each of *places* on, in its chain."""
    assert isinstance(store.log, MemoryLog)
    for tid, ver in places:
        del store.log._chains["e"][tid][ver:]


@pytest.mark.parametrize("remove", LOST)
def test_a_process_that_recovers_puts_back_exactly_what_is_missing_and_goes_on(
    remove: Removal, mongo_store: Store, database: Database[Any], messages: list[str]
) -> None:
    mongo_store.recovers = True
    experiment = begun(mongo_store)
    experiment.repair()
    before = stored(mongo_store)
    remove(database)
    experiment.append(experiment.compose(ended(3), queued(4)))
    experiment.repair()
    assert [document for document in stored(mongo_store) if document["_id"] in {d["_id"] for d in before}] == before
    assert verify(mongo_store.log.documents("e")).findings == ()
    assert [v for v in check(mongo_store, "e") if v.kind != "replay"] == []  # its space is none
    assert mongo_store.rewound == {}
    assert any("has them again" in message for message in messages)


def test_without_recover_the_error_says_that_the_events_are_still_held(
    mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begun(mongo_store)
    after_trial(2)(database)
    with pytest.raises(StoreRewound) as caught:
        experiment.refresh()
    assert "this process still holds the 7 events" in caught.value.hint
    assert "recover=True" in caught.value.hint
    assert "--recover" in caught.value.hint
    assert len(saved(mongo_store.uri, "e")) == 1 + 4 * 3 + 3


def test_twice_is_once_and_two_processes_may_put_back_the_same() -> None:
    store = Store.in_memory()
    experiment = begun(store)
    before, held = stored(store), held_by(experiment)
    rewind(store, (2, 1), (3, 0))
    assert recover(store, "e", held) == 6
    assert recover(store, "e", held) == 0
    assert stored(store) == before


def test_every_prefix_of_what_is_put_back_is_a_sound_log() -> None:
    store = Store.in_memory()
    experiment = begun(store)
    experiment.append(experiment.compose(ended(3)))
    experiment.append(experiment.compose((Noted, None, {"note": "later"})))
    experiment.append(experiment.compose(queued(4)))
    held = held_by(experiment)
    empty, lengths = MemoryLog(), []

    class Watched(MemoryLog):
        def append(self, events: Any, **how: Any) -> None:
            for event in events:  # a log in memory refuses gaps
                empty.append([event])
                lengths.append(len(verify(empty.documents("e")).findings))
            super().append(events, **how)

    assert put_back(Watched(), "e", held) == []
    assert lengths == [0] * len(held)
    assert list(empty.documents("e")) == list(store.log.documents("e"))


def test_what_another_process_has_gone_on_from_is_left_as_it_is(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    mongo_store.recovers = True
    experiment = begun(mongo_store)
    after_trial(2)(database)
    with open_store(mongo_url) as another:
        fresh = another.experiment("e")
        fresh.append(fresh.compose(queued(2), *claimed(2)))
        left = stored(another)
        with pytest.raises(StoreRewound, match="another process has gone on"):
            experiment.refresh()
        with pytest.raises(StoreRewound):
            experiment.append(experiment.compose(ended(3)))
        assert stored(another) == left


def test_a_process_that_holds_the_end_waits_for_the_one_that_holds_what_comes_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store.in_memory()
    held = held_by(begun(store))
    late = {place: event for place, event in held.items() if place[0] == 3}
    rewind(store, (2, 0), (3, 0))
    assert put_back(store.log, "e", late) == [(3, 0), (3, 1), (3, 2)]
    with pytest.raises(StoreRewound, match="cannot put back all that it holds"):
        recover(store, "e", late, patience=0.0)
    monkeypatch.setattr("hstore.store.recovery.time.sleep", lambda _: put_back(store.log, "e", held))
    assert recover(store, "e", late) == 3


def test_nothing_is_put_back_into_another_store_or_without_the_unique_index(
    mongo_store: Store, database: Database[Any]
) -> None:
    held = held_by(begun(mongo_store))
    after_trial(0)(database)
    database["events"].drop_index("exp_1_tid_1_ver_1")
    with pytest.raises(StoreRewound, match="unique index"):
        recover(mongo_store, "e", held)
    database["schema"].update_one({"_id": 1}, {"$set": {"store": database["events"].find_one()["_id"]}})  # type: ignore[index]
    database["events"].update_one({}, {"$set": {"exp": "other"}})
    with pytest.raises(StoreRewound, match="another one now"):
        recover(mongo_store, "e", held)
    assert database["events"].count_documents({}) == 1


def test_what_is_written_behind_a_gap_is_named_and_the_gap_is_filled_by_recovery(
    mongo_store: Store, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = begun(mongo_store)
    held = held_by(experiment)
    append = mongo_store.log.append

    def behind_the_back(events: Any, **how: Any) -> None:
        """Lose events in the moment between the look and the insert."""
        database["events"].delete_one({"tid": 3, "ver": 2})
        append(events, is_checked=True)

    with monkeypatch.context() as patch:
        patch.setattr(mongo_store.log, "append", behind_the_back)
        experiment.append(experiment.compose(ended(3)))
    with pytest.raises(StoreRewound, match="written meanwhile, behind the gap: trial 3") as caught:
        experiment.refresh()
    assert caught.value.behind == [(3, 3)]
    assert recover(mongo_store, "e", held) == 1
    assert verify(mongo_store.log.documents("e")).findings == ()


def test_the_places_behind_gaps_are_those_after_a_missing_one() -> None:
    assert behind_gaps([(None, 0), (0, 0), (0, 1), (1, 0)]) == []
    assert sorted(behind_gaps([(0, 0), (0, 2), (0, 3), (2, 0)])) == [(0, 2), (0, 3), (2, 0)]


def test_a_search_recovers_and_returns_what_it_would_have_returned(mongo_url: str, database: Database[Any]) -> None:
    calls: list[float] = []

    def objective(config: dict[str, Any]) -> float:
        calls.append(config["x"])
        if len(calls) == 6:
            database["events"].delete_many({"tid": {"$gte": 3}})
        return float(config["x"] ** 2)

    def search(**more: Any) -> Any:
        space = {"x": hp.uniform("x", -1, 1)}
        return fmin(
            objective, space, rand.suggest, 8, rstate=1, verbose=False, experiment="e", store=mongo_url, **more
        )  # fmt: skip

    with pytest.raises(StoreRewound):
        search()
    lost = len(calls)
    best = search(recover=True)  # in the same process, which still holds what was lost
    assert len(set(calls)) == 8
    assert len(calls) == lost + 3  # the trial that ran is evaluated again
    with open_store(mongo_url) as store:
        experiment = store.experiment("e")
        assert [trial.params["x"] for trial in experiment.trials] == list(dict.fromkeys(calls))
        assert best["x"] == experiment.best.point["x"]
        assert verify(experiment.documents()).findings == ()


def test_a_search_that_was_told_to_recover_goes_on_without_a_word_from_a_person(
    mongo_url: str, database: Database[Any]
) -> None:
    calls: list[float] = []

    def objective(config: dict[str, Any]) -> float:
        calls.append(config["x"])
        if len(calls) in (3, 6):
            database.client.drop_database(database.name)
        return float(config["x"] ** 2)

    fmin(
        objective, {"x": hp.uniform("x", -1, 1)}, rand.suggest, 8, rstate=1, verbose=False, experiment="e",
        store=mongo_url, recover=True,
    )  # fmt: skip
    assert len(calls) == 8
    with open_store(mongo_url) as store:
        assert [trial.state for trial in store.experiment("e").trials] == ["done"] * 8
        assert check(store, "e") == []
