"""Ctrl-C is one line that says what to do, and leaves a search that the same call continues."""

import contextlib
import signal
import traceback
from typing import Any

import pytest

from hstore import Experiment, Store, Trials, fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.search.local_workers import LocalWorkers

SPACE = hp.uniform("x", -5, 5)


def search(fn: Any, **arguments: Any) -> None:
    fmin(fn, SPACE, algo=rand.suggest, max_evals=6, rstate=0, show_progressbar=False, **arguments)


def frames(caught: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """Return the files in what Python would print."""
    assert caught.value.__context__ is None or caught.value.__suppress_context__
    return [frame.filename for frame in traceback.extract_tb(caught.value.__traceback__)]


def assert_short(caught: pytest.ExceptionInfo[BaseException]) -> None:
    inner = [file for file in frames(caught) if not file.endswith(("test_interrupted.py", "engine/fmin.py"))]
    assert inner == []


def test_an_objective_that_is_interrupted_leaves_one_line_and_a_search_that_goes_on(
    trials: Trials, logged: Any
) -> None:
    calls: list[float] = []

    def objective(x: float) -> float:
        calls.append(x)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return x

    with pytest.raises(KeyboardInterrupt) as caught:
        search(objective, trials=trials)
    assert_short(caught)
    (message,) = [message for message in logged.messages if "stopped" in message]
    assert message.startswith("stopped after 2 trials; the same call continues")
    search(objective, trials=trials)
    assert len(trials) == 6
    assert not check(trials.experiment.store, trials.experiment.name)


@pytest.mark.parametrize("where", ["find", "insert_many", "insert_one"])
def test_pymongo_is_not_in_the_traceback(
    where: str, mongo_store: Store, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    from pymongo.collection import Collection

    real, calls = getattr(Collection, where), []

    def interrupted(self: Any, *arguments: Any, **options: Any) -> Any:
        calls.append(self.name)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(self, *arguments, **options)

    monkeypatch.setattr(Collection, where, interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        search(lambda x: x, experiment="e", store=mongo_store)
    assert_short(caught)
    monkeypatch.undo()
    search(lambda x: x, experiment="e", store=mongo_store)
    experiment = mongo_store.experiment("e")
    assert (experiment.state.ended, experiment.state.status) == (6, "finished")
    assert not check(mongo_store, "e")


def test_a_search_with_workers_says_the_same_and_stops_them(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch, logged: Any
) -> None:
    stopped: list[float | None] = []
    monkeypatch.setattr(LocalWorkers, "ensure_running", lambda team: None)
    monkeypatch.setattr(LocalWorkers, "stop", lambda team, *, grace=None: stopped.append(grace))

    def interrupted(experiment: Experiment, timeout: float) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Experiment, "poll", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        search(lambda x: x, experiment="e", store=mongo_store, workers=2)
    assert_short(caught)
    assert "stopped after 0 trials; the same call continues experiment 'e'" in logged.messages
    assert stopped[0] == 0.0


def test_an_interrupt_before_the_search_begins_is_as_short(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(url: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("hstore.store.open_store.open_store", interrupted)
    with pytest.raises(KeyboardInterrupt) as caught:
        search(lambda x: x, experiment="e", store="mongodb://127.0.0.1/none")
    assert_short(caught)


class Interrupts:
    """As an object of the driver of MongoDB may be: Ctrl-C comes while it is removed, where Python prints the error."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_loses_between_two_trials_ends_the_search(trials: Trials) -> None:
    calls: list[float] = []

    def objective(x: float) -> float:
        calls.append(x)
        return x

    def choose(new_ids: list[int], domain: Any, trials: Trials, seed: int) -> Any:
        if len(calls) == 2:
            Interrupts()
        return rand.suggest(new_ids, domain, trials, seed)

    with pytest.raises(KeyboardInterrupt):
        fmin(objective, SPACE, choose, 6, trials=trials, show_progressbar=False)
    assert len(calls) == 2
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_ctrl_c_that_python_loses_ends_a_search_that_waits_for_workers(mongo_store: Store) -> None:
    def choose(new_ids: list[int], domain: Any, trials: Trials, seed: int) -> Any:
        Interrupts()
        return rand.suggest(new_ids, domain, trials, seed)

    with pytest.raises(KeyboardInterrupt):
        fmin(print, SPACE, choose, 6, experiment="e", store=mongo_store, workers=0, show_progressbar=False)


def test_ctrl_c_that_an_objective_handles_itself_ends_no_search(trials: Trials) -> None:
    def objective(x: float) -> float:
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return x

    search(objective, trials=trials)
    assert len(trials.losses()) == 6
