"""Workers through executors: pools of processes, threads, Dask; each time they do a whole search."""

import multiprocessing
import os
import pickle
import signal
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

import numpy as np
import pytest
from distributed import Client, LocalCluster
from tests.waiting import GENEROUS, until

import hstore
from hstore import fmin, hp, rand
from hstore.store.errors import InvalidValue, StoreUnreachable
from hstore.workers import run_in
from hstore.workers.run_in import _run

N = 2
JOBS = 4
"""What each worker takes before it leaves, so that both must have worked when the search is over."""


def pool(method: str) -> Executor:
    return ProcessPoolExecutor(N, mp_context=multiprocessing.get_context(method))


@contextmanager
def dask() -> Iterator[Executor]:
    cluster = LocalCluster(n_workers=N, threads_per_worker=1, processes=True, dashboard_address=":0")
    with cluster, Client(cluster) as client:
        yield client.get_executor()


EXECUTORS: dict[str, Callable[[], AbstractContextManager[Executor]]] = {
    "fork": partial(pool, "fork"),
    "forkserver": partial(pool, "forkserver"),
    "spawn": partial(pool, "spawn"),
    "threads": partial(ThreadPoolExecutor, N),
    "dask": dask,
}


def search(url: str | None, max_evals: int = N * JOBS, *, loads_in: float = 0.0, takes: float = 0.0) -> None:
    class Slow:
        def __reduce__(self) -> tuple[Any, ...]:
            return time.sleep, (loads_in,)

    slow = Slow()

    def objective(config: Any, _: Any = slow) -> float:
        import time

        time.sleep(takes)
        return float(config["x"] ** 2)

    fmin(
        objective,
        {"x": hp.uniform("x", -1, 1)},
        algo=rand.suggest,
        max_evals=max_evals,
        timeout=GENEROUS,  # a failure must not keep the executors waiting for ever
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment="e",
        store=url,
        workers=0,
    )


class Recorder(Executor):
    """Runs nothing and remembers what it should have run."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.calls.append((fn, *args))
        assert not kwargs
        return Future()


@pytest.mark.parametrize(
    "kind",
    ["fork", "threads", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("dask", "forkserver", "spawn"))],
)
def test_workers_in_an_executor_do_a_search(kind: str, mongo_url: str) -> None:
    with hstore.open(mongo_url) as store:  # a forked worker must not use this connection
        with EXECUTORS[kind]() as executor:
            futures = run_in(executor, N, mongo_url, max_jobs=JOBS, max_runtime=60, name="w")
            search(mongo_url)
            assert [future.result(GENEROUS) for future in futures] == [0, 0]
        trials = store.experiment("e").trials
    assert Counter(trial.state for trial in trials) == {"done": N * JOBS}
    assert Counter(trial.reserved.worker for trial in trials if trial.reserved) == {"w-0": JOBS, "w-1": JOBS}


@pytest.mark.parametrize("kind", ["fork", "spawn", "threads"])
def test_without_a_url_they_share_the_embedded_server(kind: str) -> None:
    with hstore.open() as store:
        with EXECUTORS[kind]() as executor:
            futures = run_in(executor, 1, max_jobs=2, max_runtime=60)
            search(None, 2)
            assert futures[0].result(GENEROUS) == 0
        assert store.experiment("e").state.counts == {"done": 2}


def test_without_a_url_a_worker_elsewhere_says_so_instead_of_serving_an_empty_store() -> None:
    with pytest.raises(StoreUnreachable, match="the embedded MongoDB of elsewhere cannot be used on"):
        _run(None, "elsewhere", {}, "")


def test_the_url_of_the_environment_here_is_what_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_URL", "mongodb://there/lab")
    executor = Recorder()
    run_in(executor, 1)
    run_in(executor, 1, "mongodb://other/lab")
    assert [call[1:3] for call in executor.calls] == [("mongodb://there/lab", None), ("mongodb://other/lab", None)]


def test_each_call_can_be_sent_elsewhere_and_is_unlike_the_others() -> None:
    executor = Recorder()
    run_in(executor, 3, slots=2, burst=True)
    calls = {pickle.dumps(call) for call in executor.calls}
    assert len(calls) == 3
    assert [call[2:4] for call in executor.calls] == [(socket.gethostname(), {"slots": 2, "burst": True})] * 3


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_what_is_no_number_of_workers_is_refused(n: Any) -> None:
    with pytest.raises(InvalidValue, match="whole number of at least 1"):
        run_in(Recorder(), n, "mongodb://host/lab")


def test_what_a_worker_raises_comes_back(mongo_url: str) -> None:
    with pool("spawn") as executor:
        (future,) = run_in(executor, 1, mongo_url, experiments=["nothing-there"])
        with pytest.raises(hstore.errors.NotFound, match="nothing-there") as caught:
            future.result(GENEROUS)
    assert caught.value.exit_code == 3


@pytest.mark.long
def test_dask_begins_the_loop_again_whose_worker_was_killed(mongo_url: str) -> None:
    cluster = LocalCluster(n_workers=N, threads_per_worker=1, processes=True, dashboard_address=":0")
    with hstore.open(mongo_url) as store, ThreadPoolExecutor(1) as driver, cluster, Client(cluster) as client:
        pids = list(client.run(os.getpid).values())
        searched = driver.submit(search, mongo_url, 20, takes=0.3)
        until(lambda: "e" in store.experiments())
        futures = run_in(client.get_executor(), N, mongo_url, experiments=["e"], lease=2.0, max_idle=15.0)
        until(lambda: len(store.experiment("e").state.counts) > 1)
        os.kill(pids[0], signal.SIGKILL)
        searched.result(GENEROUS)
        assert [future.result(GENEROUS) for future in futures] == [0, 0]
        assert store.experiment("e").state.counts == {"done": 20}


def test_a_worker_in_a_thread_leaves_signals_alone(mongo_url: str) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)]
    with ThreadPoolExecutor(1) as executor:
        (future,) = run_in(executor, 1, mongo_url, max_idle=0.1)
        assert future.result(GENEROUS) == 0
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)] == before


def test_a_worker_that_loads_an_objective_is_not_idle(mongo_url: str) -> None:
    with hstore.open(mongo_url) as store, ThreadPoolExecutor(1) as driver, pool("spawn") as executor:
        searched = driver.submit(search, mongo_url, 1, loads_in=3.0)
        until(lambda: "e" in store.experiments())
        (future,) = run_in(executor, 1, mongo_url, max_idle=1.5)
        assert future.result(GENEROUS) == 0
        searched.result(GENEROUS)


@pytest.mark.long
def test_a_signal_ends_a_worker_in_a_pool_and_the_pool_goes_on(mongo_url: str) -> None:
    with hstore.open(mongo_url) as store, pool("spawn") as executor:
        pid = executor.submit(os.getpid).result(GENEROUS)
        (future,) = run_in(executor, 1, mongo_url)
        assert store.claims is not None
        until(lambda: bool(store.claims.workers()))
        os.kill(pid, signal.SIGTERM)
        assert future.result(GENEROUS) == 143
        assert executor.submit(os.getpid).result(GENEROUS) == pid
