"""Trials per second on many local processes, beside other stores; how soon an idle worker begins a trial."""

import contextlib
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.table import show, verdict

WIDTHS = (1, 2, 4, 8)
QUICK = "--quick" in sys.argv
SECONDS = 2.0 if QUICK else 4.0
"""That each peer is measured for."""
TRIALS = {1: 700, 2: 1000, 4: 2000, 8: 3000}
"""Of a search with so many workers: most of it is left when all of them have started."""
LONG, MORE = 10_000, 1500
TURNS = 1 if QUICK else 3
PAUSES = 8 if QUICK else 16
IDLE_SECONDS = 1.2
FLOOR, JOURNAL = "raw pymongo, same durable writes", "Optuna, journal file"
SLOW = ("Optuna, SQLite", "Optuna, PostgreSQL", "hyperopt, long queue")
"""Peers that hstore is to be four times as fast as."""


def objective(config: dict[str, float]) -> float:
    return config["x"] ** 2 + config["y"]


def when(config: dict[str, float]) -> dict[str, Any]:
    """Return when it was called, by a clock that all processes of a machine share."""
    called = time.clock_gettime(time.CLOCK_MONOTONIC)
    return {"status": "ok", "loss": config["x"], "called": called}


def search(url: str, name: str, max_evals: int, fn: Callable[..., Any] = objective, **more: Any) -> None:
    from hstore import fmin, hp, rand

    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    fmin(
        fn, space, algo=rand.suggest, max_evals=max_evals, rstate=np.random.default_rng(0), verbose=False,
        experiment=name, store=url, **more,
    )  # fmt: skip


# -- trials per second ----------------------------------------------------------------------------------------


def hstore_rate(url: str, n: int, max_evals: int, *, name: str = "", done: int = 0) -> float:
    """Return the trials per second of *n* workers in search *name* (or a new one), once all were at it.

    done: the number of trials that it has had before.
    """
    import hstore

    name = name or uuid.uuid4().hex
    search(url, name, max_evals, workers=n)
    ends: dict[tuple[str, int], list[float]] = defaultdict(list)
    with hstore.open(url) as store:
        for trial in store.experiment(name).trials[done:]:
            assert trial.reserved is not None
            assert trial.running is not None
            assert trial.end is not None
            ends[trial.reserved.worker, trial.running.pid].append(trial.end.at.timestamp())
    assert len(ends) == n, f"{len(ends)} of {n} workers took part"
    return peers.steady([moment for moments in ends.values() for moment in moments], max(map(min, ends.values())))


def new_and_long(url: str) -> tuple[float, float]:
    """Return the trials per second of four workers in new searches and in one of 10,000 trials, by turns."""
    name = uuid.uuid4().hex
    search(url, name, LONG, workers=4)
    new, long = [], []
    for done in range(LONG, LONG + TURNS * MORE, MORE):
        new.append(hstore_rate(url, 4, MORE))
        long.append(hstore_rate(url, 4, done + MORE, name=name, done=done))
    return float(np.mean(new)), float(np.mean(long))


def inserts_of_a_trial(url: str) -> list[list[dict[str, Any]]]:
    """Return the documents of one trial as hstore writes them, in one insert per step of its life."""
    import hstore

    name = uuid.uuid4().hex
    search(url, name, 30)
    with hstore.open(url) as store:
        documents = [document for document in store.log.documents(name) if document.get("tid") == 20]
    assert [document["type"] for document in documents] == ["queued", "reserved", "running", "done"]
    return [documents[:1], documents[1:3], documents[3:]]


def rates(url: str, port: int, folder: str) -> dict[str, dict[int, float]]:
    """Trials per second by peer and number of workers."""
    found: dict[str, dict[int, float]] = {}
    trial = inserts_of_a_trial(url)

    def at_each_width(name: str, measure: Callable[[int], float]) -> None:
        found[name] = {n: measure(n) for n in WIDTHS}

    def optuna(name: str, where: Callable[[int], str]) -> None:
        at_each_width(
            name, lambda n: peers.rate_of(peers.optuna_worker, n, *peers.optuna_study(where(n)), seconds=SECONDS)
        )

    def side_by_side() -> None:
        """Measure hstore and the floor; the mean counts if that was done before."""
        for n in WIDTHS:
            before = peers.rate_of(peers.raw, n, url, trial, "raw", seconds=SECONDS / 2)
            ours = hstore_rate(url, n, TRIALS[n])
            after = peers.rate_of(peers.raw, n, url, trial, "raw", seconds=SECONDS / 2)
            for name, rate in (("hstore", ours), (FLOOR, (before + after) / 2)):
                by_width = found.setdefault(name, {})
                by_width[n] = (by_width[n] + rate) / 2 if n in by_width else rate

    side_by_side()
    optuna(JOURNAL, lambda n: f"{folder}/{n}.log")
    optuna("Optuna, SQLite", lambda n: f"sqlite:///{folder}/{n}.db")
    with peers.postgresql() as postgresql_url:
        if postgresql_url is not None:
            optuna("Optuna, PostgreSQL", lambda n: postgresql_url)
        else:
            print("there is no PostgreSQL on this machine: not compared")
    if (python := peers.hyperopt_python()) is not None:
        for how, name, seconds in (("queue", "long queue", 1.5 * SECONDS), ("filled", "queue filled before", SECONDS)):
            at_each_width(
                f"hyperopt, {name}",
                lambda n, how=how, seconds=seconds: peers.hyperopt_rate(python, port, n, how=how, seconds=seconds),  # type: ignore[misc]
            )
        found["hyperopt, as it comes"] = {4: peers.hyperopt_rate(python, port, 4, how="fmin", seconds=10.0)}
    else:
        print(f"hyperopt and pymongo 3 cannot be installed in {peers.HYPEROPT_VENV}: not compared")
    side_by_side()  # again: within minutes a machine gets faster or slower by a third
    return found


def show_rates(found: dict[str, dict[int, float]]) -> None:
    ours = found["hstore"]

    def ratios(name: str, goal: float, widths: tuple[int, ...]) -> tuple[str, ...]:
        cells = (verdict(ours[n] / found[name][n], goal, at_most=False) if n in widths else "" for n in WIDTHS)
        return (f"hstore / {name}", *cells)

    rows: list[tuple[str, ...]] = [("workers", *map(str, WIDTHS))]
    for name, by_width in found.items():
        rows.append((name, *(f"{by_width[n]:.0f}" if n in by_width else "" for n in WIDTHS)))
    rows += [ratios(FLOOR, 0.5, WIDTHS), ratios(JOURNAL, 1, (8,))]
    rows += [ratios(name, 4, WIDTHS) for name in SLOW if name in found]
    show("Trials per second on local processes: random search, trivial objective", rows)


# -- from queued to running -----------------------------------------------------------------------------------


@contextlib.contextmanager
def standalone(folder: str) -> Iterator[str]:
    """Run a mongod that is no replica set; yield the URL of a database there."""
    import pymongo

    from hstore.store.server import find_mongod

    data = Path(folder) / "standalone"
    data.mkdir()
    options = ["--dbpath", ".", "--logpath", "log", "--nounixsocket", "--bind_ip", "127.0.0.1", "--port"]
    port = peers.free_port()
    server = subprocess.Popen([find_mongod(), *options, str(port)], cwd=data)
    url = f"mongodb://127.0.0.1:{port}/bench"
    try:
        with pymongo.MongoClient[dict[str, Any]](url, serverSelectionTimeoutMS=30_000) as client:
            client.admin.command("ping")
        yield url
    finally:
        server.terminate()
        server.wait(30)


def latencies(url: str) -> list[float]:
    """Return the seconds from a driver's append to the call of the objective by a worker that had nothing to do."""
    import hstore
    from hstore.store.events import Queued, Resumed
    from hstore.store.experiment import Experiment

    name = uuid.uuid4().hex
    taken = []
    worker = subprocess.Popen(
        [sys.executable, "-m", "hstore", "--store", url, "worker", "--quiet"], cwd=Path(__file__).parents[1]
    )
    try:
        search(url, name, 3, fn=when, workers=0)  # by the end of which the worker has loaded the objective
        with hstore.open(url) as store:
            experiment = Experiment(store, name)
            experiment.refresh()
            experiment.append(experiment.compose((Resumed, None, {"why": "for the benchmark"})))
            for tid in range(3, 3 + PAUSES):
                time.sleep(IDLE_SECONDS)  # what an idle worker does is what is measured
                point = {"x": 0.5, "y": 0.5}
                experiment.append(
                    experiment.compose((Queued, tid, {"point": point, "params": point, "source": "enqueued"}))
                )
                queued = time.clock_gettime(time.CLOCK_MONOTONIC)
                deadline = time.monotonic() + 60
                while experiment.state.open:
                    assert time.monotonic() < deadline, "the worker takes nothing"
                    experiment.wait(1.0)
                    experiment.refresh()
                result = experiment.state.trials[tid].result
                assert result is not None
                taken.append(result["called"] - queued)
    finally:
        worker.terminate()
        worker.wait(30)
    return taken


def show_latencies(embedded: list[float], alone: list[float]) -> None:
    def row(name: str, seconds: list[float], goal: float) -> tuple[str, ...]:
        ms = np.array(seconds) * 1e3
        return name, f"{np.median(ms):.1f}", f"{ms.max():.1f}", verdict(float(np.median(ms)), goal)

    show(
        f"From queued to running on an idle worker, ms ({PAUSES} trials, {IDLE_SECONDS} s apart)",
        [
            ("", "median", "largest", "goal"),
            row("embedded server", embedded, 10),
            row("standalone mongod", alone, 60),
        ],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        from hstore.store.server import EmbeddedServer, default_home, ensure_server

        EmbeddedServer(default_home()).keep(port=0)  # hyperopt needs TCP
        server = ensure_server()
        try:
            assert server.port is not None
            show_rates(rates(server.uri, server.port, folder))
            new, long = new_and_long(server.uri)
            embedded = latencies(server.uri.replace("/hstore?", "/latency?"))
        finally:
            server.release()
            server.stop()
        with standalone(folder) as url:
            alone = latencies(url)
    show(
        f"A long search with four workers, by turns with a new one ({TURNS}x)",
        [
            ("", "trials/s", "goal"),
            (f"new, {MORE:,} trials", f"{new:.0f}", ""),
            (f"from trial {LONG:,} on", f"{long:.0f}", verdict(long / new, 0.9, at_most=False)),
        ],
    )
    show_latencies(embedded, alone)
