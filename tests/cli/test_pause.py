"""`hstore pause`, `resume` and `stop`: what they write, what they say, and what they leave alone."""

import pytest
from histories import begin
from tests.cli.commands import run

from hstore.store.events import Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.store import Store


@pytest.fixture
def search(mongo_store: Store) -> Experiment:
    """One trial is running, one is queued."""
    experiment = begin(mongo_store, "demo")
    for tid in range(2):
        experiment.append(experiment.compose((Queued, tid, {"point": {}, "params": {}})))
    reserved = {"worker": "w", "host": "h", "attempt": 1}
    running = {"pid": 1, "python": "3", "hstore": "0"}
    experiment.append(experiment.compose((Reserved, 0, reserved), (Running, 0, running)))
    return experiment


def states(experiment: Experiment) -> list[str]:
    experiment.refresh()
    return [trial.state for trial in experiment.trials]


def test_a_pause_lets_what_runs_go_on_and_says_so(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "pause", "demo", "--why", "lunch")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == ("demo is paused; still running: trial 0 (`hstore pause demo --now` requeues it)\n")
    assert states(search) == ["running", "queued"]
    assert search.state.status == "paused"
    assert str(search.state.why).startswith("paused by ")
    assert str(search.state.why).endswith(": lunch")


def test_a_pause_now_requeues_what_runs(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "pause", "demo", "--now")
    assert result.stderr == "demo is paused; requeued: trial 0\n"
    assert states(search) == ["queued", "queued"]


def test_asking_again_says_so_and_writes_nothing(search: Experiment, mongo_url: str) -> None:
    run(mongo_url, "pause", "demo", "--why", "lunch", "--now")
    search.refresh()
    before = search.state.events
    result = run(mongo_url, "pause", "demo")
    assert (result.exit_code, "is already paused (paused by " in result.stderr) == (0, True)
    assert not search.refresh()
    assert search.state.events == before


def test_resuming_lets_it_go_on(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "resume", "demo")
    assert (result.exit_code, result.stderr) == (0, "demo is open; nothing to resume\n")
    run(mongo_url, "pause", "demo")
    assert run(mongo_url, "resume", "demo").stderr == "demo is resumed\n"
    assert states(search) == ["running", "queued"]
    assert search.state.status == "open"


def test_a_stop_cancels_what_is_queued(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "stop", "demo", "--why", "enough")
    assert result.exit_code == 0
    assert result.stderr.startswith(
        "demo is stopped; cancelled: trial 1; still running: trial 0 (`hstore stop demo --now`"
    )
    assert states(search) == ["running", "cancelled"]
    assert str(search.state.why).endswith(": enough")
    result = run(mongo_url, "stop", "demo", "--now")
    assert "demo has already finished (stopped by " in result.stderr
    assert "cancelled: trial 0" in result.stderr
    assert states(search) == ["cancelled", "cancelled"]


def test_what_has_finished_cannot_be_paused_but_opened_again(search: Experiment, mongo_url: str) -> None:
    run(mongo_url, "stop", "demo", "--now")
    assert "nothing to pause" in run(mongo_url, "pause", "demo").stderr
    assert "demo is open again" in run(mongo_url, "resume", "demo").stderr


@pytest.mark.parametrize("command", ["pause", "resume", "stop"])
def test_an_experiment_that_is_not_there_is_named(search: Experiment, mongo_url: str, command: str) -> None:
    result = run(mongo_url, command, "dem")
    assert (result.exit_code, result.stdout, "did you mean 'demo'" in result.stderr) == (3, "", True)


def test_a_user_without_a_name_is_recorded_by_number(
    search: Experiment, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_name() -> str:
        raise KeyError("getpwuid(): uid not found: 12345")

    monkeypatch.setattr("getpass.getuser", without_name)
    assert run(mongo_url, "pause", "demo").exit_code == 0
    search.refresh()
    assert str(search.state.why).startswith("paused by ")
