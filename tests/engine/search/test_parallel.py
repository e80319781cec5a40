"""fmin that leaves evaluating to workers: real processes on a real MongoDB."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.waiting import GENEROUS, until
from tests.workers.serving import worker_here

import hstore
from hstore import MongoTrials, Trials, fmin, hp, rand, tpe
from hstore.engine.audit.check import check
from hstore.engine.search.driver import Driver
from hstore.store.errors import AllTrialsFailed, InvalidValue
from hstore.store.experiment import Experiment

SPACE = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", [1, {"y": hp.uniform("y", 0, 1)}])}

quiet = partial(fmin, verbose=False, rstate=np.random.default_rng(0))


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


@contextlib.contextmanager
def worker(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Hand out a running `hstore worker`; kill it in the end if it is still there."""
    environment = os.environ | {"HSTORE_URL": url, "PYTHONPATH": str(Path(__file__).parent)}
    process = subprocess.Popen(
        [sys.executable, "-m", "hstore", "worker", *options],
        env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


inline = partial(worker_here, isolate="none")
"""A worker whose process is not the subject."""


def sound(url: str, name: str) -> Experiment:
    """Return experiment *name* once it was checked."""
    with hstore.open(url) as store:
        assert check(store, name) == []
        return store.experiment(name)


def test_workers_of_its_own_are_started_and_stopped(mongo_url: str) -> None:
    best = quiet(square, SPACE, algo=rand.suggest, max_evals=40, experiment="mine", store=mongo_url, workers=2)
    search = sound(mongo_url, "mine")
    assert best["x"] == search.best.point["x"]
    assert Counter(trial.state for trial in search.trials) == {"done": 40}
    assert search.state.status == "finished"
    workers = {trial.reserved.worker for trial in search.trials if trial.reserved}
    assert 1 <= len(workers) <= 2
    for name in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(int(name.rpartition(":")[2]), 0)


def test_the_points_of_a_random_search_are_those_of_a_serial_one(mongo_url: str) -> None:
    serial = Trials()
    quiet(square, SPACE, algo=rand.suggest, max_evals=20, trials=serial, rstate=np.random.default_rng(5))
    parallel = MongoTrials(mongo_url, exp_key="p")
    with inline(mongo_url, slots=2):
        quiet(
            square, SPACE, algo=rand.suggest, max_evals=20, experiment="p", store=mongo_url, workers=0,
            rstate=np.random.default_rng(5),
        )  # fmt: skip
    parallel.refresh()
    assert parallel.vals == serial.vals
    assert parallel.losses() == serial.losses()


def test_workers_come_by_themselves_and_serve_what_is_open(mongo_url: str) -> None:
    with worker(mongo_url), inline(mongo_url, slots=2):
        trials = MongoTrials(mongo_url, exp_key="theirs")
        best = quiet(square, SPACE, algo=tpe.suggest, max_evals=30, trials=trials)
    assert trials.asynchronous
    assert best == trials.argmin
    assert len(sound(mongo_url, "theirs").trials) == 30


@pytest.mark.long
def test_the_queue_holds_one_trial_for_each_slot_and_one_more(mongo_url: str, tmp_path: Path) -> None:
    go = str(tmp_path / "go")

    def wait_for_it(config: dict[str, Any]) -> float:
        import os
        import time

        while not os.path.exists(go):
            time.sleep(0.02)
        return 0.0

    def states() -> dict[str, int]:
        with hstore.open(mongo_url) as store:
            assert store.models is not None
            return tally.counts if (tally := store.models.tally(["q"]).get("q")) else {}

    def let_go() -> None:
        until(lambda: states() == {"running": 2, "queued": 3}, states)
        Path(go).touch()

    thread = threading.Thread(target=let_go)
    thread.start()
    quiet(wait_for_it, SPACE, algo=rand.suggest, max_evals=8, experiment="q", store=mongo_url, workers=2)
    thread.join()
    queued = sound(mongo_url, "q").trials[0].queued
    assert queued is not None
    assert list(queued.batch or ()) == [0, 3]


def test_an_algorithm_hears_of_every_end_whoever_brought_it(mongo_url: str) -> None:
    with inline(mongo_url, slots=2):
        quiet(
            square, SPACE, algo=partial(tpe.suggest, n_startup_jobs=5), max_evals=40, experiment="heard",
            store=mongo_url, workers=0, points_to_evaluate=[{"x": 0.5, "c": {"y": 0.25}}],
        )  # fmt: skip
    search = sound(mongo_url, "heard")
    assert len(search.trials) == 41
    assert search.trials[0].point == {"x": 0.5, "c": 1, "y": 0.25}


@pytest.mark.parametrize(
    "by",
    ["timeout", *(pytest.param(by, marks=pytest.mark.long) for by in ("loss_threshold", "early_stop_fn"))],
)
def test_a_search_that_ends_early_cancels_what_is_left(
    mongo_url: str, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_over = Driver._is_over

    def is_over_and_both_workers_are_held_up(driver: Driver, began: float) -> bool:
        state = driver.experiment.state
        slow = [
            tid for tid in state.open if state.trials[tid].state == "running" and state.trials[tid].point["x"] < -0.6
        ]
        return is_over(driver, began) and len(slow) >= 2

    if by == "timeout":  # how far it comes in two seconds depends on the machine
        monkeypatch.setattr(Driver, "_is_over", is_over_and_both_workers_are_held_up)

    def slow_after_a_while(config: dict[str, Any]) -> float:
        if config["x"] < -0.6:
            time.sleep(600)  # the second and the sixth trial of this seed; killed by then
        return float(config["x"] ** 2)

    arguments: dict[str, dict[str, Any]] = {
        "timeout": {"timeout": 2.0, "return_argmin": False},  # a slow machine has no loss by then
        "loss_threshold": {"loss_threshold": 10.0},
        "early_stop_fn": {"early_stop_fn": lambda trials: (len(trials.trials) > 2, [])},
    }
    how = arguments[by]
    quiet(
        slow_after_a_while, SPACE, algo=rand.suggest, max_evals=1000, experiment="early", store=mongo_url, workers=2,
        grace=0.3, rstate=5, **how,
    )  # fmt: skip
    search = sound(mongo_url, "early")
    assert search.state.status == "finished"
    assert search.state.why == by.removesuffix("_fn")
    assert not search.state.open
    assert len(search.trials) < 1000
    if by == "timeout":
        assert search.state.counts["cancelled"] >= 2


def test_it_says_that_no_worker_is_there_and_how_to_start_one(
    mongo_url: str, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.engine.search.parallel.FIRST_WORD", 0.2)

    def help_is_asked_for() -> bool:
        said = "\n".join(messages)
        return "start one: hstore --store" in said and "worker alone" in said

    thread = threading.Thread(
        target=lambda: quiet(
            square, SPACE, algo=rand.suggest, max_evals=3, experiment="alone", store=mongo_url, workers=0
        )
    )
    thread.start()
    until(help_is_asked_for)
    with inline(mongo_url, experiments=["alone"]):
        thread.join(GENEROUS)
    assert not thread.is_alive()


def test_a_driver_that_was_killed_is_continued_by_the_same_call(mongo_url: str) -> None:
    code = f"""
import numpy as np
from hstore import fmin, hp, rand
fmin(lambda c: c["x"] ** 2, {{"x": hp.uniform("x", -1, 1)}}, algo=rand.suggest, max_evals=100,
     rstate=np.random.default_rng(3), verbose=False, experiment="go-on", store={mongo_url!r}, workers=0)
"""
    with inline(mongo_url), hstore.open(mongo_url) as store:
        for wanted in (20, 60):
            driver = subprocess.Popen([sys.executable, "-c", code])
            until(lambda: store.models and sum(e["trials"] for e in store.models.overview()) >= wanted)  # noqa: B023
            driver.kill()
            driver.wait()
        assert subprocess.run([sys.executable, "-c", code], timeout=GENEROUS, check=True).returncode == 0
    assert len(sound(mongo_url, "go-on").trials) == 100


def test_ctrl_c_stops_its_workers_and_what_they_held_goes_on_later(mongo_url: str) -> None:
    code = f"""
import time
import numpy as np
from hstore import fmin, hp, rand
fmin(lambda c: time.sleep(600), {{"x": hp.uniform("x", -1, 1)}}, algo=rand.suggest, max_evals=4,
     rstate=np.random.default_rng(3), show_progressbar=False, experiment="interrupted", store={mongo_url!r}, workers=2)
"""
    with hstore.open(mongo_url) as store:
        driver = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
        claims = store.claims
        assert claims is not None
        until(lambda: len([held for held in claims.held() if held.beat]) == 2)
        driver.send_signal(signal.SIGINT)
        _, said = driver.communicate(timeout=GENEROUS)
        assert "the same call continues experiment 'interrupted'" in said
        search = store.experiment("interrupted")
        assert Counter(trial.state for trial in search.trials) == {"queued": len(search.trials)}
        assert sorted(trial.retries.get("interrupted", 0) for trial in search.trials)[-2:] == [1, 1]
        assert search.state.status == "open"


def test_an_objective_that_no_worker_can_load_ends_the_search(mongo_url: str, tmp_path: Path) -> None:
    (tmp_path / "only_here.py").write_text("def objective(config):\n    return 0.0\n")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
import only_here
sys.path.pop(0)
from hstore import fmin, hp
fmin(only_here.objective, {{"x": hp.uniform("x", -1, 1)}}, max_evals=4, verbose=False, experiment="elsewhere",
     store={mongo_url!r}, workers=2)
"""
    ran = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, timeout=GENEROUS)
    assert ran.returncode == 1
    assert "CannotLoad: no worker can load the objective: cannot import only_here:objective" in ran.stderr
    with hstore.open(mongo_url) as store:
        assert {event.type for event in store.experiment("elsewhere").events} <= {"created", "queued"}


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"workers": -1}, "workers must be"),
        ({"workers": 2}, "workers need a store"),
        ({"retries": {"sometimes": 1}}, "retries cannot hold 'sometimes'"),
        ({"grace": -1}, "grace must be"),
    ],
    ids=["negative", "memory", "retries", "grace"],
)
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidValue, match=complaint):
        quiet(square, SPACE, max_evals=2, **arguments)


def test_the_retry_policy_is_recorded_and_kept(mongo_url: str) -> None:
    def raises(config: dict[str, Any]) -> float:
        raise RuntimeError("no")

    with contextlib.suppress(AllTrialsFailed), inline(mongo_url):
        quiet(
            raises, SPACE, algo=rand.suggest, max_evals=2, experiment="again", store=mongo_url, workers=0,
            retries={"failed": 2},
        )  # fmt: skip
    search = sound(mongo_url, "again")
    assert search.state.created is not None
    assert search.state.created.retries == {"lost": 2, "interrupted": 2, "failed": 2, "timeout": 0}
    for trial in search.trials:
        types = [event.type for event in search.chain(trial.tid) if event.type != "reported"]
        assert types == ["queued"] + ["reserved", "running", "failed", "requeued"] * 2 + [
            "reserved",
            "running",
            "failed",
        ]
