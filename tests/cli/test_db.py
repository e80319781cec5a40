from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure
from tests.waiting import GENEROUS

from hstore.store.errors import NoMongod
from hstore.store.server import EmbeddedServer, ensure_server, find_mongod

try:
    find_mongod()
except NoMongod:
    pytest.skip("there is no mongod", allow_module_level=True)

Hstore = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def hstore(home: Path) -> Iterator[Hstore]:
    """`hstore db …` in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", "from hstore.cli.db import db; db()", *arguments],
            env={**os.environ, "HSTORE_HOME": str(home)}, capture_output=True, text=True, timeout=GENEROUS,
        )  # fmt: skip

    yield run
    assert EmbeddedServer(home).stop() is None


def ping(uri: str) -> Any:
    with MongoClient[Any](uri) as client:
        return client.get_default_database().command("ping")["ok"]


def test_start_keeps_the_server_until_stop(hstore: Hstore, home: Path) -> None:
    started = hstore("start")
    assert started.returncode == 0, started.stderr
    assert ping(started.stdout.strip()) == 1
    pid = EmbeddedServer(home).pid
    ensure_server(home).release()
    assert EmbeddedServer(home).pid == pid
    assert hstore("stop").stderr == "stopped\n"
    assert pid is not None
    assert not psutil.pid_exists(pid)
    assert hstore("stop").stderr == "not running\n"


def test_start_twice_is_start_once(hstore: Hstore, home: Path) -> None:
    first = hstore("start")
    pid = EmbeddedServer(home).pid
    assert hstore("start").stdout == first.stdout
    assert EmbeddedServer(home).pid == pid


def test_uri_prints_what_pymongo_takes_as_it_is(hstore: Hstore) -> None:
    before = hstore("uri")
    assert "hstore db start" in before.stderr
    hstore("start")
    after = hstore("uri")
    assert after.stderr == ""
    assert after.stdout == before.stdout
    assert ping(after.stdout.strip()) == 1


def test_uri_path_and_status_start_nothing(hstore: Hstore, home: Path) -> None:
    assert hstore("path").stdout.strip() == str(home / "data")
    hstore("uri")
    report = json.loads(hstore("status", "--json").stdout)
    assert report["running"] is False
    assert not home.exists()


def test_status_tells_what_runs(hstore: Hstore, home: Path) -> None:
    server = ensure_server(home)
    try:
        report = json.loads(hstore("status", "--json").stdout)
        assert report["running"] is True
        assert report["kept"] is False
        assert report["pid"] == server.pid
        assert report["users"] == [os.getpid()]
        assert report["uri"] == server.uri
        assert report["version"][0].isdigit()
        assert str(server.pid) in hstore("status").stdout
    finally:
        server.release()


def test_stop_says_who_still_uses_the_server(hstore: Hstore, home: Path) -> None:
    hstore("start")
    server = ensure_server(home)
    try:
        assert f"still in use (pid {os.getpid()})" in hstore("stop").stderr
        assert server.pid is not None
    finally:
        server.release()


def test_port_opens_loopback_and_nothing_else(hstore: Hstore, home: Path) -> None:
    started = hstore("start", "--port", "0")
    assert started.returncode == 0, started.stderr
    uri = started.stdout.strip()
    user, _, rest = uri.removeprefix("mongodb://").partition("@")
    assert rest.startswith("127.0.0.1:")
    password = user.removeprefix("hstore:")
    assert len(password) >= 32
    assert password not in hstore("status").stdout + hstore("status", "--json").stdout
    with MongoClient[Any](f"mongodb://{rest}") as stranger, pytest.raises(OperationFailure, match="requires auth"):
        stranger.hstore.events.find_one()
    assert ping(uri) == 1
    assert ping(uri.split("?")[0]) == 1  # programs that look up the members of the set find it as well
    assert ping(hstore("uri").stdout.strip()) == 1
    listening = psutil.Process(EmbeddedServer(home).pid).net_connections(kind="inet")
    assert {line.laddr.ip for line in listening} == {"127.0.0.1"}


@pytest.mark.long
def test_a_port_that_was_closed_again_leaves_a_server_that_works(hstore: Hstore, home: Path) -> None:
    hstore("start", "--port", "0")
    hstore("stop")
    server = ensure_server(home)
    try:
        assert psutil.Process(server.pid).net_connections(kind="inet") == []
        assert server.ask({"hello": 1})["isWritablePrimary"]
    finally:
        server.release()


def test_a_kept_server_that_was_killed_comes_back_with_its_port(hstore: Hstore, home: Path) -> None:
    uri = hstore("start", "--port", "0").stdout.strip()
    psutil.Process(EmbeddedServer(home).pid).kill()
    ensure_server(home).release()
    assert ping(uri) == 1


def test_no_port_is_opened_under_the_feet_of_others(hstore: Hstore, home: Path) -> None:
    server = ensure_server(home)
    try:
        refused = hstore("start", "--port", "0")
        assert refused.returncode != 0
        assert "while other processes use the server" in refused.stderr
        assert not server.is_kept
    finally:
        server.release()


def test_a_port_that_is_taken_is_refused(hstore: Hstore, home: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        refused = hstore("start", "--port", str(other.getsockname()[1]))
    assert "cannot be opened" in refused.stderr
    assert not EmbeddedServer(home).is_kept


def test_the_commands_are_quick_to_import() -> None:
    code = "import sys, hstore.cli.db; print(*{'pymongo', 'psutil', 'bson'} & set(sys.modules))"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == ""
