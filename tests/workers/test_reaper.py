"""The reaper requeues what is held by processes that are dead, and nothing else."""

import subprocess
import sys
from typing import Any

import pytest

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.process_identity import this_process
from hstore.store.events import Failed, Queued
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.workers.reaper import Reaper


def held(store: Store, process: dict[str, Any] | None, *, lost: int = 2) -> Experiment:
    """Return an experiment whose trial 0 is held by *process*, and whose lease was never written."""
    experiment = Experiment(store, "e")
    created: dict[str, Any] = {
        key: {} for key in ("space", "objective", "algorithm", "generator", "limits", "fingerprint")
    }
    experiment.begin({**created, "retries": {"lost": lost}})
    experiment.append(experiment.compose((Queued, 0, {"point": {}, "params": {}, "observed": [], "seed": 1})))
    reserved, running = attempt.claim(0, attempts=0, worker="w"), attempt.begin(0, pid=1, objective=None)
    kind, tid, data = reserved
    experiment.append(experiment.compose((kind, tid, {**data, "process": process}), running))
    return experiment


def test_a_failure_whose_worker_did_not_live_to_queue_the_trial_again_is_made_good(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.workers.reaper.REPAIR_SECONDS", 0.0)
    experiment = held(mongo_store, this_process())
    failure = {"error": "ValueError", "message": "no", "final": False, "cause": "failed"}
    experiment.append(experiment.compose((Failed, 0, failure)))
    assert state_after_reaping(experiment) == "queued"
    assert experiment.state.trials[0].retries == {"failed": 1}


def state_after_reaping(experiment: Experiment) -> str:
    reaper = Reaper(experiment.store)
    reaper.run_once(["e"])
    reaper.run_once(["e"])
    experiment.refresh()
    return experiment.state.trials[0].state


def test_a_worker_does_not_take_back_what_it_holds_itself(mongo_store: Store) -> None:
    assert state_after_reaping(held(mongo_store, this_process())) == "running"


def test_what_a_process_held_that_is_gone_from_this_machine_is_taken_back_at_once(mongo_store: Store) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert state_after_reaping(held(mongo_store, {**this_process(), "pid": gone.pid})) == "queued"


@pytest.mark.parametrize(("lost", "outcome"), [(1, "requeued"), (0, "failed, for that happened too often (see")])
def test_it_tells_whether_a_lost_trial_is_tried_again_or_has_failed(
    mongo_store: Store, messages: list[str], lost: int, outcome: str
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    experiment = held(mongo_store, {**this_process(), "pid": gone.pid}, lost=lost)
    assert state_after_reaping(experiment) == ("queued" if lost else "failed")
    (line,) = [message for message in messages if "missed its heartbeat" in message]
    assert f"trial 0 of 'e' {outcome}" in line


@pytest.mark.parametrize("process", [None, {"machine": "another", "pid": 1, "started": 0.0}], ids=["unknown", "remote"])
def test_what_is_held_elsewhere_is_left_to_its_lease(process: dict[str, Any] | None, mongo_store: Store) -> None:
    assert state_after_reaping(held(mongo_store, process)) == "running"
