"""Searches whose store loses events under them: they stop, write nothing more, and a new process continues."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from tests.waiting import until
from tests.workers.serving import begin, worker

import hstore
from hstore import fmin, hp
from hstore.engine.audit.check import check
from hstore.engine.search.local_workers import LocalWorkers
from hstore.store.errors import StoreRewound
from hstore.store.experiment import Experiment
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.workers.reaper import Reaper
from hstore.workers.worker import Worker
from hstore.workers.worker_options import WorkerOptions

SPACE = {"x": hp.uniform("x", -1, 1)}
Removal = Callable[[Database[Any]], Any]

REMOVALS = [
    pytest.param(lambda database: database["events"].delete_many({"tid": {"$gte": 3}}), id="an older backup"),
    pytest.param(lambda database: database.client.drop_database(database.name), id="emptied"),
    pytest.param(lambda database: database["events"].delete_one({"tid": 5, "ver": 2}), id="one event"),
]


def at_length(removal: Any) -> Any:
    """Return *removal* for the long tests alone."""
    return pytest.param(*removal.values, id=removal.id, marks=pytest.mark.long)


search = partial(fmin, space=SPACE, algo="tpe", max_evals=12, show_progressbar=False, experiment="e")


def left(database: Database[Any]) -> list[Any]:
    return [document["_id"] for document in database["events"].find({}, {"_id": 1})]


@pytest.mark.parametrize("remove", REMOVALS)
def test_a_serial_search_stops_before_it_writes_anything(
    remove: Removal, mongo_url: str, database: Database[Any], messages: list[str]
) -> None:
    calls: list[Any] = []

    def objective(config: dict[str, Any]) -> float:
        if len(calls) == 5:
            remove(database)
            calls.append(left(database))
        calls.append(None)
        return float(config["x"] ** 2)

    with pytest.raises(StoreRewound, match=r"the store lost .* of 'e'"):
        search(objective, rstate=np.random.default_rng(0), store=mongo_url)
    assert left(database) == calls[5]


def test_a_new_process_continues_a_search_from_an_older_backup(mongo_url: str, database: Database[Any]) -> None:
    calls: list[None] = []

    def objective(config: dict[str, Any]) -> float:
        calls.append(None)
        if len(calls) == 6:
            database["events"].delete_many({"tid": {"$gte": 3}})
        return float(config["x"] ** 2)

    with pytest.raises(StoreRewound):
        search(objective, rstate=np.random.default_rng(0), store=mongo_url)
    best = search(objective, rstate=np.random.default_rng(0), store=mongo_url)
    with hstore.open(mongo_url) as store:
        experiment = store.experiment("e")
        assert [trial.state for trial in experiment.trials] == ["done"] * 12
        assert best["x"] == experiment.best.point["x"]
        assert check(store, "e") == []


def test_the_loss_of_what_an_objective_reports_to_stops_the_search(mongo_url: str, database: Database[Any]) -> None:
    def objective(config: dict[str, Any], ctrl: Any) -> float:
        ctrl.report(0, 1.0)
        database["events"].delete_many({"tid": 0})
        return 0.0

    with pytest.raises(StoreRewound, match="trial 0"):
        search(objective, store=mongo_url)
    assert database["events"].count_documents({"tid": 0}) == 0


class Gate:
    """A folder in which an objective says that it was called, and waits to be let on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, config: dict[str, Any]) -> float:
        import time

        (self.folder / "called").touch()
        while not (self.folder / "open").exists():
            time.sleep(0.01)
        return float(config["x"] ** 2)

    def pass_when_called(self, act: Callable[[], Any]) -> None:
        until((self.folder / "called").exists)
        act()
        (self.folder / "open").touch()


@pytest.mark.parametrize("remove", [REMOVALS[0], at_length(REMOVALS[1])])
def test_a_worker_stops_before_it_writes_anything(
    remove: Removal, mongo_url: str, mongo_store: Store, database: Database[Any], tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    begin(mongo_store, "e", gate, 4)
    with worker(mongo_url, "e") as process:
        held: list[Any] = []

        def act() -> None:
            until(lambda: database["events"].find_one({"type": "running"}))
            database["events"].delete_many({"type": {"$in": ["reserved", "running"]}})
            remove(database)
            held.extend(left(database))

        gate.pass_when_called(act)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 10, said
    assert "the store lost" in said
    assert left(database) == held


@pytest.mark.parametrize("remove", [at_length(REMOVALS[0]), REMOVALS[1]])
def test_a_search_with_workers_stops_as_well(
    remove: Removal, mongo_url: str, database: Database[Any], tmp_path: Path
) -> None:
    gate, held = Gate(tmp_path), []

    def act() -> None:
        until(lambda: database["events"].find_one({"type": "running"}))
        until(lambda: database["events"].count_documents({"type": "queued"}) == 3)  # the driver has no more to append
        database["events"].delete_many({"type": {"$ne": "created"}})
        remove(database)
        held.extend(left(database))

    helper = threading.Thread(target=gate.pass_when_called, args=(act,))
    helper.start()
    with pytest.raises(StoreRewound):
        search(gate, store=mongo_url, workers=1)
    helper.join()
    assert left(database) == held


def test_a_reaper_requeues_nothing_of_a_log_that_lost_what_it_knew(mongo_store: Store, database: Database[Any]) -> None:
    from tests.workers.test_reaper import held

    experiment = held(mongo_store, None)
    database["events"].delete_one({"tid": 0, "ver": 2})
    before = left(database)
    with pytest.raises(StoreRewound):
        Reaper(experiment.store.for_thread()).requeue("e", 0)
    assert left(database) == before


def test_nothing_of_what_was_lost_is_shown_afterwards(mongo_url: str, database: Database[Any]) -> None:
    with open_store(mongo_url) as store:
        from tests.workers.test_reaper import held

        experiment: Experiment = held(store, None)
        store.models.project(experiment.state, [None, 0], later=True)
        database.client.drop_database(database.name)
        with pytest.raises(StoreRewound):
            experiment.refresh()
    assert database["trials"].find_one() is None


def test_a_worker_that_recovers_puts_back_its_claims_and_ends_its_trial(
    mongo_url: str, mongo_store: Store, database: Database[Any], tmp_path: Path
) -> None:
    gate = Gate(tmp_path)
    begin(mongo_store, "e", gate, 2)
    with worker(mongo_url, "e", "--recover", "--max-jobs", "1") as process:

        def act() -> None:
            until(lambda: database["events"].find_one({"type": "running"}))
            database["events"].delete_many({"type": {"$in": ["reserved", "running"]}})

        gate.pass_when_called(act)
        _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said
    assert "has them again: trial 0" in said
    with open_store(mongo_url) as store:
        assert [trial.state for trial in store.experiment("e").trials] == ["done", "queued"]
        assert check(store, "e") == []


def test_workers_of_a_search_that_recovers_do_so_too(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []
    monkeypatch.setattr(subprocess, "Popen", lambda command, **_: commands.append(command))
    begin(mongo_store, "e", float, 1)
    for mongo_store.recovers in (False, True):
        LocalWorkers(mongo_store.experiment("e"), 1, grace=1.0)._start()
    assert ["--recover" in command for command in commands] == [False, True]


def test_a_worker_looks_once_more_at_what_it_wrote_last(mongo_store: Store, database: Database[Any]) -> None:
    begin(mongo_store, "e", float, 1)
    leaving = Worker(mongo_store, WorkerOptions(isolate="none"))
    leaving._evaluated.add("e")
    leaving._look_once_more()
    database["events"].delete_one({"tid": 0})
    with pytest.raises(StoreRewound, match="trial 0"):
        leaving._look_once_more()
