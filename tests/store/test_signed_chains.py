"""Signed events: what holders of a key write is signed, and they act on nothing else."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import bson
import numpy as np
import pytest
from pymongo.database import Database
from pymongo.errors import WriteError

from hstore import fmin, hp, rand
from hstore.engine.audit.replay import derive_again
from hstore.engine.search import control
from hstore.store.errors import NotSigned
from hstore.store.event_documents import SPILL_ABOVE
from hstore.store.events import CODEC, EVENT_BYTES, Noted
from hstore.store.experiment import Experiment
from hstore.store.keys import new_key
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.store.verify import verify

Opened: TypeAlias = Callable[[str | None], Store]
SPACE = {"x": hp.uniform("x", -1, 1)}
KEY, OTHER = new_key(), new_key()


@pytest.fixture
def opened(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """Open the store as a process whose HSTORE_KEY is the one that is named."""
    stores: list[Store] = []

    def open_with(key: str | None) -> Store:
        monkeypatch.delenv("HSTORE_KEY", raising=False)
        if key is not None:
            monkeypatch.setenv("HSTORE_KEY", key)
        stores.append(open_store(mongo_url))
        return stores[-1]

    yield open_with
    for store in stores:
        store.close()


def search(url: str, name: str = "e", n: int = 3, **more: Any) -> Any:
    return fmin(
        lambda config: config["x"] ** 2, SPACE, algo=rand.suggest, max_evals=n, rstate=np.random.default_rng(0),
        verbose=False, experiment=name, store=url, **more,
    )  # fmt: skip


@contextmanager
def refused(why: str) -> Iterator[None]:
    with pytest.raises(NotSigned, match=f"experiment '.*' is refused: event .* {why}") as caught:
        yield
    assert "hstore sign" in caught.value.hint


def insert(database: Database[Any], document: dict[str, Any], **more: Any) -> None:
    database["events"].insert_one({**document, "_id": uuid.uuid4(), **more})


def test_every_event_of_a_search_with_a_key_is_signed_with_the_first(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    store = opened(f"{KEY},{OTHER}")
    assert store.keys is not None
    search(mongo_url)
    found = list(database["events"].find({"exp": "e"}))
    assert {event["mac"]["key"] for event in found} == {store.keys.ids[0]}
    assert {len(event["mac"]["mac"]) for event in found} == {32}
    store.experiment("e").check_signatures()


def test_a_signature_changes_no_digest(mongo_url: str, opened: Opened) -> None:
    store = opened(KEY)
    search(mongo_url)
    with_key = store.experiment("e")
    assert verify(with_key.documents()).findings == ()
    assert verify(with_key.documents()).head == with_key.head
    assert opened(None).experiment("e").head == with_key.head


def test_without_a_key_nothing_is_signed_and_nothing_asked_for(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(KEY)
    search(mongo_url)
    opened(None)
    search(mongo_url, n=5)
    assert database["events"].count_documents({"mac": None}) > 0
    assert derive_again(opened(None).experiment("e")).is_same


@pytest.mark.parametrize("key", [None, OTHER], ids=["unsigned", "another key"])
def test_drivers_replay_and_control_refuse_what_no_key_of_theirs_signs(
    key: str | None, mongo_url: str, opened: Opened, messages: list[str]
) -> None:
    opened(key)
    search(mongo_url)
    experiment = opened(KEY).experiment("e")
    before = len(experiment.events)
    why = "is not signed" if key is None else "is signed with the key .*, which HSTORE_KEY does not hold"
    with refused(why):
        search(mongo_url, n=3)
    with refused(why):
        search(mongo_url, n=9)
    with refused(why):
        derive_again(experiment)
    with refused(why):
        control.resume(experiment, "to go on")
    experiment.refresh()
    assert len(experiment.events) == before
    assert len(experiment.trials) == 3  # who only looks may


def test_after_a_rotation_old_searches_go_on_and_their_news_have_the_new_key(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(OTHER)
    search(mongo_url)
    store = opened(f"{KEY},{OTHER}")
    assert store.keys is not None
    search(mongo_url, n=5)
    assert derive_again(store.experiment("e")).is_same
    assert len(database["events"].distinct("mac.key")) == 2
    with refused("is signed with the key"):
        derive_again(opened(KEY).experiment("e"))


# -- forged events ----------------------------------------------------------------------------------------------------


def forge_point(database: Database[Any]) -> None:
    document = database["events"].find_one({"exp": "e", "tid": 2, "ver": 0})
    assert document is not None
    database["events"].update_one({"_id": document["_id"]}, {"$set": {"data.point.x": 0.125}})


def forge_next_trial(database: Database[Any]) -> None:
    document = database["events"].find_one({"exp": "e", "tid": 2, "ver": 0})
    assert document is not None
    insert(database, document, tid=3)


def forge_changed_objective(database: Database[Any]) -> None:
    last = database["events"].find_one({"exp": "e", "tid": None}, sort=[("ver", -1)])
    assert last is not None
    objective = {"name": "system", "ref": "posix:system", "version": None}
    insert(database, last, ver=last["ver"] + 1, type="changed", data={"objective": objective})


def forge_created(database: Database[Any]) -> None:
    database["events"].update_one(
        {"exp": "e", "type": "created"}, {"$set": {"data.objective.ref": "posix:system"}, "$unset": {"mac": 1}}
    )


def forge_loss(database: Database[Any]) -> None:
    database["events"].update_one({"exp": "e", "tid": 2, "type": "done"}, {"$set": {"data.loss": -1011.0}})


def strip_signature(database: Database[Any]) -> None:
    database["events"].update_one({"exp": "e", "tid": 2, "type": "done"}, {"$unset": {"mac": 1}})


def swap_signatures(database: Database[Any]) -> None:
    other = database["events"].find_one({"exp": "e", "tid": 1, "type": "done"})
    assert other is not None
    database["events"].update_one({"exp": "e", "tid": 2, "type": "done"}, {"$set": {"mac": other["mac"]}})


FORGERIES = [
    forge_point, forge_changed_objective, forge_created, forge_loss, strip_signature, swap_signatures,
]  # fmt: skip


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda forge: forge.__name__)
def test_no_holder_of_a_key_acts_on_a_forged_event(
    forge: Callable[[Database[Any]], None], mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    store = opened(KEY)
    search(mongo_url)
    forge(database)
    with refused("(is not signed|has a wrong signature)"):
        search(mongo_url, n=9)
    with refused("(is not signed|has a wrong signature)"):
        derive_again(store.experiment("e"))
    with refused("(is not signed|has a wrong signature)"):
        control.resume(store.experiment("e"), "to go on")


def test_a_decision_that_no_key_signs_is_set_aside_and_stops_decisions_until_it_is_quarantined(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(KEY)
    search(mongo_url)
    forge_next_trial(database)
    with refused("of trial 3 has a wrong signature"):
        search(mongo_url, n=9)
    experiment = opened(KEY).experiment("e")
    assert derive_again(experiment).trials == 3
    assert [str(each) for each in experiment.set_aside] == ["event 0 of trial 3 has a wrong signature; it is set aside"]
    found = opened(KEY).experiment("e")
    assert found.quarantine("forged") is not None
    assert found.set_aside == []
    assert found.state.trials[3].state == "cancelled"  # a number that is no trial
    search(mongo_url, n=6)
    experiment = opened(KEY).experiment("e")
    assert experiment.state.counts == {"done": 5, "cancelled": 1}
    replay = derive_again(experiment)
    assert (replay.is_same, replay.skipped) == (True, ((3, "quarantined"),))
    assert verify(experiment.documents()).findings == ()
    assert verify(experiment.documents()).head == experiment.head
    assert not opened(None).experiment("e").set_aside


@pytest.mark.parametrize("deletes", [False, True], ids=["another name", "the same name"])
def test_signed_events_cannot_be_moved_to_another_experiment(
    deletes: bool, mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    store = opened(KEY)
    search(mongo_url)
    chains = list(database["events"].find({"exp": "e", "tid": {"$ne": None}}))
    name = "e" if deletes else "other"
    database["events"].delete_many({"exp": name})
    search(mongo_url, name, n=1)
    database["events"].delete_many({"exp": name, "tid": {"$ne": None}})
    moved = [each if deletes else {**each, "_id": uuid.uuid4(), "exp": name} for each in chains]
    database["events"].insert_many(moved)
    with refused("has a wrong signature"):
        derive_again(store.experiment(name))


def test_news_that_are_not_signed_stop_a_search_that_is_running(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(KEY)
    evaluated: list[float] = []

    def objective(config: dict[str, float]) -> float:
        if len(evaluated) == 2:
            forge_next_trial(database)
        evaluated.append(config["x"])
        return config["x"] ** 2

    with refused("has a wrong signature"):
        fmin(objective, SPACE, algo=rand.suggest, max_evals=9, rstate=0, verbose=False, experiment="e", store=mongo_url)
    assert len(evaluated) == 3


def test_a_worker_that_reads_some_trials_checks_those_and_the_experiments_own_chain(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    store = opened(KEY)
    search(mongo_url)
    forge_point(database)
    experiment = Experiment(store, "e", only=())
    experiment.load_trials([0, 1])
    experiment.check_signatures()
    with refused("has a wrong signature"):
        experiment.load_trial(2)
        experiment.compose((Noted, 0, {"note": "seen"}))
    experiment.evict(2)
    experiment.append(experiment.compose((Noted, 0, {"note": "seen"})))
    store.experiment("e")


def test_no_search_begins_with_what_no_key_signs(mongo_url: str, opened: Opened) -> None:
    opened(None)
    search(mongo_url, "unsigned")
    opened(KEY)
    search(mongo_url, "signed")
    search(mongo_url, "first", warm_start="signed")
    with refused("is not signed"):
        search(mongo_url, "second", warm_start="unsigned")
    assert "second" not in opened(KEY).experiments()


def test_each_event_is_checked_once(mongo_url: str, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    store = opened(KEY)
    search(mongo_url, n=20)
    experiment = store.experiment("e")
    experiment.check_signatures()
    monkeypatch.setattr(store.keys, "why_not", lambda *_: pytest.fail("looked at it again"))
    for _ in range(3):
        experiment.refresh()
        experiment.check_signatures()


@pytest.mark.parametrize("room", [-1, 0])
def test_an_event_is_as_large_with_a_signature_as_without(
    room: int, mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(None)
    search(mongo_url, n=1)
    first = opened(None).experiment("e")
    first.append(first.compose((Noted, None, {"note": "short"})))
    found = database["events"].find_one({"exp": "e", "data.note": "short"})
    empty = len(bson.encode(found or {}, codec_options=CODEC)) - len("short")
    database["events"].delete_many({"exp": "e"})
    store = opened(KEY)
    search(mongo_url, n=1)
    experiment = store.experiment("e")
    longest = "n" * (SPILL_ABOVE + 12 - empty + room)
    experiment.append(experiment.compose((Noted, None, {"note": longest})))
    stored = database["events"].find_one({"exp": "e", "data.note": longest})
    assert stored is not None  # not moved out
    assert len(bson.encode(stored, codec_options=CODEC)) > EVENT_BYTES
    assert verify(experiment.documents()).head == experiment.head
    store.experiment("e").check_signatures()


@pytest.mark.parametrize(
    "mac", ["text", {"key": b"k"}, {"key": b"k", "mac": "text"}, {"key": b"k", "mac": b"m", "x": 1}]
)
def test_the_collection_takes_no_signature_of_another_shape(
    mac: Any, mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(None)
    search(mongo_url, n=1)
    last = database["events"].find_one({"exp": "e", "tid": None}, sort=[("ver", -1)])
    assert last is not None
    with pytest.raises(WriteError):
        insert(database, last, ver=last["ver"] + 1, type="noted", data={}, mac=mac)
    insert(database, last, ver=last["ver"] + 1, type="noted", data={}, mac={"key": b"k", "mac": b"m"})


def test_the_documents_of_a_view_of_the_past_keep_their_signatures(mongo_url: str, opened: Opened) -> None:
    store = opened(KEY)
    search(mongo_url)
    stored = {document["_id"]: document["mac"] for document in store.log.documents("e")}
    past = store.experiment("e", at=2).store.log
    shown = [*past.documents("e"), *past.chain_documents("e", 0), *past.latest_documents("e", 2)]
    assert [document["mac"] for document in shown] == [stored[document["_id"]] for document in shown]


def test_what_a_forger_wrote_makes_no_request_look_as_if_it_were_met(
    mongo_url: str, opened: Opened, database: Database[Any]
) -> None:
    opened(KEY)
    search(mongo_url)
    [*_, last] = database["events"].find({"exp": "e", "tid": None}).sort("ver")
    for kind, data in (("finished", {"why": "stopped"}), ("noted", {"note": "", "title": "t"})):
        insert(database, last, ver=last["ver"] + 1, type=kind, data=data)
        found = opened(KEY).experiment("e")
        with refused("has a wrong signature"):
            control.stop(found, "enough")
        with refused("has a wrong signature"):
            found.set_title("t")
        with refused("has a wrong signature"):
            control.pause(opened(KEY).experiment("e"), "later")
        database["events"].delete_one({"exp": "e", "tid": None, "ver": last["ver"] + 1})
