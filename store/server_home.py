"""The folder of the embedded server, `$HSTORE_HOME`: its files, who may use them, and the path of its socket.

What is in it:

    data/                the database; mode 0700
    mongod.log           the log of mongod and of its supervisor
    run/                 mode 0700, so that no other user reaches the socket; no TCP port unless the user asked for one
        mongod.sock      where mongod listens
        start.lock       held by the process that starts or stops something: one at a time
        users.lock       shared by every process that uses the server, as long as it lives
        supervisor.lock  held by the supervisor; contains its pid and mongod's
        keep.json        exists from `hstore db start` to `hstore db stop`: the server outlives its users
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from hstore.store.errors import StoreUnreachable

__all__ = ["ServerHome", "default_home"]

SOCKET_PATH_LIMIT = 107
LOG_LIMIT = 4 << 20
"""Bytes of mongod.log after which the next start begins a new one."""


def default_home() -> Path:
    """Return the folder of the embedded server: `$HSTORE_HOME`, or one in the platform's folder for user data."""
    home = os.environ.get("HSTORE_HOME")
    if not home:
        import platformdirs

        home = platformdirs.user_data_dir("hstore")
    return Path(home).expanduser().resolve()


class ServerHome:
    """The files of one embedded server. Making the object touches nothing; `prepare` makes the folders."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.data = path / "data"
        self.run = path / "run"
        self.log = path / "mongod.log"
        self._keep = self.run / "keep.json"

    def prepare(self) -> None:
        """Make the folders. Raises `StoreUnreachable` if another user owns one, OSError if one cannot be made."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (self.data, self.run):
            _make_private(folder)
        self.socket_path()  # raises if the path is too long

    def socket_path(self) -> Path:
        """Return where mongod listens; through a link in a short folder if the path is too long for a socket."""
        path = self.run / "mongod.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        return _short_link(self.run) / "mongod.sock"

    def open_log(self) -> int:
        """Return mongod.log, opened for appending; one that has grown long is moved to mongod.log.1 first."""
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        return os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def log_since(self, size: int) -> str:
        """Return what was appended to mongod.log after its first *size* bytes."""
        with open(self.log, "rb") as log:
            log.seek(size)
            return log.read().decode(errors="replace")

    def data_bytes(self) -> int:
        """Return the size of the database on disk, in bytes."""
        return sum(map(_size, self.data.rglob("*")))

    @property
    def is_kept(self) -> bool:
        """Whether the server stays when no process uses it."""
        return self._keep.exists()

    def kept(self) -> dict[str, Any]:
        """Return what `hstore db start` asked for; empty if it did not run."""
        try:
            kept: dict[str, Any] = json.loads(self._keep.read_text())
        except (OSError, ValueError):
            return {}
        return kept

    def write_kept(self, kept: dict[str, Any] | None) -> None:
        """Replace what `kept` returns, all of it or nothing; None removes it."""
        if kept is None:
            self._keep.unlink(missing_ok=True)
            return
        planned = self._keep.with_suffix(".new")
        planned.write_text(json.dumps(kept))
        planned.replace(self._keep)


def _short_link(run: Path) -> Path:
    """Return a link to *run* that is short enough, in a folder that belongs to this user alone."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base, f"hstore-{os.geteuid()}")
    link = folder / hashlib.sha256(os.fsencode(run)).hexdigest()[:12]
    if len(os.fsencode(link / "mongod.sock")) > SOCKET_PATH_LIMIT:
        raise StoreUnreachable(f"{run} is too long for a socket", hint="HSTORE_HOME names a shorter folder")
    _make_private(folder)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(run, target_is_directory=True)
    return link


def _make_private(folder: Path) -> None:
    """Make *folder* unless it exists; raise `StoreUnreachable` if another user owns it; close it to others."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StoreUnreachable(f"{folder} belongs to another user", hint="set HSTORE_HOME to another folder")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _size(file: Path) -> int:
    try:
        found = file.stat()
    except OSError:  # mongod has removed it meanwhile
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
