"""A search whose MongoDB is killed, frozen or restarted waits, says so, and goes on."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import pytest
from tests.waiting import GENEROUS

import hstore
from hstore.engine.audit.replay import derive_again
from hstore.store.server import EmbeddedServer, ensure_server

SEARCH = """
import sys, time
import numpy as np
from hstore import fmin, hp, rand

def objective(config):
    print("trial", flush=True)
    time.sleep(0.01)  # an objective takes time
    return config["x"] ** 2

fmin(objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=int(sys.argv[2]), show_progressbar=False,
     rstate=np.random.default_rng(0), experiment="outage", store=sys.argv[1] or None)
"""
TRIALS = 60


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedServer]:
    """An embedded server of the test's own."""
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("HSTORE_URL", raising=False)
    server = ensure_server()
    yield server
    server.release()


def start() -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SEARCH, "", str(TRIALS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def await_line(stream: IO[str] | None, text: str, times: int = 1) -> None:
    assert stream is not None
    for line in stream:
        times -= text in line
        if times == 0:
            return
    raise AssertionError(f"the search ended before it said {text!r}")


def check(search: subprocess.Popen[str]) -> None:
    _, said = search.communicate(timeout=GENEROUS)
    assert search.returncode == 0, said
    with hstore.open() as store:
        experiment = store.experiment("outage")
        assert [trial.state for trial in experiment.trials] == ["done"] * TRIALS
        assert experiment.state.status == "finished"
        assert derive_again(experiment).is_same
        assert {event.type for event in experiment.events} == {
            "created",
            "queued",
            "reserved",
            "running",
            "done",
            "finished",
        }


@pytest.mark.parametrize("how", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.long)])
def test_a_mongod_that_ends_under_a_search_is_started_again_and_the_search_goes_on(
    how: signal.Signals, server: EmbeddedServer
) -> None:
    search = start()
    for _ in range(2):
        await_line(search.stdout, "trial", times=5)
        assert server.pid is not None
        os.kill(server.pid, how)
        await_line(search.stderr, "waiting")
    check(search)


@pytest.mark.long
def test_a_search_waits_for_a_frozen_mongod_and_says_so(server: EmbeddedServer) -> None:
    search = start()
    await_line(search.stdout, "trial", times=5)
    frozen = psutil.Process(server.pid)
    frozen.suspend()
    try:
        await_line(search.stderr, "waiting")
    finally:
        frozen.resume()
    check(search)
