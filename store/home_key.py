"""The key of the embedded server: made at its first use, it signs what the processes of one machine write there.

It is the file `key` of the home. `unsigned.json` beside it names the experiments that were there before: they are left
as they are until `hstore sign`.
"""

from __future__ import annotations

import errno
import json
import os
import time
import urllib.parse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from uuid import UUID

from hstore.store.errors import InvalidValue
from hstore.store.keys import Keys, new_key, parse_lines
from hstore.store.server_home import ServerHome, default_home, open_private, write_private
from hstore.store.server_locks import ServerLocks
from hstore.store.server_process import DATABASE

SECONDS = 10.0
"""How long to wait for another process that makes the key."""


def home_behind(hosts: Sequence[str], database: str) -> Path | None:
    """Return the home of the embedded server that listens at *hosts*, if *database* is its own; None for any other."""
    if database != DATABASE or len(hosts) != 1:
        return None
    host = urllib.parse.unquote(hosts[0])
    if host.endswith("/mongod.sock"):
        run = Path(host).parent.resolve()  # a short link may stand for it
        home = run.parent
        return home if run.name == "run" and (home / "data").is_dir() else None
    home = default_home()
    port = ServerHome(home).listening().get("port")
    return home if port and host == f"127.0.0.1:{port}" else None


def home_keys(home: Path, experiments: Callable[[], Iterable[UUID]]) -> Keys | None:
    """Return the key of the embedded server in *home*, made if there is none; None if that is another user's.

    experiments: returns the ids of the `created` events in the store, which stay unsigned if the key is made now.
    Raises `InvalidValue` for a key that others can read or that is no key.
    """
    files = ServerHome(home)
    if home.stat().st_uid != os.geteuid():
        return None
    if not files.key.exists():
        _make(files, experiments)
    handle = open_private(files.key, os.O_RDONLY)
    with os.fdopen(handle, encoding="ascii", errors="replace") as stream:
        if os.fstat(handle).st_mode & 0o077:
            raise InvalidValue(
                f"other users can read the key {files.key}",
                hint=f"`chmod 600 {files.key}` if only you have used this folder", path=str(files.key),
            )  # fmt: skip
        keys = parse_lines(stream.read().splitlines(), str(files.key))
    return Keys(*keys, where=str(files.key), unsigned=_unsigned(files))


def note_signed(keys: Keys, experiment: UUID) -> None:
    """Have *experiment* count as signed from now on, for later processes as well."""
    keys.unsigned.discard(experiment)
    file = Path(keys.where).with_name("unsigned.json")
    if file.exists():
        write_private(file, json.dumps(sorted(map(str, keys.unsigned))))


def _make(files: ServerHome, experiments: Callable[[], Iterable[UUID]]) -> None:
    import fcntl

    lock = ServerLocks(files).wait("key.lock", fcntl.LOCK_EX, time.monotonic() + SECONDS)
    try:
        if not files.key.exists():
            write_private(files.unsigned, json.dumps(sorted(map(str, experiments()))))  # before the key, which ends it
            write_private(files.key, new_key() + "\n")
    finally:
        os.close(lock)


def _unsigned(files: ServerHome) -> set[UUID]:
    try:
        with os.fdopen(open_private(files.unsigned, os.O_RDONLY)) as stream:
            return {UUID(text) for text in json.load(stream)}
    except OSError as error:
        if error.errno == errno.ENOENT:
            return set()
        raise
    except (ValueError, TypeError, AttributeError):
        raise InvalidValue(
            f"{files.unsigned} is damaged", hint="remove it; `hstore sign EXP` signs the searches that it named",
            path=str(files.unsigned),
        ) from None  # fmt: skip
