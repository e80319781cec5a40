"""Trials per second on many local processes, beside other stores; how soon an idle worker begins a trial."""

import contextlib
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench import peers
from bench.table import show, verdict

WIDTHS = (1, 2, 4, 8)
QUICK = "--quick" in sys.argv
SECONDS = 2.0 if QUICK else 4.0
"""That each peer is measured for."""
TRIALS = {1: 800, 2: 1200, 4: 2000, 8: 3000}
"""Of a search with so many workers: most of it is left when all of them have started."""
LONG = 10_300
PAUSES = 8 if QUICK else 20
PEERS = ("Optuna, SQLite", "Optuna, PostgreSQL", "hyperopt, queue filled before")


def objective(config: dict[str, float]) -> float:
    return config["x"] ** 2 + config["y"]


def search(url: str, name: str, max_evals: int, **more: Any) -> None:
    from hstore import fmin, hp, rand

    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    fmin(
        objective, space, algo=rand.suggest, max_evals=max_evals, rstate=np.random.default_rng(0), verbose=False,
        experiment=name, store=url, **more,
    )  # fmt: skip


# -- trials per second ----------------------------------------------------------------------------------------


def ends_by_process(url: str, name: str) -> list[list[float]]:
    """Return when trials ended, for each process that evaluated some."""
    import hstore

    moments: dict[tuple[str, int], list[float]] = defaultdict(list)
    with hstore.open(url) as store:
        for trial in store.experiment(name).trials:
            assert trial.reserved is not None
            assert trial.running is not None
            assert trial.end is not None
            moments[trial.reserved.worker, trial.running.pid].append(trial.end.at.timestamp())
    return list(moments.values())


def hstore_moments(url: str, n: int, max_evals: int) -> tuple[list[float], float]:
    """Return when trials ended, and since when all *n* workers were at it."""
    name = uuid.uuid4().hex
    search(url, name, max_evals, workers=n)
    ends = ends_by_process(url, name)
    assert len(ends) == n, f"{len(ends)} of {n} workers took part"
    return sorted(moment for moments in ends for moment in moments), max(min(moments) for moments in ends)


def hstore_rate(url: str, n: int) -> float:
    return peers.steady(*hstore_moments(url, n, TRIALS[n]))


def inserts_of_a_trial(url: str) -> list[list[dict[str, Any]]]:
    """Return the documents of one trial as hstore writes them, in the inserts in which a worker and a driver do."""
    import hstore

    name = uuid.uuid4().hex
    search(url, name, 30)
    with hstore.open(url) as store:
        documents = [d for d in store.log.documents(name) if d.get("tid") == 20]
    assert [d["type"] for d in documents] == ["queued", "reserved", "running", "done"]
    return [documents[:1], documents[1:3], documents[3:]]


def at_each_width(measure: Callable[[int], float]) -> dict[int, float]:
    return {n: measure(n) for n in WIDTHS}


def rates(url: str, port: int, folder: str) -> dict[str, dict[int, float]]:
    """Trials per second by peer and number of workers."""
    found: dict[str, dict[int, float]] = {}
    trial = inserts_of_a_trial(url)

    def optuna(where: Callable[[int], str]) -> dict[int, float]:
        return at_each_width(
            lambda n: peers.rate_of(peers.optuna_worker, n, *peers.optuna_study(where(n)), seconds=SECONDS)
        )

    found["raw pymongo, same durable writes"] = at_each_width(
        lambda n: peers.rate_of(peers.raw, n, url, trial, f"raw_{n}", seconds=SECONDS)
    )
    with contextlib.suppress(ImportError):
        import hstore.cli.worker  # noqa: F401
        found["hstore"] = at_each_width(lambda n: hstore_rate(url, n))
    found["Optuna, journal file"] = optuna(lambda n: f"{folder}/{n}.log")
    found["Optuna, SQLite"] = optuna(lambda n: f"sqlite:///{folder}/{n}.db")
    with peers.postgresql() as postgresql_url:
        if postgresql_url is not None:
            found["Optuna, PostgreSQL"] = optuna(lambda n: postgresql_url)
        else:
            print("there is no PostgreSQL on this machine: not compared")
    if (python := peers.hyperopt_python()) is not None:
        found["hyperopt, queue filled before"] = at_each_width(
            lambda n: peers.hyperopt_rate(python, port, n, how="filled", seconds=SECONDS)
        )
        found["hyperopt, its own fmin"] = {
            4: peers.hyperopt_rate(python, port, 4, how="fmin", seconds=10.0)
        }
    else:
        print(f"hyperopt and pymongo 3 cannot be installed in {peers.HYPEROPT_VENV}: not compared")
    return found


def show_rates(found: dict[str, dict[int, float]]) -> None:
    rows = [("workers", *map(str, WIDTHS))]
    for name, by_width in found.items():
        rows.append((name, *(f"{by_width[n]:.0f}" if n in by_width else "" for n in WIDTHS)))
    if ours := found.get("hstore"):
        def ratio(name: str, n: int, goal: float) -> str:
            return verdict(ours[n] / found[name][n], goal, at_most=False)

        floor = "raw pymongo, same durable writes"
        rows.append((f"hstore / {floor}", *(ratio(floor, n, 0.5) for n in WIDTHS)))
        rows.append(("hstore / Optuna, journal file", "", "", "", ratio("Optuna, journal file", 8, 1)))
        for name in PEERS:
            if name in found:
                rows.append((f"hstore / {name}", *(ratio(name, n, 4) for n in WIDTHS)))
    show("Trials per second on local processes: random search, trivial objective", rows)


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
        finally:
            server.release()
            server.stop()
