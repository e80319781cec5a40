"""The folder of the embedded server, `$HSTORE_HOME`: its files, who may use them, and the path of its socket.

What is in it:

    data/                the database; mode 0700
    mongod.log           the log of mongod and of its supervisor
    key                  signs what is written to the database, unless HSTORE_KEY is set; mode 0600
    unsigned.json        the experiments that were there before the key was
    run/                 mode 0700, so that no other user reaches the socket; no TCP port unless the user asked for one
        mongod.sock      where mongod listens
        start.lock       held by the process that starts or stops something: one at a time
        users.lock       shared by every process that uses the server, as long as it lives
        supervisor.lock  held by the supervisor; contains its pid and mongod's
        keep.json        exists from `hstore db start` to `hstore db stop`: the server outlives its users
        port.json        the TCP port and the password, if `hstore db start --port` opened one
        key.lock         held by the process that makes the key
        keyfile          what a mongod that asks for passwords needs; written with port.json

No other user may write to the home: who can move `run` can put another one in its place.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import secrets
import stat
from base64 import b64encode
from pathlib import Path
from typing import Any

from hstore.store.errors import StoreUnreachable

__all__ = ["ServerHome", "default_home", "open_private", "write_private"]

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
        self.key = path / "key"
        self.unsigned = path / "unsigned.json"
        self.keyfile = self.run / "keyfile"
        self._keep = self.run / "keep.json"
        self._port = self.run / "port.json"

    def prepare(self) -> None:
        """Make the folders.

        Raises `StoreUnreachable` if another user owns one or can write to the home, OSError if one cannot be made.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_owner(self.path)
        if self.path.stat().st_mode & 0o022:
            raise StoreUnreachable(
                f"other users can write to {self.path}",
                hint=f"`chmod go-w {self.path}` if only you have used it, or set HSTORE_HOME to another folder",
            )
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
        if self.log.exists() and self.log.lstat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        return open_private(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

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

    def set_kept(self, is_kept: bool) -> None:
        """Set `is_kept`."""
        if is_kept:
            write_private(self._keep, "{}")
        else:
            self._keep.unlink(missing_ok=True)

    def listening(self) -> dict[str, Any]:
        """Return `port` and `password` if mongod listens, or is to listen, on a TCP port; empty if not."""
        try:
            file = open_private(self._port, os.O_RDONLY)
            with open(file) as stream:
                found: dict[str, Any] = json.load(stream)
        except (OSError, ValueError):
            return {}
        return found

    def set_listening(self, listening: dict[str, Any]) -> None:
        """Set what `listening` returns; empty removes it."""
        if not listening:
            self._port.unlink(missing_ok=True)
            return
        write_private(self.keyfile, b64encode(secrets.token_bytes(48)).decode())
        write_private(self._port, json.dumps(listening))


def open_private(path: Path, flags: int) -> int:
    """Return file *path*, opened with *flags*; a new one is for this user alone.

    Raises `StoreUnreachable` if it is a symbolic link, which may lead anywhere, and OSError if it cannot be opened.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise StoreUnreachable(f"{path} is a symbolic link", hint="remove it") from None
        raise


def write_private(path: Path, text: str) -> None:
    """Write *text* to *path*, for this user alone; all of it or nothing."""
    planned = path.with_suffix(".new")
    planned.unlink(missing_ok=True)
    with open(open_private(planned, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "w") as file:
        file.write(text)
    planned.replace(path)


def _short_link(run: Path) -> Path:
    """Return a link to *run* that is short enough, in a folder that belongs to this user alone.

    It may differ from process to process: only where it leads to matters.
    """
    failures = []
    for name, base in _short_folders():
        folder = Path(base, f"hstore-{os.geteuid()}")
        link = folder / hashlib.sha256(os.fsencode(run)).hexdigest()[:12]
        if len(os.fsencode(link / "mongod.sock")) > SOCKET_PATH_LIMIT:
            failures.append(f"{name} ({base}) is too long as well")
            continue
        try:
            _make_private(folder)
            with contextlib.suppress(FileExistsError):
                link.symlink_to(run, target_is_directory=True)
        except StoreUnreachable as error:
            failures.append(f"{name}: {error}")
        except OSError as error:
            failures.append(f"{name} ({base}): {error.strerror}")
        else:
            return link
    raise StoreUnreachable(
        f"{run} is too long for a socket, and no shorter folder can be used: {'; '.join(failures)}",
        hint="set HSTORE_HOME to a shorter folder",
    )


def _short_folders() -> list[tuple[str, str]]:
    """Return where a link may be, best first, each with the name for messages."""
    named = [(name, os.environ.get(name) or "") for name in ("XDG_RUNTIME_DIR", "TMPDIR")]
    return [(name, folder) for name, folder in named if folder] + [("the folder for temporary files", "/tmp")]


def _make_private(folder: Path) -> None:
    """Make *folder* unless it exists; raise `StoreUnreachable` if another user owns it; close it to others."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _check_owner(folder)
    if folder.lstat().st_mode & 0o077:
        folder.chmod(0o700)


def _check_owner(folder: Path) -> None:
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StoreUnreachable(f"{folder} belongs to another user", hint="set HSTORE_HOME to a folder of your own")


def _size(file: Path) -> int:
    try:
        found = file.stat()
    except OSError:  # mongod has removed it meanwhile
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0
