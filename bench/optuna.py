"""Trials per second of Optuna programs on `HstoreStorage`, beside Optuna's own; with one process and with 8."""

import os
import sys
import tempfile
from pathlib import Path
from statistics import mean

from bench import peers
from bench.table import show, verdict

WIDTHS = (1, 8)
SECONDS = 4.0 if "--quick" in sys.argv else 8.0
HSTORE, JOURNAL, SQLITE, REDIS = "HstoreStorage", "journal file", "SQLite", "Redis journal, each write synced"
GOALS = {JOURNAL: {8: 1.0}, SQLITE: {1: 4.0, 8: 4.0}}
"""How many times as fast as each HstoreStorage is to be, by the number of processes."""


def rates(url: str, folder: str) -> dict[str, dict[int, float]]:
    """Return trials per second by storage and number of processes; HstoreStorage before and after the others."""
    found: dict[str, dict[int, float]] = {}

    def rate(where: str, n: int) -> float:
        return peers.rate_of(peers.optuna_worker, n, *peers.optuna_study(where), seconds=SECONDS)

    with peers.redis() as redis:
        for n in WIDTHS:
            before = rate(url, n)
            others = {JOURNAL: f"{folder}/{n}.log", SQLITE: f"sqlite:///{folder}/{n}.db"}
            others |= {} if redis is None else {REDIS: redis}
            measured = {name: rate(where, n) for name, where in others.items()}
            for name, each in {HSTORE: mean((before, rate(url, n))), **measured}.items():
                found.setdefault(name, {})[n] = each
        if redis is None:
            print("there is no redis-server, or no package redis, on this machine: not compared")
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        from hstore.store.server import ensure_server

        server = ensure_server()
        try:
            found = rates(server.uri, folder)
        finally:
            server.release()
            server.stop()
    ours = found[HSTORE]
    rows: list[tuple[str, ...]] = [("processes", *map(str, WIDTHS))]
    rows += [(name, *(f"{by_width[n]:.1f}" for n in WIDTHS)) for name, by_width in found.items()]
    for name, goals in GOALS.items():
        cells = (verdict(ours[n] / found[name][n], goals[n], at_most=False) if n in goals else "" for n in WIDTHS)
        rows.append((f"{HSTORE} / {name}", *cells))
    show("Trials per second of Optuna programs: random sampler, two parameters, trivial objective", rows)
