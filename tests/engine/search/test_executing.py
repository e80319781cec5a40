"""fmin in an executor: decided and recorded here, evaluated there."""

from __future__ import annotations

import copyreg
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import GENEROUS

from hstore import AllTrialsFailed, Trials, fmin, hp
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import InvalidLoss, InvalidValue
from hstore.store.events import Failed

SPACE = {"x": hp.uniform("x", -1, 1)}


def square(config: dict[str, float]) -> dict[str, Any]:
    return {"status": "ok", "loss": config["x"] ** 2, "pid": os.getpid(), "attachments": {"note": b"kept"}}


def negative_raises(config: dict[str, float]) -> float:
    if config["x"] < 0:
        raise ValueError("negative")
    return config["x"]


def search(fn: Any, trials: Trials, executor: Any, n: int = 10, **more: Any) -> Any:
    with executor:
        return fmin(fn, SPACE, "rand", n, trials=trials, rstate=0, verbose=False, executor=executor, **more)


def test_threads_evaluate_several_trials_at_a_time_and_the_decisions_replay(trials: Trials) -> None:
    together = threading.Barrier(3, timeout=300)

    def meets(config: dict[str, float]) -> float:
        together.wait()
        return config["x"]

    search(meets, trials, ThreadPoolExecutor(3), n=9)
    experiment = trials.experiment
    assert [trial.state for trial in experiment.trials] == ["done"] * 9
    assert derive_again(experiment).is_same
    assert experiment.state.status == "finished"


def test_threads_may_report_and_are_pruned(trials: Trials) -> None:
    def reports(config: dict[str, float], ctrl: Any) -> float:
        for step in range(4):
            ctrl.report(step, config["x"])
            if ctrl.should_stop():
                break
        return config["x"]

    search(reports, trials, ThreadPoolExecutor(2), n=16, pruner="median")
    assert trials.experiment.state.pruned > 0


def test_processes_evaluate_and_their_results_and_attachments_are_kept(trials: Trials) -> None:
    search(square, trials, ProcessPoolExecutor(2), n=4)
    ended = trials.experiment.trials
    assert all(dict(trial.result or {})["pid"] != os.getpid() for trial in ended)
    assert all("note" in trial.attachments for trial in ended)


def test_what_an_objective_raises_is_recorded_and_raised_or_caught(trials: Trials) -> None:
    with pytest.raises(ValueError, match="negative"):
        search(negative_raises, trials, ThreadPoolExecutor(2), n=20)
    states = {trial.state for trial in trials.experiment.trials}
    assert "failed" in states
    assert not states & {"reserved", "running"}
    search(negative_raises, trials, ThreadPoolExecutor(2), n=30, catch_eval_exceptions=True)
    assert not trials.experiment.state.open
    assert trials.experiment.best.loss is not None


def ends_its_process(config: dict[str, float]) -> float:
    os._exit(1)


class OfTwo(Exception):
    """Pickled, it cannot be read: what its super class was given is not what it takes."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


def raises_what_cannot_be_read(config: dict[str, float]) -> float:
    raise OfTwo("a", "b")


def test_a_pool_that_breaks_leaves_its_trials_queued_and_an_odd_exception_does_not_break_it(trials: Trials) -> None:
    with pytest.raises(BrokenExecutor):
        search(ends_its_process, trials, ProcessPoolExecutor(2), n=2)
    assert {trial.state for trial in trials.experiment.trials} == {"queued"}
    with pytest.raises(AllTrialsFailed):
        search(raises_what_cannot_be_read, trials, ProcessPoolExecutor(2), n=2, catch_eval_exceptions=True)
    assert all((trial.error or "").endswith("OfTwo: ab") for trial in trials.experiment.trials)


def yields(config: dict[str, float]) -> Iterator[float]:
    yield config["x"]


def test_what_is_no_loss_is_named_with_what_to_return(trials: Trials) -> None:
    with pytest.raises(InvalidLoss, match="is a generator") as refused:
        search(yields, trials, ProcessPoolExecutor(1), n=1)
    assert refused.value.hint


SCRIPT = """
import concurrent.futures as cf, multiprocessing, sys
from hstore import Trials, fmin, hp

def square(x):
    return x * x

def maps(config):
    with multiprocessing.Pool(1) as pool:
        return sum(pool.map(square, [config["x"], 1]))

def divides(config):
    return 1 / (config["x"] - config["x"])  # the line

if __name__ == "__main__":
    trials, context = Trials(), multiprocessing.get_context(sys.argv[1])
    with cf.ProcessPoolExecutor(1, mp_context=context) as executor:
        for objective, n in (maps, 1), (divides, 2):
            fmin(objective, hp.choice("c", [{"x": hp.uniform("x", 0, 1)}]), algo="rand", max_evals=n, trials=trials,
                 executor=executor, catch_eval_exceptions=True, verbose=False, rstate=0)
    first, last = trials.experiment.trials
    print(first.state, last.end.traceback)
"""


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_functions_of_the_script_are_in_main_and_its_lines_in_tracebacks(start: str, tmp_path: Path) -> None:
    script = tmp_path / "tune.py"
    script.write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, script, start], capture_output=True, text=True, timeout=GENEROUS, check=True
    )
    assert ended.stdout.startswith("done ")
    assert f'File "{script}", line ' in ended.stdout
    assert 'return 1 / (config["x"] - config["x"])  # the line' in ended.stdout


def with_its_causes(error: RuntimeError) -> tuple[Any, ...]:
    """Reduce *error* to what tblib, so Dask, reduces exceptions to: those that it came from are pickled with it."""
    return type(error), error.args, {"__dict__": dict(error.__dict__), "from": (error.__cause__, error.__context__)}


def test_an_odd_exception_breaks_no_pool_where_exceptions_are_pickled_with_what_they_came_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(copyreg.dispatch_table, OfTwo, raising=False)  # tblib, once in use, reads it too
    monkeypatch.setitem(copyreg.dispatch_table, RuntimeError, with_its_causes)
    trials = Trials()
    with pytest.raises(AllTrialsFailed):
        search(raises_what_cannot_be_read, trials, ProcessPoolExecutor(2), n=2, catch_eval_exceptions=True)
    assert {trial.error for trial in trials.experiment.trials} == {"RuntimeError: OfTwo: ab"}
    assert all(
        isinstance(trial.end, Failed) and "raise OfTwo" in (trial.end.traceback or "")
        for trial in trials.experiment.trials
    )


def test_all_failing_is_all_failing(trials: Trials) -> None:
    def fails(config: dict[str, float]) -> float:
        raise OSError("the disk is full")

    with pytest.raises(AllTrialsFailed, match="the disk is full"):
        search(fails, trials, ThreadPoolExecutor(2), n=3, catch_eval_exceptions=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [({"executor": 3}, "executor must be"), ({"executor": ThreadPoolExecutor(1), "workers": 2}, "not both")],
)
def test_what_is_no_executor_is_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValue, match=said):
        fmin(square, SPACE, "rand", 1, verbose=False, **options)


def test_a_ctrl_needs_threads() -> None:
    with pytest.raises(InvalidValue, match="takes a ctrl"), ProcessPoolExecutor(1) as executor:
        fmin(lambda config, ctrl: 0.0, SPACE, "rand", 1, verbose=False, executor=executor)


@pytest.mark.parametrize("width", [2, 8])
def test_where_all_points_are_being_tried_their_ends_say_which_is_evaluated_again(width: int) -> None:
    trials, noise = Trials(), iter(range(100))
    with ThreadPoolExecutor(width) as executor:
        fmin(
            lambda c: 10 * c + 0.01 * next(noise), hp.choice("c", [0, 1, 2]), max_evals=20, trials=trials, rstate=0,
            verbose=False, executor=executor, replicates=3,
        )  # fmt: skip
    first = next(trial.tid for trial in trials.experiment.trials if trial.params["c"] == 0)
    again = [(trial.queued.algorithm or {}).get("replicate_of") for trial in trials.experiment.trials if trial.queued]
    assert again.count(None) == 3
    assert again.count(first) == 2
    assert derive_again(trials.experiment).is_same
