"""Many workers on one store: what racing for trials loses, what waiting for them costs the server."""

import contextlib
import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from bench.table import show, verdict

RACERS, QUEUED = 64, 3000
IDLERS = 200
SECONDS = 8.0 if "--quick" in sys.argv else 20.0
"""That an idle server is watched for."""
SETTLE = 3.0
"""Until those who have just come are at rest."""


def fill(url: str, name: str, size: int) -> None:
    """Begin experiment *name* with so many queued trials."""
    import hstore
    from hstore.engine.search.defaults import RETRIES
    from hstore.store.events import Created, Queued
    from hstore.store.experiment import Experiment, PendingEvent

    empty: dict[str, Any] = {}
    created = {
        "space": empty, "objective": empty, "algorithm": empty, "generator": empty, "limits": empty,
        "retries": RETRIES, "fingerprint": empty,
    }  # fmt: skip
    with hstore.open(url) as store:
        experiment = Experiment(store, name)
        pending: list[PendingEvent] = [(Created, None, created)]
        for tid in range(size):
            point = {"x": tid / size}
            pending.append((Queued, tid, {"point": point, "params": point, "source": "enqueued"}))
        experiment.append(experiment.compose(*pending))


# -- racing ---------------------------------------------------------------------------------------------------


class Racer(threading.Thread):
    """Claims trials of *name* until none is queued."""

    def __init__(self, url: str, name: str, go: threading.Barrier) -> None:
        super().__init__(daemon=True)
        self.url, self.experiment_name, self.go = url, name, go
        self.claimed: list[int] = []
        self.lost = 0

    def run(self) -> None:
        import hstore
        from hstore.store.errors import Conflict
        from hstore.store.events import Reserved, Running
        from hstore.store.experiment import Experiment

        with hstore.open(self.url) as store:
            assert store.claims is not None
            experiment = Experiment(store, self.experiment_name, only=())
            experiment.refresh()
            session = uuid.uuid4().hex
            reserved = {"worker": session, "host": "bench", "attempt": 1}
            running = {"pid": os.getpid(), "python": "3", "hstore": "0"}
            self.go.wait(60)
            while True:
                place = store.claims.take_ticket(session, [self.experiment_name], seconds=5.0)
                if place is None:
                    if not store.claims.is_anything_queued([self.experiment_name]):
                        return
                    continue
                tid = place[1]
                trial = experiment.load_trial(tid)
                if trial is None or trial.state != "queued":
                    self.lost += 1
                    continue
                try:
                    experiment.append(experiment.compose((Reserved, tid, reserved), (Running, tid, running)))
                except Conflict:
                    self.lost += 1
                else:
                    self.claimed.append(tid)
                experiment.evict(tid)


def race(url: str) -> tuple[float, float]:
    """Return claims per second and the share of them that was lost to others."""
    name = uuid.uuid4().hex
    fill(url, name, QUEUED)
    go = threading.Barrier(RACERS + 1)
    racers = [Racer(url, name, go) for _ in range(RACERS)]
    for racer in racers:
        racer.start()
    go.wait(60)
    began = time.perf_counter()
    for racer in racers:
        racer.join()
    spent = time.perf_counter() - began
    claimed = [tid for racer in racers for tid in racer.claimed]
    assert sorted(claimed) == list(range(QUEUED)), "not each trial was claimed once"
    lost = sum(racer.lost for racer in racers)
    return QUEUED / spent, lost / (QUEUED + lost)


# -- waiting --------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def idle_workers(url: str, n: int) -> Iterator[None]:
    """Have *n* workers, each with threads and a client of its own, find nothing to do."""
    import hstore
    from hstore.workers.worker import Worker
    from hstore.workers.worker_options import WorkerOptions

    with contextlib.ExitStack() as stack:
        workers = [
            Worker(stack.enter_context(hstore.open(url)), WorkerOptions(name=f"idle-{number}")) for number in range(n)
        ]
        threads = [threading.Thread(target=worker.run, daemon=True) for worker in workers]
        for thread in threads:
            thread.start()
        with hstore.open(url) as store:
            assert store.claims is not None
            deadline = time.monotonic() + 120
            while len(store.claims.workers()) < n:
                assert time.monotonic() < deadline, "the workers do not come"
                time.sleep(0.1)
        yield
        for worker in workers:
            worker.stop()
        for thread in threads:
            thread.join()


def share_of_a_core(process: psutil.Process, seconds: float) -> float:
    def used() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    began, before = time.perf_counter(), used()
    time.sleep(seconds)
    return (used() - before) / (time.perf_counter() - began)


def cost_of_waiting(url: str, pid: int) -> tuple[float, float]:
    """Return the share of one core that the server takes with no worker and with `IDLERS` of them."""
    process = psutil.Process(pid)
    fill(url, uuid.uuid4().hex, 0)
    time.sleep(SETTLE)
    alone = share_of_a_core(process, SECONDS / 2)
    with idle_workers(url, IDLERS):
        time.sleep(SETTLE)
        shared = share_of_a_core(process, SECONDS)
    return alone, shared


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        from hstore.store.server import ensure_server

        server = ensure_server()
        try:
            assert server.pid is not None
            rate, lost = race(server.uri)
            alone, shared = cost_of_waiting(server.uri.replace("/hstore?", "/idle?"), server.pid)
        finally:
            server.release()
    show(
        f"{RACERS} workers racing for {QUEUED:,} queued trials; {IDLERS} workers with nothing to do",
        [
            ("", "measured", "goal"),
            ("claims/s", f"{rate:.0f}", ""),
            ("claims lost to others, %", f"{lost * 100:.2f}", verdict(lost * 100, 1)),
            ("server without workers, % of a core", f"{alone * 100:.1f}", ""),
            (
                f"server with {IDLERS} idle workers, % of a core more", f"{(shared - alone) * 100:.1f}",
                verdict((shared - alone) * 100, 5),
            ),
        ],
    )  # fmt: skip
