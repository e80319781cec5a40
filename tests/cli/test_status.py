"""`hstore status` on real stores: what it says of a search at work, of its workers, and when no worker is there."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from typing import Any

import pytest
from histories import begin
from tests.cli.commands import run
from tests.waiting import GENEROUS

from hstore.cli.status import ago, span
from hstore.engine.search.control import pause, stop
from hstore.store.events import Changed, Done, Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.store import Store


def queue(experiment: Experiment, n: int) -> None:
    for tid in range(first := len(experiment.state.trials), first + n):
        experiment.append(experiment.compose((Queued, tid, {"point": {"x": 0.5}, "params": {"x": 0.5}})))


def take(experiment: Experiment, tid: int, worker: str) -> None:
    reserved = {"worker": worker, "host": "h", "attempt": 1}
    running = {"pid": 1, "python": "3", "hstore": "0"}
    experiment.append(experiment.compose((Reserved, tid, reserved), (Running, tid, running)))


def end(experiment: Experiment, tid: int, loss: float = 0.25) -> None:
    data = {"result": {"status": "ok", "loss": loss}, "status": "ok", "loss": loss}
    experiment.append(experiment.compose((Done, tid, data)))


def present(store: Store, name: str, *experiments: str, seconds: float = 60.0, holds: Any = ()) -> None:
    assert store.claims is not None
    about = {"host": "h", "pid": 1, "state": "idle", "slots": 1, "experiments": [*experiments], "holds": [*holds]}
    store.claims.announce(name, f"session of {name}", seconds, about)


@pytest.fixture
def search(mongo_store: Store) -> Experiment:
    """Twelve trials: two done, one running, nine queued."""
    experiment = begin(mongo_store, "demo")
    experiment.append(experiment.compose((Changed, None, {"limits": {"max_evals": 20}})))
    queue(experiment, 12)
    for tid, loss in ((0, 0.75), (1, 0.25)):
        take(experiment, tid, "alpha")
        end(experiment, tid, loss)
    take(experiment, 2, "alpha")
    return experiment


def test_it_tells_of_counts_best_rate_and_end(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "status", "demo")
    assert result.exit_code == 0
    assert "experiment demo: open" in result.stdout
    assert re.search(r"trials     9 queued, 1 running, 2 done; 2 of 20 have ended", result.stdout)
    assert "best       trial 1, loss 0.25: x=0.5" in result.stdout
    assert re.search(r"rate       \S+ trials per minute; done in .*, at \d{4}-\d\d-\d\d \d\d:\d\d UTC", result.stdout)


def test_it_tells_which_worker_holds_what_and_when_it_was_heard_of(search: Experiment, mongo_url: str) -> None:
    present(search.store, "alpha", "demo", holds=[{"exp": "demo", "tid": 2}])
    present(search.store, "beta", "demo")
    present(search.store, "gamma", "other")
    result = run(mongo_url, "status", "demo").stdout
    assert re.search(r"alpha +busy +2 +\S+ s +\S+ s ago", result)
    assert re.search(r"beta +idle +- +- +\S+ s ago", result)
    assert "gamma" not in result
    assert "no worker" not in result


def test_a_worker_that_serves_a_search_no_more_may_still_hold_a_trial(search: Experiment, mongo_url: str) -> None:
    present(search.store, "alpha", "other")
    assert re.search(r"alpha +busy +2 ", run(mongo_url, "status", "demo").stdout)


def test_a_worker_that_fell_silent_is_no_longer_there(search: Experiment, mongo_url: str) -> None:
    store = search.store
    assert store.claims is not None
    present(store, "alpha", "demo", seconds=-1.0)
    store.claims.extend("session of alpha", {("demo", 2): 1}, seconds=-1.0)
    result = run(mongo_url, "status", "demo").stdout
    assert re.search(r"alpha +silent +2", result)
    assert (
        f"9 trials are queued and no worker is connected; start one with `hstore --store {store.url} worker demo`"
        in result
    )


def test_a_search_in_one_process_needs_no_worker(search: Experiment, mongo_url: str) -> None:
    assert "no worker is connected" not in run(mongo_url, "status", "demo").stdout


def test_it_says_why_a_search_is_paused_or_finished(search: Experiment, mongo_url: str) -> None:
    pause(search, "for lunch", now=True)
    result = run(mongo_url, "status", "demo").stdout
    assert "experiment demo: paused (for lunch)" in result
    assert "hstore resume demo" in result
    assert "no worker" not in result
    assert "rate" not in result
    stop(search, "enough", now=True)
    assert "experiment demo: finished (enough)" in run(mongo_url, "status", "demo").stdout


def test_json_says_the_same_to_programs(search: Experiment, mongo_url: str) -> None:
    present(search.store, "alpha", "demo")
    answer = json.loads(run(mongo_url, "status", "demo", "--json").stdout)
    assert (answer["name"], answer["status"], answer["ended"], answer["of"]) == ("demo", "open", 2, 20)
    assert answer["counts"] == {"done": 2, "queued": 9, "running": 1}
    assert answer["best"]["params"] == {"x": 0.5}
    assert answer["seconds_left"] > 0
    assert [(held["tid"], held["worker"]) for held in answer["held"]] == [(2, "alpha")]
    assert [worker["name"] for worker in answer["workers"]] == ["alpha"]


def test_without_a_name_it_tells_of_all_in_a_line_each(search: Experiment, mongo_url: str) -> None:
    stop(begin(search.store, "other"), "enough")
    assert "no worker is connected" in run(mongo_url, "status").stdout
    present(search.store, "alpha", "demo", "other", holds=[{"exp": "demo", "tid": 2}])
    result = run(mongo_url, "status").stdout
    assert re.search(r"demo +open +- +9 queued, 1 running, 2 done +0\.25", result)
    assert re.search(r"other +finished +enough", result)
    assert re.search(r"alpha +idle +demo, other +demo 2 +\S+ s ago", result)
    data = json.loads(run(mongo_url, "status", "--json").stdout)
    assert [each["name"] for each in data["experiments"]] == ["demo", "other"]
    assert [each["name"] for each in data["workers"]] == ["alpha"]


def test_an_empty_store_says_how_to_begin(mongo_url: str) -> None:
    result = run(mongo_url, "status")
    assert (result.exit_code, "experiment=" in result.stdout) == (0, True)


def test_an_experiment_that_is_not_there_is_named(search: Experiment, mongo_url: str) -> None:
    result = run(mongo_url, "status", "dem")
    assert (result.exit_code, result.stdout, "did you mean 'demo'" in result.stderr) == (3, "", True)


def test_watching_ends_with_the_search(search: Experiment, mongo_url: str) -> None:
    watching = subprocess.Popen(
        [sys.executable, "-m", "hstore", "--store", mongo_url, "status", "demo", "--watch", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    assert json.loads(watching.stdout.readline())["counts"]["running"] == 1
    end(search, 2)
    assert json.loads(watching.stdout.readline())["counts"]["done"] == 3
    stop(search, "enough")
    rest, said = watching.communicate(timeout=GENEROUS)
    assert (watching.returncode, said) == (0, "")
    assert json.loads(rest.splitlines()[-1])["status"] == "finished"


def test_watching_a_search_that_has_finished_says_so_and_ends(search: Experiment, mongo_url: str) -> None:
    stop(search, "enough", now=True)
    result = run(mongo_url, "status", "demo", "--watch")
    assert (result.exit_code, result.stdout.count("experiment demo")) == (0, 1)


def read_until(terminal: int, wanted: str, seconds: float = GENEROUS) -> str:
    shown, deadline = "", time.monotonic() + seconds
    while wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))
        assert ready, f"{wanted!r} never came: {shown!r}"
        shown += os.read(terminal, 65536).decode()
    return shown


@pytest.mark.parametrize("args", [("demo",), ()])
def test_a_terminal_is_drawn_anew_until_ctrl_c(search: Experiment, mongo_url: str, args: tuple[str, ...]) -> None:
    mine, theirs = pty.openpty()
    watching = subprocess.Popen(
        [sys.executable, "-m", "hstore", "--store", mongo_url, "status", *args, "--watch"],
        stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    assert "\x1b[2J" in read_until(mine, "2 done")
    end(search, 2)
    shown = read_until(mine, "3 done")
    assert "\x1b[2J" not in shown, "no flicker"
    assert "\x1b[H" in shown
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=GENEROUS)
    assert (watching.returncode, said.strip()) == (130, "")
    os.close(mine)


def test_it_imports_no_numpy(search: Experiment, mongo_url: str) -> None:
    code = (
        "import sys; from hstore.cli.app import run;"
        f"run(['--store', {mongo_url!r}, 'status', 'demo']); print([m for m in ('numpy', 'scipy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.04, "0.0 s"), (4.24, "4.2 s"), (42.4, "42 s"), (89, "89 s"), (180, "3 min"), (5399, "90 min"),
        (19_200, "5 h 20 min"), (7_200, "2 h"), (273_600, "3 d 4 h"), (None, None),
    ],
)  # fmt: skip
def test_times_are_told_as_people_do(seconds: float | None, expected: str | None) -> None:
    assert span(seconds) == expected
    assert ago(seconds) == (None if expected is None else f"{expected} ago")
