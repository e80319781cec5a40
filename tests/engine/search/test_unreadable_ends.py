"""Chains that end with an event which this program cannot read: nothing follows it, and nothing waits for it."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from tests.workers.objectives import square
from tests.workers.serving import begin, ran

import hstore
from hstore import fmin, hp
from hstore.engine.audit.check import check
from hstore.engine.evaluation import attempt
from hstore.engine.search import control
from hstore.store.errors import ClosedChain
from hstore.store.events import Done, Noted, Requeued, Reserved
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.workers.reaper import Reaper

search = partial(fmin, space={"x": hp.uniform("x", -1, 1)}, algo="rand", show_progressbar=False, experiment="e")


class Calls:
    """An objective that counts its calls and returns more than an event can hold."""

    def __init__(self) -> None:
        self.xs: list[float] = []

    def __call__(self, config: dict[str, Any]) -> dict[str, Any]:
        self.xs.append(config["x"])
        return {"loss": config["x"] ** 2, "status": "ok", "blob": f"{config['x']}" + "z" * 100_000}


def newer(database: Database[Any], tid: int | None, kind: str) -> None:
    """Have the last event of a chain be of a version that this program does not know."""
    found = database["events"].update_one({"exp": "e", "tid": tid, "type": kind}, {"$set": {"v": 9}})
    assert found.modified_count == 1


def without_chunk(database: Database[Any], tid: int) -> list[Any]:
    """Take away what trial *tid* has in an attachment; return it."""
    event = database["events"].find_one({"exp": "e", "tid": tid, "type": "done"})
    assert event is not None
    (spilled,) = event["data"]["spilled"].values()
    file = database["attachments.files"].find_one({"filename": spilled["sha256"].hex()})
    assert file is not None
    chunks = list(database["attachments.chunks"].find({"files_id": file["_id"]}))
    database["attachments.chunks"].delete_many({"files_id": file["_id"]})
    return chunks


def types(database: Database[Any], tid: int) -> list[str]:
    return [event["type"] for event in database["events"].find({"exp": "e", "tid": tid}).sort("ver", 1)]


@pytest.mark.parametrize("how", ["newer", "lost chunk"])
def test_a_serial_search_leaves_an_unreadable_end_as_it_is(
    how: str, mongo_url: str, database: Database[Any], messages: list[str]
) -> None:
    calls = Calls()
    search(calls, max_evals=3, rstate=np.random.default_rng(1), store=mongo_url)
    database["events"].delete_many({"type": "finished"})  # so that no event has observed the end of the last trial
    chunks: list[Any] = []
    if how == "newer":
        newer(database, 2, "done")
    else:
        chunks = without_chunk(database, 2)
    best = search(calls, max_evals=5, store=mongo_url)
    assert len(calls.xs) == len(set(calls.xs)) == 5
    assert types(database, 2) == ["queued", "reserved", "running", "done"]
    assert best["x"] in calls.xs
    assert any("trial 2 is left as it is: its event 3 cannot be read" in message for message in messages)
    # A program that can read it has all of it.
    if chunks:
        database["attachments.chunks"].insert_many(chunks)
    database["events"].update_many({"v": 9}, {"$set": {"v": 1}})
    search(calls, max_evals=6, store=mongo_url)
    with hstore.open(mongo_url) as store:
        assert [trial.state for trial in store.experiment("e").trials] == ["done"] * 6
        assert check(store, "e") == []


def test_a_search_with_workers_does_not_wait_for_an_unreadable_end(mongo_url: str, database: Database[Any]) -> None:
    search(square, max_evals=3, store=mongo_url)
    database["events"].delete_many({"type": "finished"})  # so that no event has observed the end of the last trial
    newer(database, 2, "done")
    search(square, max_evals=5, store=mongo_url, workers=1)
    assert types(database, 2) == ["queued", "reserved", "running", "done"]
    with hstore.open(mongo_url) as store:
        experiment = store.experiment("e")
        assert experiment.state.counts == {"done": 4, "unreadable": 1}
        assert experiment.state.closed == [2]
        assert len(experiment.state.awaited) == 0


def test_a_search_does_not_go_on_without_an_end_that_its_decisions_knew(
    mongo_url: str, database: Database[Any]
) -> None:
    calls = Calls()
    search(calls, max_evals=3, rstate=np.random.default_rng(1), store=mongo_url)
    chunks = without_chunk(database, 1)
    for workers in (None, 0):
        with pytest.raises(ClosedChain, match="decisions have observed trial 1, and its event 3 cannot be read"):
            search(calls, max_evals=5, store=mongo_url, workers=workers)
    assert len(calls.xs) == 3
    database["attachments.chunks"].insert_many(chunks)
    search(calls, max_evals=5, store=mongo_url)
    with hstore.open(mongo_url) as store:
        assert check(store, "e") == []


def test_a_search_whose_own_end_cannot_be_read_is_refused(mongo_url: str, database: Database[Any]) -> None:
    search(square, max_evals=3, store=mongo_url)
    newer(database, None, "finished")
    before = database["events"].count_documents({})
    for workers in (None, 1):
        with pytest.raises(ClosedChain, match="'e' cannot go on here: its event 1 cannot be read"):
            search(square, max_evals=5, store=mongo_url, workers=workers)
    assert database["events"].count_documents({}) == before


@pytest.mark.parametrize("tail", ["queued", "running"])
def test_a_reaper_and_a_worker_leave_an_unreadable_end_as_it_is(
    tail: str, mongo_url: str, mongo_store: Store, database: Database[Any], messages: list[str]
) -> None:
    experiment = begin(mongo_store, "e", square, 2)
    if tail == "running":
        experiment.append(
            experiment.compose(attempt.claim(1, attempts=0, worker="w"), attempt.begin(1, pid=1, objective=None))
        )
    newer(database, 1, tail)
    with hstore.open(mongo_url) as store:
        Experiment(store, "e").repair()
        store.experiment("e").repair()
        Reaper(store).requeue("e", 1)
    # What a newer program queued, newer workers may yet take: no worker leaves for that, but for being idle.
    code, _ = ran(mongo_url, "e", "--max-idle", "3")
    assert code == 0
    assert types(database, 0)[-1] == "done"
    assert types(database, 1)[-1] == tail
    if tail == "running":
        assert any("trial 1 of 'e' is not requeued: its event 2 cannot be read" in message for message in messages)


def test_a_worker_takes_nothing_of_a_search_whose_own_end_cannot_be_read(
    mongo_url: str, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begin(mongo_store, "e", square, 2)
    experiment.append(experiment.compose((Noted, None, {"note": "x"})))
    newer(database, None, "noted")
    code, said = ran(mongo_url, "e", "--burst")
    assert code == 6
    assert "experiment 'e' cannot go on here: its event 1 cannot be read" in said
    assert types(database, 0) == ["queued"]


def test_nothing_can_be_appended_behind_an_unreadable_end(mongo_url: str, database: Database[Any]) -> None:
    search(square, max_evals=2, store=mongo_url)
    newer(database, 1, "done")
    with hstore.open(mongo_url) as store:
        experiment = store.experiment("e")
        for pending in (
            (Requeued, 1, {"why": "retry"}),
            (Noted, 1, {"note": "x"}),
            (Done, 1, {"result": {"status": "ok", "loss": 0.0}, "status": "ok", "loss": 0.0}),
            (Reserved, 1, {"worker": "w", "host": "h", "attempt": 2}),
        ):
            with pytest.raises(ClosedChain, match="its event 3 cannot be read by this program: type 'done' version 9"):
                experiment.compose(pending)
        control.stop(experiment, "enough", now=True)
        control.pause(experiment, "enough", now=True)
    assert types(database, 1) == ["queued", "reserved", "running", "done"]


def test_a_late_result_of_a_trial_whose_end_cannot_be_read_is_told(
    mongo_store: Store, database: Database[Any], messages: list[str]
) -> None:
    experiment = begin(mongo_store, "e", square, 1)
    experiment.append(
        experiment.compose(attempt.claim(0, attempts=0, worker="w"), attempt.begin(0, pid=1, objective=None))
    )
    taken = experiment.state.trials[0].reserved
    assert taken is not None
    other = mongo_store.experiment("e")
    other.append(other.compose((Requeued, 0, {"why": "lost", "cause": "lost"})))
    newer(database, 0, "requeued")
    result = {"result": {"status": "ok", "loss": 0.0}, "status": "ok", "loss": 0.0}
    assert not attempt.record_end(experiment, taken, [(Done, 0, result)])
    assert any("the result of trial 0 of 'e' is not saved" in message for message in messages)


def test_status_and_check_say_which_ends_cannot_be_read(
    mongo_url: str, database: Database[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    from hstore.cli.app import run

    search(square, max_evals=2, store=mongo_url)
    newer(database, 1, "done")
    newer(database, None, "finished")
    assert run(["--store", mongo_url, "status", "e"]) == 0
    printed = capsys.readouterr().out
    assert "trial 1 cannot go on here: its event 3 cannot be read by this program: type 'done' version 9" in printed
    assert "the experiment cannot go on here: its event 1" in printed
    with hstore.open(mongo_url) as store:
        kinds = {(finding.kind, finding.tid) for finding in check(store, "e")}
    assert {("unreadable", 1), ("unreadable", None)} <= kinds


def test_a_program_that_can_read_an_end_shows_what_an_older_one_could_not(
    mongo_url: str, database: Database[Any]
) -> None:
    search(square, max_evals=2, store=mongo_url)
    newer(database, 1, "done")
    with hstore.open(mongo_url) as older:
        older.models.rebuild(older.experiment("e").state)
        trials, about = older.models.shown("e")
        assert {document["tid"]: document["state"] for document in trials} == {0: "done", 1: "unreadable"}
        assert about is not None
        assert about["counts"] == {"done": 1, "unreadable": 1}
    database["events"].update_many({"v": 9}, {"$set": {"v": 1}})
    with hstore.open(mongo_url) as store:
        store.experiment("e").repair()
        trials, about = store.models.shown("e")
        assert {document["tid"]: document["state"] for document in trials} == {0: "done", 1: "done"}
        assert about is not None
        assert about["counts"] == {"done": 2}
