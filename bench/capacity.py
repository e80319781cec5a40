"""What trials, reports, heartbeats and idle workers cost a server, and from that how many workers one can serve.

The model is checked with as many simulated workers as `WORKERS` says (100 by default): threads with clients of their
own, which claim trials, hold them for `TRIAL_SECONDS` (5 by default), and end them as workers do. A thousand need two
cores and trials of a minute: `WORKERS=1000 TRIAL_SECONDS=60 python -m bench capacity`.
"""

import os
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from bench.claims import fill, idle_workers, share_of_a_core
from bench.table import show
from hstore.engine.evaluation.heartbeat import BEATS_PER_LEASE
from hstore.workers.crowd import FEW
from hstore.workers.worker_options import WorkerOptions

OPERATIONS = 200
WORKERS = int(os.environ.get("WORKERS", "100"))
SECONDS_OF_A_TRIAL = float(os.environ.get("TRIAL_SECONDS", "5"))
WATCHED = 20.0
IDLERS = 40
SIZES = (100, 1_000, 10_000)
LENGTHS = (1, 10, 60, 600)
"""Seconds that a trial takes."""

RESERVED = {"worker": "bench", "host": "bench", "attempt": 1}
RUNNING = {"pid": 1, "python": "3", "hstore": "0"}
DONE = {"result": {"status": "ok", "loss": 1.0}, "status": "ok", "loss": 1.0}


class Server:
    """The mongod, and what it has worked."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._alone = share_of_a_core(self._process, 5.0)

    def used(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)

    def cost(self, act: Callable[[int], object], n: int = OPERATIONS) -> float:
        """Return the CPU milliseconds of the server for each of *n* calls of *act*, beside what it always does."""
        before, began = self.used(), time.perf_counter()
        for number in range(n):
            act(number)
        spent = self.used() - before - self._alone * (time.perf_counter() - began)
        return max(0.0, spent) / n * 1e3


def costs(url: str, server: Server) -> dict[str, float]:
    """Return what each operation costs the server, in milliseconds of CPU."""
    import hstore
    from hstore.store.events import Done, Reported, Reserved, Running
    from hstore.store.experiment import Experiment

    name = uuid.uuid4().hex
    queued = server.cost(lambda _: fill(url, name, OPERATIONS), 1) / OPERATIONS
    with hstore.open(url) as store:
        experiment = Experiment(store, name, only=())
        experiment.refresh()

        def evaluate(tid: int) -> None:
            assert store.claims.take_ticket("bench", [name], seconds=5.0) is not None
            experiment.load_trial(tid)
            experiment.append(experiment.compose((Reserved, tid, RESERVED), (Running, tid, RUNNING)))
            experiment.append(experiment.compose((Done, tid, DONE)))
            experiment.evict(tid)

        found = {"a trial": queued + server.cost(evaluate, OPERATIONS - 1)}
        tid = OPERATIONS - 1
        experiment.load_trial(tid)
        experiment.append(experiment.compose((Reserved, tid, RESERVED), (Running, tid, RUNNING)))

        def report(step: int) -> None:
            experiment.append(experiment.compose((Reported, tid, {"step": step, "value": 0.5})))

        found["a report"] = server.cost(report)
        found["a heartbeat"] = server.cost(lambda _: store.claims.extend("bench", {(name, tid): 1}, seconds=60.0))
        found["a worker's entry"] = server.cost(lambda _: store.claims.announce("w", "bench", 60.0, {}))
    return found


def idle_cost(url: str, pid: int) -> float:
    """Return the milliseconds of CPU that an idle worker costs the server each second."""
    process = psutil.Process(pid)
    fill(url, uuid.uuid4().hex, 0)
    alone = share_of_a_core(process, WATCHED / 2)
    with idle_workers(url, IDLERS):
        return max(0.0, share_of_a_core(process, WATCHED) - alone) / IDLERS * 1e3


def load(cost: Mapping[str, float], workers: int, seconds: float, reports: int = 0) -> float:
    """Return the share of a core that so many busy *workers* cost a server, with trials of so many *seconds*.

    Each worker renews its lease and its entry every third of a lease; beyond `FEW` workers less often.
    """
    beats = BEATS_PER_LEASE / WorkerOptions().lease
    of_trials = (cost["a trial"] + reports * cost["a report"]) / seconds
    renewing = (cost["a heartbeat"] + cost["a worker's entry"]) * beats
    return (workers * of_trials + min(workers, FEW) * renewing) / 1e3


_OPENING = threading.Semaphore(4)
"""A thousand clients of one process that connect at once do not hear from the server in time."""


class Simulated(threading.Thread):
    """A worker with a client of its own, whose objective sleeps."""

    def __init__(self, url: str, name: str, go: threading.Barrier, until: threading.Event) -> None:
        super().__init__(daemon=True)
        self._told = url, name
        self._go, self._until = go, until
        self.ended = 0

    def run(self) -> None:
        import hstore
        from hstore.store.events import Done, Reserved, Running
        from hstore.store.experiment import Experiment

        url, name = self._told
        session = uuid.uuid4().hex
        with _OPENING:
            store = hstore.open(url)
        with store:
            experiment = Experiment(store, name, only=())
            experiment.refresh()
            self._go.wait(300)
            while not self._until.is_set():
                place = store.claims.take_ticket(session, [name], seconds=5.0)
                if place is None:
                    self._until.wait(0.2)
                    continue
                tid = place[1]
                experiment.load_trial(tid)
                experiment.append(experiment.compose((Reserved, tid, RESERVED), (Running, tid, RUNNING)))
                store.claims.announce(session, session, 60.0, {})
                self._until.wait(SECONDS_OF_A_TRIAL)
                experiment.append(experiment.compose((Done, tid, DONE)))
                experiment.evict(tid)
                self.ended += 1


def simulate(url: str, server: Server) -> tuple[float, float]:
    """Return trials per second of `WORKERS` simulated workers, and the share of a core that they cost the server."""
    name = uuid.uuid4().hex
    watched = max(WATCHED, 2 * SECONDS_OF_A_TRIAL)
    fill(url, name, int(WORKERS * (watched / SECONDS_OF_A_TRIAL + 3)))
    go, until = threading.Barrier(WORKERS + 1), threading.Event()
    workers = [Simulated(url, name, go, until) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    go.wait(300)
    time.sleep(SECONDS_OF_A_TRIAL)
    ended, used, began = sum(w.ended for w in workers), server.used(), time.perf_counter()
    time.sleep(watched)
    seconds = time.perf_counter() - began
    rate, share = (sum(w.ended for w in workers) - ended) / seconds, (server.used() - used) / seconds
    until.set()
    for worker in workers:
        worker.join()
    return rate, share


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        from hstore.store.server import ensure_server

        running = ensure_server()
        try:
            assert running.pid is not None
            server = Server(running.pid)
            cost = costs(running.uri, server)
            rate, share = simulate(running.uri.replace("/hstore?", "/simulated?"), server)
            cost["an idle worker, each second"] = idle_cost(
                running.uri.replace("/hstore?", "/idle?"), running.pid
            )  # fmt: skip
        finally:
            running.release()
    show("What it costs the server, ms of CPU", [("", "ms"), *((name, f"{ms:.3f}") for name, ms in cost.items())])
    row = [f"{load(cost, WORKERS, SECONDS_OF_A_TRIAL):.0%} of a core", f"{share:.0%} at {rate:.1f} trials/s"]
    title = f"{WORKERS} simulated workers with trials of {SECONDS_OF_A_TRIAL:g} s"
    show(title, [("by the model", "measured"), tuple(row)])
    header = ("workers", *(f"{length} s" for length in LENGTHS), "100 reports in 600 s", "idle")
    rows: list[tuple[str, ...]] = [header]
    for n in SIZES:
        shares = [load(cost, n, length) for length in LENGTHS] + [load(cost, n, 600, reports=100)]
        idle = min(n, FEW) * cost["an idle worker, each second"] / 1e3
        rows.append((f"{n:,}", *(f"{each:.2f}" for each in shares), f"{idle:.2f}"))
    show("Cores that a server needs, by the length of trials", rows)


if __name__ == "__main__":
    main()
