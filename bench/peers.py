"""What searches on many processes are compared with: Optuna on its storages, hyperopt, raw pymongo."""

import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

CONTEXT = multiprocessing.get_context("forkserver")
HYPEROPT_VENV = Path(sys.prefix) / "hyperopt-pymongo3"
HYPEROPT_NEEDS = ("hyperopt==0.3.0", "pymongo>=3.13,<4", "setuptools<81")

Worker = Callable[..., None]
"""Called in a process of its own as worker(go, *args): gets ready, calls *go*, then `go.on()` before each trial."""


class Go:
    """When the workers of one measurement begin, and how long they go on; keeps the moment of each trial."""

    def __init__(self, barrier: Any, seconds: float) -> None:
        self._barrier = barrier
        self._seconds = seconds
        self.began = 0.0
        self.moments: list[float] = []

    def __call__(self) -> None:
        """Wait until all are ready."""
        self._barrier.wait(60)
        self.began = time.time()

    def on(self) -> bool:
        return time.time() - self.began < self._seconds

    def ended(self) -> None:
        self.moments.append(time.time())


def steady(moments: Sequence[float], up: float) -> float:
    """Return the trials per second in the middle eight tenths of the time from *up*, when all workers were at it."""
    margin = (max(moments) - up) / 10
    begin, end = up + margin, max(moments) - margin
    return sum(begin < moment <= end for moment in moments) / (end - begin)


def rate_of(worker: Worker, n: int, *args: Any, seconds: float) -> float:
    """Return the trials per second of *n* processes of *worker*."""
    CONTEXT.set_forkserver_preload(["bench.peers", "pymongo", "optuna", "sqlalchemy.dialects.postgresql"])
    barrier = CONTEXT.Barrier(n)
    ways = [CONTEXT.Pipe(duplex=False) for _ in range(n)]
    started = [
        CONTEXT.Process(target=_told, args=(worker, Go(barrier, seconds), way, args), daemon=True) for _, way in ways
    ]
    for process in started:
        process.start()
    for _, way in ways:
        way.close()
    answers = [heard.recv() for heard, _ in ways]  # EOFError if one died
    for process in started:
        process.join()
    return steady([moment for moments, _ in answers for moment in moments], max(began for _, began in answers))


def _told(worker: Worker, go: Go, way: Any, args: Sequence[Any]) -> None:
    worker(go, *args)
    way.send((go.moments, go.began))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# -- raw pymongo ----------------------------------------------------------------------------------------------


def raw(go: Go, url: str, trial: list[list[dict[str, Any]]], name: str) -> None:
    """Make the durable writes of a trial, one insert after the other, and nothing else."""
    import pymongo

    from hstore.store.url import connect, parse

    database = connect(parse(url))
    events = database[name].with_options(write_concern=pymongo.WriteConcern(w="majority"))
    events.find_one()
    exp = uuid.uuid4().hex
    go()
    while go.on():
        for insert in trial:
            documents = [document | {"_id": uuid.uuid4(), "exp": exp, "tid": len(go.moments)} for document in insert]
            if len(documents) == 1:
                events.insert_one(documents[0])
            else:
                events.insert_many(documents)
        go.ended()
    database.client.close()


# -- Optuna ---------------------------------------------------------------------------------------------------


def optuna_storage(where: str) -> Any:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if where.startswith("mongodb://"):
        from hstore.optuna import HstoreStorage

        return HstoreStorage(where)
    if where.startswith("redis://"):
        from optuna.storages.journal import JournalRedisBackend

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Optuna calls it experimental
            return optuna.storages.JournalStorage(JournalRedisBackend(where))
    return where if "://" in where else optuna.storages.JournalStorage(JournalFileBackend(where))


def optuna_study(where: str) -> tuple[str, str]:
    """Create a study; return what `optuna_worker` wants to know."""
    import optuna

    name = uuid.uuid4().hex
    optuna.create_study(study_name=name, storage=optuna_storage(where))
    return where, name


def optuna_worker(go: Go, where: str, name: str) -> None:
    import optuna

    study = optuna.load_study(study_name=name, storage=optuna_storage(where), sampler=optuna.samplers.RandomSampler())

    def objective(trial: optuna.Trial) -> float:
        go.ended()  # at the same place in each trial, which is all that a rate needs
        if not go.on():
            study.stop()
        return float(trial.suggest_float("x", -1, 1) ** 2 + trial.suggest_float("y", 0, 1))

    go()
    study.optimize(objective)


@contextlib.contextmanager
def postgresql() -> Iterator[str | None]:
    """Run a PostgreSQL of our own on a Unix socket; yield its URL, None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not found:
        yield None
        return
    programs = found[-1].parent
    user: dict[str, Any] = {"user": "postgres"} if os.geteuid() == 0 else {}  # it refuses to be run by root
    with tempfile.TemporaryDirectory(prefix="pg", dir="/tmp") as folder:
        if user:
            shutil.chown(folder, **user)
        data = f"{folder}/data"
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust"],
            check=True, capture_output=True, cwd=folder, **user,
        )  # fmt: skip
        server = subprocess.Popen(
            [programs / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, **user,
        )  # fmt: skip
        try:
            ready = [str(programs / "pg_isready"), "-q", "-h", folder, "-t", "30"]
            deadline = time.monotonic() + 30
            while subprocess.run(ready, check=False).returncode and time.monotonic() < deadline:
                time.sleep(0.05)
            yield f"postgresql+psycopg2://bench@/postgres?host={folder}"
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for clients
            server.wait(30)


@contextlib.contextmanager
def redis() -> Iterator[str | None]:
    """Run a Redis of our own that writes each command to the disk; yield its URL, None where it is not installed."""
    program = shutil.which("redis-server")
    try:
        import redis  # noqa: F401 (what Optuna needs for it)
    except ImportError:
        program = None
    if program is None:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="redis", dir="/tmp") as folder:
        port = free_port()
        options = ["--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--appendonly", "yes", "--appendfsync"]
        server = subprocess.Popen([program, *options, "always"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 30
            while time.monotonic() < deadline:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(30)


# -- hyperopt -------------------------------------------------------------------------------------------------


def hyperopt_python() -> Path | None:
    """Return the Python of a venv with hyperopt and the last pymongo that its mongo backend works with."""
    python = HYPEROPT_VENV / "bin" / "python"
    try:
        if not (HYPEROPT_VENV / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", HYPEROPT_VENV], check=True, capture_output=True)
            pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *HYPEROPT_NEEDS]
            subprocess.run(pip, check=True, capture_output=True)
            (HYPEROPT_VENV / "ready").touch()
    except (OSError, subprocess.CalledProcessError):
        return None
    return python


def hyperopt_rate(python: Path, port: int, n: int, *, how: str, seconds: float) -> float:
    """Return the trials per second of *n* workers; how their queue is filled: see `hyperopt_mongo`."""
    script = Path(__file__).with_name("hyperopt_mongo.py")
    database = uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as folder:  # hyperopt's workers leave folders and logs where they run
        command = [str(python), str(script), f"mongo://127.0.0.1:{port}/{database}/jobs", str(n), how, str(seconds)]
        said = subprocess.run(command, check=True, capture_output=True, text=True, cwd=folder).stdout
    answer = json.loads(said.splitlines()[-1])
    return steady(answer["moments"], answer["up"])
