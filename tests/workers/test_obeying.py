"""What people ask of a search reaches workers: they take no more, let go, and go on, as they are told."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import GENEROUS, until_read
from tests.workers.serving import worker_here

import hstore
from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.search.control import pause, resume, retry, stop
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import Finished
from hstore.store.experiment import Experiment
from hstore.workers import reaper

workers = partial(worker_here, slots=2, grace=0.2, poll_interval=1.0)


class Search:
    """A search in a thread, whose trials end when they are let."""

    def __init__(self, url: str, folder: Path, max_evals: int) -> None:
        self.url = url
        self.gate = folder / "go"
        self.mended = folder / "mended"
        self._thread = threading.Thread(target=self._run, args=(max_evals,), name="search")
        self._thread.start()
        self._store = hstore.open(url)
        self.experiment = Experiment(self._store, "e")
        self.until(lambda: self.experiment.state.created is not None)

    def _run(self, max_evals: int) -> None:
        gate, mended = self.gate, self.mended

        def objective(config: dict[str, Any]) -> float:
            while not gate.exists():
                time.sleep(0.01)
            if config["x"] > 0 and not mended.exists():
                raise ValueError("too far")
            return float(config["x"])

        with suppress(AllTrialsFailed):  # if all were cancelled
            fmin(
                objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=max_evals, rstate=0,
                verbose=False, experiment="e", store=self.url, workers=0, return_argmin=False,
            )  # fmt: skip

    def until(self, is_so: Callable[[], object]) -> None:
        """Wait for something to be so."""
        until_read(self.experiment, is_so)

    def count(self, *states: str) -> int:
        return sum(self.experiment.state.counts.get(state, 0) for state in states)

    def join(self) -> None:
        self._thread.join(GENEROUS)
        assert not self._thread.is_alive()

    def close(self) -> None:
        stop(self.experiment, "the test is over", now=True)
        self.join()
        self._store.close()


@pytest.fixture(autouse=True)
def _the_reaper_looks_every_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reaper, "REPAIR_SECONDS", 1.0)


@pytest.fixture
def search(mongo_url: str, tmp_path: Path) -> Iterator[Search]:
    """A search of twelve trials."""
    search = Search(mongo_url, tmp_path, max_evals=12)
    yield search
    search.close()


def findings(url: str) -> list[Any]:
    with hstore.open(url) as store:
        return list(check(store, "e"))


def test_paused_workers_end_what_they_have_and_take_no_more(search: Search, mongo_url: str) -> None:
    with workers(mongo_url):
        search.until(lambda: search.count("running") == 2 and search.count("queued"))
        assert len(pause(search.experiment, "lunch").running) == 2
        search.gate.touch()
        search.until(lambda: search.count("done", "failed") == 2)
        ended = search.experiment.state.events
        search.experiment.wait(1.0)
        search.experiment.refresh()
        assert search.experiment.state.events == ended, "nothing was suggested or taken"
        resume(search.experiment, "back")
        search.join()
        search.until(lambda: search.experiment.state.status == "finished")
    assert search.count("done", "failed") == 12
    assert findings(mongo_url) == []


def test_what_is_taken_from_a_worker_by_a_pause_is_evaluated_again(search: Search, mongo_url: str) -> None:
    with workers(mongo_url):
        search.until(lambda: search.count("running") == 2)
        outcome = pause(search.experiment, "at once", now=True)
        assert outcome.running == ()
        search.gate.touch()
        resume(search.experiment, "back")
        search.join()
        search.until(lambda: search.experiment.state.status == "finished")
    tid = next(event.tid for event in outcome.written if event.tid is not None)
    # What the first worker still brought may be noted anywhere behind.
    types = [event.type for event in search.experiment.chain(tid) if event.type != "noted"]
    assert types[:5] == ["queued", "reserved", "running", "requeued", "reserved"]
    assert types.count("done") + types.count("failed") == 1
    assert findings(mongo_url) == []


def test_a_stop_without_a_driver_is_concluded_when_the_last_trial_has_ended(mongo_url: str, tmp_path: Path) -> None:
    code = (
        "import os, sys, threading; sys.path.insert(0, sys.argv[1]);"
        "from pathlib import Path; from test_obeying import Search;"
        "s = Search(sys.argv[2], Path(sys.argv[3]), 12); s.until(lambda: s.count('running') == 2); os._exit(0)"
    )
    with workers(mongo_url):
        subprocess.run([sys.executable, "-c", code, Path(__file__).parent, mongo_url, tmp_path], check=True)
        with hstore.open(mongo_url) as store:
            experiment = store.experiment("e")
            assert len(stop(experiment, "enough").running) == 2
            (tmp_path / "go").touch()
            deadline = time.monotonic() + GENEROUS
            while sum(isinstance(event, Finished) for event in experiment.chain(None)) < 2:
                assert time.monotonic() < deadline
                experiment.wait(1.0)
                experiment.refresh()
            assert experiment.state.why == "enough"
            while findings(mongo_url):  # what is in the log is shown a moment later
                assert time.monotonic() < deadline
                experiment.wait(0.2)


def test_a_stop_now_takes_everything_away_at_once(search: Search, mongo_url: str) -> None:
    with workers(mongo_url):
        search.until(lambda: search.count("running") == 2)
        stop(search.experiment, "never mind", now=True)
        search.join()
        search.until(lambda: search.experiment.state.status == "finished")
        assert set(search.experiment.state.counts) == {"cancelled"}
    assert findings(mongo_url) == []


def test_what_failed_is_evaluated_again_when_asked_for(search: Search, mongo_url: str) -> None:
    with workers(mongo_url):
        search.gate.touch()
        search.join()
        search.until(lambda: search.experiment.state.status == "finished")
        failed = search.count("failed")
        assert failed
        search.mended.touch()
        assert len(retry(search.experiment, "failed").written) == failed + 2
        search.until(lambda: search.count("done") == 12)
        search.until(lambda: search.experiment.state.status == "finished")
        search.until(lambda: findings(mongo_url) == [])  # what is in the log is shown a moment later
