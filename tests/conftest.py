"""Fixtures for all: a real mongod shared by the run, a fresh database per test, stores of both kinds."""

from __future__ import annotations

import gc
import itertools
import logging
import os
import signal
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import tests.drawing  # noqa: F401 (chooses how many examples hypothesis draws)
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from replica_set import ReplicaSet
from replica_set import replica_set as start_replica_set
from tests.databases import Databases, in_memory

from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.hyperopt.trials import Trials
from hstore.store.memory import MemoryLog
from hstore.store.mongo import MongoLog
from hstore.store.open_store import open_store
from hstore.store.server import EmbeddedServer, ensure_server
from hstore.store.store import Store

TESTS = Path(__file__).parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: Ctrl-C is among what is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The suite starts some hundred Pythons. Each takes twice as long where what was compiled may not be kept, as containers
# like to have it.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without looking for garbage, and never look again at what was collected: millions of objects."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Have each process of xdist begin with another file: in a new clone each then compiles a share for all of them."""
    report = yield
    if isinstance(collector, pytest.Dir) and "PYTEST_XDIST_WORKER" in os.environ:
        number, processes = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
        first = len(report.result) * number // processes
        report.result = report.result[first:] + report.result[:first]
    return report


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Bring the tests into the order of this run, and mark those that need its server, for who wants the others.

    Processes of xdist get the files in an order that is none, so that those whose tests wait (for workers, say) run
    beside those whose tests compute, up to the end.
    """
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: (zlib.crc32(os.fsencode(item.path.relative_to(TESTS))), item.path))
    for item in items:
        parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
        is_mongo = any(isinstance(value, str) and value == "mongo" for value in parameters)
        if is_mongo or "mongod" in getattr(item, "fixturenames", ()):
            item.add_marker("durable")


@pytest.fixture(scope="session")
def mongod(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedServer]:
    """The embedded server of this run; the processes of xdist share one, as any processes do."""
    base = tmp_path_factory.getbasetemp()
    home = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "mongod"
    with in_memory(home) as place:
        server = ensure_server(place)
        yield server
        server.release()


@pytest.fixture(scope="module")
def replica_set(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicaSet]:
    """Three mongods, which beat five times a second, so for one module only; a test calls `start` to have all three."""
    with start_replica_set(tmp_path_factory.mktemp("replica_set")) as members:
        yield members


@pytest.fixture(scope="session")
def databases(mongod: EmbeddedServer) -> Iterator[Databases]:
    """The databases that the tests of this process use on that server."""
    databases = Databases(mongod.uri)
    yield databases
    databases.close()


@pytest.fixture
def mongo_url(databases: Databases, request: pytest.FixtureRequest) -> Iterator[str]:
    """The URL of an empty store; with the mark `absent` of a database that is not there yet."""
    is_absent = request.node.get_closest_marker("absent") is not None
    with databases.absent() if is_absent else databases.empty() as url:
        yield url


@pytest.fixture
def filled(databases: Databases, mongo_url: str) -> Callable[[Callable[[str], object]], str]:
    """Return the URL of the store, filled by a function of it, which is called once: what it wrote is copied."""
    return lambda write: databases.fill(mongo_url, write)


@pytest.fixture
def database(databases: Databases, mongo_url: str) -> Database[dict[str, Any]]:
    """That database, for looking behind the scenes: what a read of it returns need not have reached a majority yet."""
    return databases.at(mongo_url).with_options(read_concern=ReadConcern("local"))


@pytest.fixture
def mongo_store(mongo_url: str) -> Iterator[Store]:
    """An empty store."""
    with open_store(mongo_url) as store:
        yield store


@pytest.fixture(params=["memory", "mongo"])
def store(request: pytest.FixtureRequest) -> Store:
    """A store of each kind, empty."""
    if request.param == "memory":
        return Store.in_memory()
    store: Store = request.getfixturevalue("mongo_store")
    return store


@pytest.fixture
def log(store: Store) -> MemoryLog | MongoLog:
    """A log of each kind, empty."""
    assert isinstance(store.log, (MemoryLog, MongoLog))
    return store.log


class Collect(logging.Handler):
    """Keeps the records that it is handed, and what they say."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep *record*."""
        self.records.append(record)
        self.messages.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[Collect]:
    """What hstore logs meanwhile, down to debug messages; as with any program's own handler nothing goes to stderr."""
    handler, logger = Collect(), logging.getLogger("hstore")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logging.getLogger("hstore.objective").setLevel(logging.NOTSET)  # a worker in this process may have set it
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def messages(logged: Collect) -> list[str]:
    """The messages of `logged`."""
    return logged.messages


@pytest.fixture(autouse=True)
def _nothing_of_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test touches the stores of the person who runs it; few need a folder, so none is made for the others."""
    monkeypatch.delenv("HSTORE_URL", raising=False)
    monkeypatch.delenv("HSTORE_KEY", raising=False)
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path_factory.getbasetemp() / f"home-{next(_homes)}"))


_homes = itertools.count()


@pytest.fixture(params=["memory", "mongo"])
def trials(request: pytest.FixtureRequest) -> Trials:
    """Trials of a new experiment that fmin evaluates itself, in memory and in a real MongoDB."""
    if request.param == "memory":
        return Trials()
    trials = MongoTrials(request.getfixturevalue("mongo_url"), exp_key="searched")
    trials.asynchronous = False
    return trials
