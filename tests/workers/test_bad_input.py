"""Workers on a real MongoDB that are pointed at what is not there."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from replica_set import free_ports
from tests.waiting import until
from tests.workers.hired import Begin, Hire
from tests.workers.serving import ran

import hstore
from hstore.migrations import MIGRATIONS
from hstore.store.server import find_mongod


@contextlib.contextmanager
def mongod(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a mongod of one's own, which may not answer yet."""
    folder.mkdir(exist_ok=True)
    command = [str(find_mongod()), "--dbpath", ".", "--logpath", "log", "--bind_ip", "127.0.0.1", "--nounixsocket"]
    process = subprocess.Popen([*command, "--port", str(port), *options], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.absent
def test_an_empty_database_is_waited_at(mongo_url: str, hire: Hire, begin: Begin) -> None:
    worker = hire(mongo_url)
    worker.until("serves every open experiment (none yet) of")
    assert begin(mongo_url, lambda config: config["x"], 3).until_finished() == {"done": 3}
    assert worker.stop() == 143


@pytest.mark.absent
@pytest.mark.parametrize("option", [("--burst",), ("--max-idle", "0.1")], ids=["burst", "max-idle"])
def test_an_empty_database_is_left_by_who_does_not_wait(option: tuple[str, ...], mongo_url: str) -> None:
    code, said = ran(mongo_url, *option)
    assert code == 0, said
    assert "(0 trials)" in said


def test_an_experiment_that_is_not_there_is_said_at_once(mongo_url: str, hire: Hire) -> None:
    worker = hire(mongo_url, "nothing-there")
    assert worker.end() == 3
    assert worker.said.count("\n") == 1
    assert "there is no experiment 'nothing-there'" in worker.said


def test_a_store_of_a_newer_schema_is_refused(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    hstore.open(mongo_url).close()
    database["schema"].insert_one({"_id": MIGRATIONS[-1].number + 1, "name": "from the future"})
    code, said = ran(mongo_url)
    assert (code, said.count("\n")) == (5, 1), said
    assert "is newer than this hstore" in said


@pytest.mark.long
def test_a_server_that_is_down_is_waited_for(tmp_path: Path, hire: Hire, begin: Begin) -> None:
    (port,) = free_ports(1)
    url = f"mongodb://127.0.0.1:{port}/lab"
    worker = hire(url, "--lease", "3")
    worker.until(f"waiting for mongodb://127.0.0.1:{port}/lab")
    with mongod(tmp_path / "data", port):
        worker.until("answers again")
        worker.until("serves every open experiment")
        gate = tmp_path / "gate"

        def objective(config: dict[str, Any]) -> float:
            while not gate.exists():
                time.sleep(0.01)
            return float(config["x"])

        search = begin(url, objective, 3)
        search.until(lambda: search.experiment.state.counts.get("running"))
    waits = worker.said.count("waiting for")
    until(lambda: worker.said.count("waiting for") > waits, lambda: worker.said)
    gate.touch()
    with mongod(tmp_path / "data", port):
        assert search.until_finished() == {"done": 3}
        worker.until("answers again")
        assert [trial.attempt for trial in search.experiment.trials] == [1, 1, 1]
        assert worker.stop() == 143
        search.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_worker_that_waits_for_a_server_can_be_stopped(number: int, hire: Hire) -> None:
    (port,) = free_ports(1)
    worker = hire(f"mongodb://127.0.0.1:{port}/lab")
    worker.until("waiting for")
    assert worker.stop(number) in (128 + number, -number)
    assert "Traceback" not in worker.said


def test_a_server_that_does_not_let_us_in_is_not_asked_again(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with mongod(tmp_path / "data", port, "--auth"):
        place = f"127.0.0.1:{port}/"
        with pymongo.MongoClient[Any](f"mongodb://{place}", serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("createUser", "root", pwd="x", roles=["root"])
        with pymongo.MongoClient[Any](f"mongodb://root:x@{place}") as client:
            for user, role in (("owner", "dbOwner"), ("reader", "read")):
                client["lab"].command("createUser", user, pwd="x", roles=[role])
        hstore.open(f"mongodb://owner:x@{place}lab").close()
        users = {"owner:wrong@": "authentication failed", "": "requires authentication", "reader:x@": "not authorized"}
        for user, why in users.items():
            code, said = ran(f"mongodb://{user}{place}lab")
            assert code == 5, said
            errors = [line for line in said.splitlines() if line.startswith("Error: ")]
            assert len(errors) == 1, said
            assert why in errors[0]
            assert "Traceback" not in said
            assert "wrong" not in errors[0], "a password is no message"


def test_a_worker_that_is_started_twice_under_one_name_is_told_apart(mongo_url: str, hire: Hire, begin: Begin) -> None:
    first, second = (hire(mongo_url, "--name", "w") for _ in range(2))
    for worker in (first, second):
        worker.until("serves every open experiment")
    third = hire(mongo_url, "--name", "w")
    third.until("a worker named w is already running; this one is named w~")
    with hstore.open(mongo_url) as store:
        assert store.claims is not None
        claims = store.claims
        until(lambda: len(claims.workers()) == 3, claims.workers)
        pids = {worker["pid"]: worker["_id"] for worker in claims.workers()}
        assert pids.keys() == {worker.process.pid for worker in (first, second, third)}
        assert set(pids.values()) == {"w", "w~2", "w~3"}

    def slowly(config: dict[str, Any]) -> float:
        time.sleep(0.05)
        return float(config["x"])

    search = begin(mongo_url, slowly, 12)
    assert search.until_finished() == {"done": 12}
    names = {trial.reserved.worker for trial in search.experiment.trials if trial.reserved}
    assert names == {"w", "w~2", "w~3"}
