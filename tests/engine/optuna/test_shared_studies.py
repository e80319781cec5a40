"""Processes that share a study: each trial is there once, and counts as stale where its program is gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from tests.waiting import until

from hstore.engine.audit.check import check
from hstore.engine.optuna import study_writer, trial_events
from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.store import composing
from hstore.store.store import Store
from hstore.store.verify import verify

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

PROGRAM = """
import sys, optuna
from hstore.optuna import HstoreStorage
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="shared", storage=HstoreStorage(sys.argv[1]))
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=6)
"""


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    yield
    optuna.logging.set_verbosity(optuna.logging.INFO)


ASKED = """
import sys, optuna
from hstore.optuna import HstoreStorage
study = optuna.load_study(study_name="shared", storage=HstoreStorage(sys.argv[1]))
study.ask().suggest_float("x", 0, 1)
"""


def test_what_a_program_asked_for_just_before_it_ended_is_there(mongo_url: str) -> None:
    storage = HstoreStorage(mongo_url)
    study = optuna.create_study(storage=storage, study_name="shared")
    subprocess.run([sys.executable, "-c", ASKED, mongo_url], check=True)
    assert set(study.trials[0].params) == {"x"}
    storage.store.close()


def test_what_a_trial_said_after_another_program_took_it_is_not_written(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_writer, "WAIT_SECONDS", 600.0)
    mine, theirs = HstoreStorage(store=mongo_store), HstoreStorage(store=mongo_store.for_thread())
    study = optuna.create_study(storage=mine, study_name="digits")
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    with elsewhere(monkeypatch):
        theirs.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.WAITING)
        theirs.set_trial_state_values(trial._trial_id, optuna.trial.TrialState.RUNNING)
    mine._writer.write_all()
    assert study.trials[0].params == {}
    assert mongo_store.experiment("digits").trials[0].reports == ()


def test_two_processes_share_a_study_and_no_trial_is_lost_or_there_twice(mongo_url: str) -> None:
    storage = HstoreStorage(mongo_url)
    study = optuna.create_study(storage=storage, study_name="shared")
    programs = [subprocess.Popen([sys.executable, "-c", PROGRAM, mongo_url]) for _ in range(2)]
    assert [program.wait() for program in programs] == [0, 0]
    assert [trial.number for trial in study.trials] == list(range(12))
    assert {trial.state for trial in study.trials} == {optuna.trial.TrialState.COMPLETE}
    assert len({trial.params["x"] for trial in study.trials}) == 12
    storage.store.close()


UNTIL_KILLED = """
import sys, optuna
from hstore.optuna import HstoreStorage
optuna.logging.set_verbosity(optuna.logging.ERROR)
study = optuna.load_study(study_name="shared", storage=HstoreStorage(sys.argv[1]))
told = lambda study, trial: print(trial.number, repr(trial.value), flush=True)
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), callbacks=[told])
"""


def has_trials(study: optuna.Study, n: int) -> bool:
    return len(study.trials) >= n


@pytest.mark.long
def test_of_programs_that_are_killed_every_trial_that_they_were_told_of_is_there_once(mongo_url: str) -> None:
    storage = HstoreStorage(mongo_url)
    study = optuna.create_study(storage=storage, study_name="shared")
    message: dict[int, float] = {}
    for _ in range(4):
        programs = [
            subprocess.Popen([sys.executable, "-c", UNTIL_KILLED, mongo_url], stdout=subprocess.PIPE, text=True)
            for _ in range(4)
        ]
        until(partial(has_trials, study, len(study.trials) + 20))
        for program in programs:
            program.kill()
        for program in programs:
            output, _ = program.communicate()
            for number, value in (line.split() for line in output.splitlines() if line.count(" ") == 1):
                assert int(number) not in message
                message[int(number)] = float(value)
    trials = {trial.number: trial for trial in study.trials}
    assert len(message) >= 40
    assert {number: trials[number].value for number in message} == message
    assert sorted(trials) == list(range(len(trials)))
    assert sum(trial.state == optuna.trial.TrialState.RUNNING for trial in trials.values()) <= 16
    assert not verify(storage.store.log.documents("shared")).findings
    storage.store.experiment("shared").repair()
    assert check(storage.store, "shared") == []
    storage.store.close()


def test_one_of_two_programs_takes_a_trial_that_waits(store: Store) -> None:
    one, other = HstoreStorage(store=store), HstoreStorage(store=store)
    study = optuna.create_study(storage=one, study_name="digits")
    study.enqueue_trial({"x": 0.25})
    trial = study.trials[0]._trial_id
    other.get_trial(trial)
    assert one.set_trial_state_values(trial, optuna.trial.TrialState.RUNNING)
    assert not other.set_trial_state_values(trial, optuna.trial.TrialState.RUNNING)
    experiment = store.experiment("digits")
    assert experiment.trials[0].queued is not None
    assert experiment.trials[0].queued.source == "enqueued"


def test_a_trial_without_heartbeats_counts_as_stale_and_fails(mongo_store: Store) -> None:
    patient = HstoreStorage(store=mongo_store, heartbeat_interval=300)
    hasty = HstoreStorage(store=mongo_store, heartbeat_interval=1, grace_period=1)
    study = optuna.create_study(storage=hasty, study_name="digits")
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        trial = study.ask()._trial_id
    patient.record_heartbeat(trial)
    assert hasty._get_stale_trial_ids(study._study_id) == []
    hasty.record_heartbeat(trial)
    until(lambda: hasty._get_stale_trial_ids(study._study_id) == [trial])
    with pytest.warns(optuna.exceptions.ExperimentalWarning):
        optuna.storages.fail_stale_trials(study)
    assert study.trials[0].state == optuna.trial.TrialState.FAIL
    assert mongo_store.experiment("digits").state.counts == {"failed": 1}


def test_a_trial_whose_program_died_before_it_could_say_that_it_holds_it_counts_as_stale(mongo_store: Store) -> None:
    storage = HstoreStorage(store=mongo_store, heartbeat_interval=1, grace_period=1)
    study = optuna.create_study(storage=storage, study_name="digits")
    with pytest.warns(UserWarning, match="Heartbeat of storage"):
        trial = study.ask()._trial_id
    assert mongo_store.database is not None
    mongo_store.database["trials"].delete_many({"exp": "digits"})
    until(lambda: storage._get_stale_trial_ids(study._study_id) == [trial])


@contextmanager
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What is written meanwhile is of another process."""
    with monkeypatch.context() as patch:
        for module in (composing, trial_events):
            patch.setattr(module, "author", lambda: "elsewhere:1:MainThread")
        yield


def test_the_end_of_a_program_whose_trial_another_one_took_is_refused(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_writer, "WAIT_SECONDS", 600.0)
    mine, theirs = HstoreStorage(store=store), HstoreStorage(store=store)
    study = optuna.create_study(storage=mine, study_name="digits")
    trial = study.ask()
    trial.suggest_float("x", 0, 1)
    number = trial._trial_id
    with elsewhere(monkeypatch):
        theirs.set_trial_state_values(number, optuna.trial.TrialState.WAITING)
        theirs.set_trial_state_values(number, optuna.trial.TrialState.RUNNING)
    with pytest.raises(UpdateFinishedTrialError, match="another program evaluates it"):
        study.tell(trial, 1.0)
    with elsewhere(monkeypatch):
        theirs.set_trial_state_values(number, optuna.trial.TrialState.COMPLETE, [2.0])
    assert study.trials[0].values == [2.0]
    assert list(check(store, "digits")) == []


def test_a_program_may_fail_what_another_one_left(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    mine, theirs = HstoreStorage(store=store), HstoreStorage(store=store)
    with elsewhere(monkeypatch):
        number = optuna.create_study(storage=theirs, study_name="digits").ask()._trial_id
    mine.set_trial_state_values(number, optuna.trial.TrialState.FAIL)
    assert store.experiment("digits").state.counts == {"failed": 1}
    assert list(check(store, "digits")) == []
