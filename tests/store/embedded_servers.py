"""Embedded servers in folders of their own, the processes that they are, and their users."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient, WriteConcern
from pymongo.collection import Collection
from tests.waiting import until

from hstore.store.errors import NoMongod
from hstore.store.server import EmbeddedServer, ensure_server, find_mongod

try:
    find_mongod()
except NoMongod:
    pytest.skip("there is no mongod", allow_module_level=True)

USER = """
import sys
from pathlib import Path
from hstore.store.server import ensure_server
server = ensure_server(Path(sys.argv[1]))
print(server.pid, flush=True)
sys.stdin.read()
"""


def processes(home: Path) -> list[psutil.Process]:
    """Return the mongods and supervisors of *home*."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if str(home / "data") in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def kill_all(home: Path) -> None:
    for process in sorted(processes(home), key=lambda process: "-I" not in process.cmdline()):
        with contextlib.suppress(psutil.Error):
            process.kill()
    until(lambda: not processes(home))


def empty_home(tmp_path: Path) -> Iterator[Path]:
    """Yield a folder for a server; kill what still runs there. For `pytest.fixture`."""
    home = tmp_path / "home"
    yield home
    kill_all(home)


@contextlib.contextmanager
def using(home: Path) -> Iterator[EmbeddedServer]:
    server = ensure_server(home)
    try:
        yield server
    finally:
        server.release()


@contextlib.contextmanager
def documents(server: EmbeddedServer) -> Iterator[Collection[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](server.uri) as client:
        yield client.get_default_database().get_collection("documents", write_concern=WriteConcern("majority"))
