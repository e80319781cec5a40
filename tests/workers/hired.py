"""Workers as processes whose words are read as they come, and searches that leave their trials to them."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.waiting import GENEROUS, until, until_read

import hstore
from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.search.control import stop
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import Cancelled, Event, Reported
from hstore.store.experiment import Experiment

Objective = Callable[[Any], Any]


class Worker:
    """A running `hstore worker`; what it says is read as it comes."""

    def __init__(self, url: str, *options: str, path: Path | None = None) -> None:
        command = [sys.executable, "-m", "hstore", "--store", url, "worker", *options]
        environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe)
        self._heard = {"stderr": b"", "stdout": b""}
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._heard]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        with getattr(self.process, name) as stream:
            while chunk := os.read(stream.fileno(), 1 << 20):
                self._heard[name] = (self._heard[name] + chunk)[-100_000:]

    @property
    def said(self) -> str:
        return self._heard["stderr"].decode()

    @property
    def printed(self) -> str:
        return self._heard["stdout"].decode(errors="replace")

    def until(self, text: str) -> str:
        """Return what it has said, once *text* is a part of it."""
        until(lambda: text in self.said or self.process.poll() is not None, lambda: self.said)
        until(lambda: text in self.said, lambda: self.said)
        return self.said

    def end(self) -> int:
        """Return its exit code."""
        code = self.process.wait(GENEROUS)
        for reader in self._readers:
            reader.join(GENEROUS)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Have it stop; return its exit code."""
        self.process.send_signal(number)
        return self.end()

    def close(self) -> None:
        self.process.kill()
        self.end()


Hire = Callable[..., Worker]


class Search:
    """A search "e" in a thread, whose trials are left to workers."""

    def __init__(self, url: str, objective: Objective, max_evals: int, space: Any, **options: Any) -> None:
        self.url = url
        space = {"x": hp.uniform("x", -1, 1)} if space is None else space
        self._arguments = (objective, space), {"max_evals": max_evals, **options}
        self._thread = threading.Thread(target=self._run, name="search")
        self._thread.start()
        self._store = hstore.open(url)
        self._is_closed = False
        self.experiment = Experiment(self._store, "e")
        self.until(lambda: self.experiment.state.created is not None)

    def _run(self) -> None:
        args, options = self._arguments
        defaults = {"algo": rand.suggest, "rstate": 0, "verbose": False, "catch_eval_exceptions": True}
        with contextlib.suppress(AllTrialsFailed):
            fmin(*args, **{**defaults, **options}, experiment="e", store=self.url, workers=0, return_argmin=False)

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Return what *is_so* returns as soon as that is true."""
        return until_read(self.experiment, is_so)

    def until_finished(self) -> dict[str, int]:
        """Return how many trials there are of each state, once the search is over; it must be sound."""
        self.until(lambda: self.experiment.state.status == "finished" and not self.experiment.state.open)
        self._thread.join(GENEROUS)
        assert not self._thread.is_alive()
        assert check(self._store, "e") == []
        return dict(self.experiment.state.counts)

    def events(self, kind: type[Event], tid: int | None = None) -> list[Any]:
        events = self._store.experiment("e").events  # read anew: of chains that have ended a reader hears no more
        return [event for event in events if isinstance(event, kind) and tid in (None, event.tid)]

    def reports(self, name: str, tid: int = 0) -> list[Any]:
        """Return what was reported of a trial under *name*."""
        return [getattr(e, name) for e in self.events(Reported, tid) if getattr(e, name) is not None]

    def attachment(self, tid: int, name: str) -> bytes:
        sha256 = self.experiment.state.trials[tid].attachments[name]["sha256"]
        return self._store.attachments.get(sha256)

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        stop(self.experiment, "the test is over", now=True)
        self._thread.join(GENEROUS)
        self._store.close()


Begin = Callable[..., Search]


def cancel(search: Search, tid: int) -> None:
    search.experiment.refresh()
    search.experiment.append(search.experiment.compose((Cancelled, tid, {"why": "by hand"})))
