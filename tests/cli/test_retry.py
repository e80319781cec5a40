"""`hstore retry`: which trials it queues again, and what it says when it cannot."""

from typing import Any

import pytest
from histories import begin
from tests.cli.commands import run

from hstore.engine.search.control import pause, stop
from hstore.store.events import Done, Event, Failed, Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.store import Store

ENDS: list[tuple[type[Event], dict[str, Any]]] = [
    (Done, {"result": {"status": "ok", "loss": 0.5}, "status": "ok", "loss": 0.5}),
    (Failed, {"error": "ValueError", "message": "no", "final": True}),
    (Failed, {"error": "Lost", "message": "silent", "final": True, "cause": "lost"}),
]


@pytest.fixture
def search(mongo_store: Store) -> Experiment:
    """Trial 0 is done, 1 failed, 2 was lost, 3 is running."""
    experiment = begin(mongo_store, "demo")
    for tid in range(4):
        reserved = {"worker": "w", "host": "h", "attempt": 1}
        running = {"pid": 1, "python": "3", "hstore": "0"}
        queued: dict[str, Any] = {"point": {}, "params": {}}
        experiment.append(experiment.compose((Queued, tid, queued), (Reserved, tid, reserved), (Running, tid, running)))
    for tid, (kind, data) in enumerate(ENDS):
        experiment.append(experiment.compose((kind, tid, data)))
    return experiment


def queued(experiment: Experiment) -> list[int]:
    experiment.refresh()
    return [trial.tid for trial in experiment.trials if trial.state == "queued"]


@pytest.mark.parametrize(
    ("args", "tids", "expected"),
    [
        (("--failed",), [1, 2], "demo: requeued: trials 1, 2\n"),
        (("--lost",), [2], "demo: requeued: trial 2\n"),
        (("0", "2"), [0, 2], "demo: requeued: trials 0, 2\n"),
    ],
)
def test_it_queues_those_that_were_asked_for(
    search: Experiment, mongo_url: str, args: tuple[str, ...], tids: list[int], expected: str
) -> None:
    shown = run(mongo_url, "retry", "demo", *args)
    assert (shown.exit_code, shown.stdout, shown.stderr) == (0, "", expected)
    assert queued(search) == tids


def test_a_search_that_has_finished_is_opened_again(search: Experiment, mongo_url: str) -> None:
    stop(search, "enough", now=True)
    assert "the experiment is open again" in run(mongo_url, "retry", "demo", "--failed").stderr
    search.refresh()
    assert search.state.status == "open"


def test_a_paused_one_stays_paused(search: Experiment, mongo_url: str) -> None:
    pause(search, "lunch")
    assert "`hstore resume demo`" in run(mongo_url, "retry", "demo", "--failed").stderr


def test_nothing_to_retry_is_no_error(search: Experiment, mongo_url: str) -> None:
    run(mongo_url, "retry", "demo", "--failed")
    shown = run(mongo_url, "retry", "demo", "--failed")
    assert (shown.exit_code, shown.stderr) == (0, "demo: no trial failed; nothing to retry\n")
    shown = run(mongo_url, "retry", "demo", "--lost")
    assert (shown.exit_code, shown.stderr) == (0, "demo: no trial was lost; nothing to retry\n")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("demo", "0", "7", "9"), 3, "no trial 7, 9 (its trials are 0 to 3)"),
        (("demo", "0", "3"), 2, "trial 3 is running"),
        (("dem", "0"), 3, "did you mean 'demo'"),
        (("demo",), 2, "exactly one of"),
        (("demo", "0", "--failed"), 2, "exactly one of"),
        (("demo", "--failed", "--lost"), 2, "exactly one of"),
        (("demo", "zero"), 2, "zero"),
    ],
)
def test_one_mistake_and_nothing_is_written(
    search: Experiment, mongo_url: str, args: tuple[str, ...], code: int, message: str
) -> None:
    shown = run(mongo_url, "retry", *args)
    assert (shown.exit_code, message in shown.stderr) == (code, True)
    assert queued(search) == []
