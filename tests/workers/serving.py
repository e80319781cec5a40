"""Searches without a driver, and workers for them."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.waiting import GENEROUS

from hstore import hp
from hstore.cli.app import run
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.search import seeds
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.space import compile_space
from hstore.store.events import Queued
from hstore.store.experiment import Experiment
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.workers.worker import Worker
from hstore.workers.worker_options import WorkerOptions

SPACE = compile_space({"x": hp.uniform("x", -1, 1)})
QUICKLY = ("--lease", "1.5", "--poll-interval", "0.5")


def begin(
    store: Store, name: str, objective: Callable[..., Any], trials: int, *, max_evals: int | None = None, **retries: int
) -> Experiment:
    """Return a new experiment with so many queued trials, and no driver."""
    experiment = Experiment(store, name)
    domain = Domain(objective, SPACE)
    policy = {"lost": 2, "interrupted": 2, "failed": 0, "timeout": 0} | retries
    created = {
        "space": SPACE.to_data(), "objective": objective_spec.record(domain, store.attachments),
        "limits": {"max_evals": max_evals},
        "algorithm": {"name": "rand", "version": 1, "settings": {}}, "generator": seeds.to_data(seeds.as_generator(0)),
        "retries": policy, "fingerprint": fingerprint(),
    }  # fmt: skip
    assert experiment.begin(created)
    enqueue(experiment, trials)
    return experiment


def enqueue(experiment: Experiment, n: int) -> None:
    """Queue so many trials."""
    experiment.refresh()
    first = len(experiment.state.trials)
    points = [{"x": (tid % 19 - 9) / 10} for tid in range(first, first + n)]
    data = [{"point": point, "params": point, "source": "enqueued"} for point in points]
    experiment.append(experiment.compose(*[(Queued, first + i, d) for i, d in enumerate(data)]))


@contextlib.contextmanager
def worker(url: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Hand out a running `hstore worker` of short leases; kill it in the end."""
    command = [sys.executable, "-m", "hstore", "worker", *QUICKLY, *options]
    process = subprocess.Popen(
        command, env=os.environ | {"HSTORE_URL": url}, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@contextlib.contextmanager
def worker_here(url: str, **options: Any) -> Iterator[Worker]:
    """Have a worker serve the store in a thread of this process, and stop it in the end; its children are real."""
    with open_store(url) as store:
        worker = Worker(store, WorkerOptions(**{"poll_interval": 0.5, "quiet": True, **options}))
        codes: list[int] = []
        thread = threading.Thread(target=lambda: codes.append(worker.run()), name="worker")
        thread.start()
        try:
            yield worker
        finally:
            for _ in range(2):  # what still runs is not waited for
                worker.stop(signal.SIGTERM)
            thread.join(GENEROUS)
        assert codes == [128 + signal.SIGTERM]


def ran(url: str, *options: str) -> tuple[int, str]:
    """Return the exit code of `hstore worker` in this process, and what it said; its children are real all the same."""
    here = contextlib.chdir(Path.cwd())  # with --isolate none it goes to its folder
    with here, contextlib.redirect_stderr(io.StringIO()) as said, contextlib.redirect_stdout(io.StringIO()):
        code = run(["--store", url, "worker", *QUICKLY, *options])
    return code, said.getvalue()


def is_running(experiment: Experiment, n: int = 1) -> Callable[[], bool]:
    return lambda: experiment.state.counts.get("running", 0) >= n


def is_over(experiment: Experiment) -> Callable[[], bool]:
    return lambda: not experiment.state.open
