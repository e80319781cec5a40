"""What is removed leaves a tombstone, and what others share; who worked on it stops."""

from __future__ import annotations

import pytest
from histories import begin
from test_correctable import evaluate
from test_housekeeping import hold

from hstore.store.errors import ExperimentRemoved, InUse, InvalidName, NotFound
from hstore.store.events import Document, Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.open_store import open_store
from hstore.store.store import Store


def attach(experiment: Experiment, name: str, content: bytes) -> bytes:
    sha256 = experiment.store.attachments.put(content)
    about = {"name": name, "sha256": sha256, "length": len(content)}
    experiment.append(experiment.compose((Noted, None, {"attachment": about})))
    return sha256


def test_a_tombstone_says_what_was_there_and_who_removed_it(store: Store) -> None:
    experiment = begin(store)
    evaluate(experiment, loss=1.0)
    head, n = experiment.head, len(experiment.events)
    done = store.remove("e", reason="confidential", person="ann")
    assert (done.events, done.removal.head, done.removal.trials) == (n, head, 1)
    assert store.experiments() == [each["name"] for each in store.overview()] == []
    with pytest.raises(
        NotFound, match=r"'e' was removed on .* by ann: confidential \(5 events, 1 trial, head "
    ) as error:
        store.experiment("e")
    assert head.hex() in str(error.value)
    for look in (store.summary, store.remove):
        with pytest.raises(NotFound, match="by ann"):
            look("e")
    with pytest.raises(NotFound, match="there is no experiment"):
        store.remove("never there")
    with pytest.raises(InvalidName):
        store.remove("")


def test_attachments_that_others_name_stay(store: Store) -> None:
    mine, other = begin(store), begin(store, "other")
    alone, shared = attach(mine, "alone", b"1"), attach(mine, "shared", b"2")
    attach(other, "shared too", b"2")
    large = "x" * 100_000
    for each in (mine, other):  # of a durable store, a part of the event is moved out
        each.append(each.compose((Noted, None, {"note": large})))
    assert store.remove("e").attachments == 1
    assert store.attachments.get(shared) == b"2"
    with pytest.raises(NotFound):
        store.attachments.get(alone)
    assert store.experiment("other").state.notes[-1].note == large


def test_one_with_trials_that_are_held_is_removed_only_by_force(store: Store) -> None:
    hold(begin(store))
    with pytest.raises(InUse, match="'e' was not removed"):
        store.remove("e")
    assert store.removals.of("e") == []
    assert store.remove("e", force=True).events == 3


def test_who_works_on_it_is_told_and_puts_nothing_back(mongo_store: Store, mongo_url: str) -> None:
    mongo_store.recovers = True
    experiment = begin(mongo_store)
    evaluate(experiment, loss=1.0)
    with open_store(mongo_url) as other:
        other.remove("e", person="ann")
        for act in (experiment.refresh, lambda: experiment.note("still here")):
            with pytest.raises(ExperimentRemoved, match=r"'e' was removed on .* by ann"):
                act()
        assert other.log.ids("e") == {}
        assert other.overview() == []


def test_a_new_one_of_that_name_is_another_one(store: Store) -> None:
    old = begin(store)
    evaluate(old, loss=1.0)
    store.remove("e", person="ann")
    new = begin(store)
    evaluate(new, loss=2.0)
    assert store.experiment("e").best.loss == 2.0
    with pytest.raises(ExperimentRemoved):
        old.refresh()
    new.refresh()
    store.remove("e", person="bob")
    assert [each.person for each in store.removals.of("e")] == ["ann", "bob"]


def test_a_removal_that_was_interrupted_is_completed(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = begin(mongo_store)
    evaluate(experiment, loss=1.0)
    database = mongo_store.database
    assert database is not None

    def die(exp: str) -> int:
        database["events"].delete_one({"exp": exp, "tid": None, "ver": 0})
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(mongo_store.log, "remove", die)
        with pytest.raises(KeyboardInterrupt):
            mongo_store.remove("e")
    assert mongo_store.experiments() == []
    assert mongo_store.remove("e").events == 4
    assert database["events"].count_documents({}) == 0
    assert mongo_store.models.shown("e") == ([], None)


def test_what_a_process_wrote_that_did_not_know_is_removed_the_next_time(mongo_store: Store) -> None:
    experiment = begin(mongo_store)
    late = experiment.compose((Queued, 0, {"point": {}, "params": {}}))
    mongo_store.remove("e")
    mongo_store.log.append(late)
    assert mongo_store.experiments() == []
    assert mongo_store.remove("e").events == 1


def test_a_tombstone_that_no_program_of_ours_wrote_is_none(mongo_store: Store) -> None:
    assert mongo_store.database is not None
    wrong: Document = {"exp": "e", "at": "yesterday"}
    mongo_store.database["removed"].insert_one(wrong)
    with pytest.raises(NotFound, match="there is no experiment"):
        mongo_store.experiment("e")
