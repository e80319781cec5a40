"""The embedded server: one mongod for all processes of one user, started by the first, stopped after the last.

Its files are explained in `server_home`, its locks in `server_locks`; `server_process` starts and stops mongod.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import threading
import time
import urllib.parse
from pathlib import Path
from typing import Any

from hstore.store.errors import StoreUnreachable
from hstore.store.mongod_program import describe_mongod, find_mongod
from hstore.store.mongod_releases import advice
from hstore.store.server_home import ServerHome, default_home
from hstore.store.server_locks import ServerLocks, is_only_user
from hstore.store.server_process import DATABASE, MongodProcess, free_port
from hstore.store.url import redacted

__all__ = ["EmbeddedServer", "default_home", "ensure_server", "find_mongod"]

_SERVERS: dict[Path, EmbeddedServer] = {}
_GATE = threading.RLock()


def _renew_gate() -> None:
    global _GATE
    _GATE = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_gate)  # a thread that does not exist there may have held it


def ensure_server(home: Path | None = None) -> EmbeddedServer:
    """Return the server of *home* (`default_home`), started if it does not run; `release` it after use.

    One process has one handle per home, however often it asks. Raises `NoMongod`, `StoreUnreachable`.
    """
    home = home.expanduser().resolve() if home else default_home()
    with _GATE:
        server = _SERVERS.setdefault(home, EmbeddedServer(home))
        server.ensure()
        server.handles += 1
    return server


class EmbeddedServer:
    """The mongod of one *home*. Making the object starts nothing; `ensure_server` does."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.handles = 0
        self._files = ServerHome(home)
        self._locks = ServerLocks(self._files)
        self._process = MongodProcess(self._files, self._locks)

    def __repr__(self) -> str:
        return f"<hstore.EmbeddedServer {self.home}>"

    @property
    def data(self) -> Path:
        """The folder of the database."""
        return self._files.data

    @property
    def run(self) -> Path:
        """The folder of the socket and the locks."""
        return self._files.run

    @property
    def log_path(self) -> Path:
        """The log of mongod."""
        return self._files.log

    @property
    def uri(self) -> str:
        """The URI that pymongo and mongosh take as it is, with the database, and with user and password if needed."""
        return self._uri(urllib.parse.quote(str(self.socket_path), safe=""))

    @property
    def tcp_uri(self) -> str | None:
        """The same over loopback TCP, if `keep` opened a port."""
        return self._uri(f"127.0.0.1:{self.port}") if self.port else None

    def _uri(self, host: str) -> str:
        login = self._process.login
        user = f"{login.user}:{login.password}@" if login else ""
        return f"mongodb://{user}{host}/{DATABASE}?directConnection=true"

    @property
    def socket_path(self) -> Path:
        """Where mongod listens; through a link in a short folder if the path is too long for a socket."""
        return self._files.socket_path()

    @property
    def port(self) -> int | None:
        """The loopback port that `keep` asked for."""
        return self._process.port

    @property
    def is_kept(self) -> bool:
        """Whether the server stays when no process uses it."""
        return self._files.is_kept

    @property
    def pid(self) -> int | None:
        """The process id of mongod, None when it does not run."""
        return self._locks.mongod_pid()

    @property
    def user_pids(self) -> list[int]:
        """The processes that use the server, as far as the system tells."""
        return self._locks.user_pids()

    def ensure(self, *, timeout: float = 30.0) -> None:
        """Return when this process is a user of the server and it takes writes; start what does not run.

        May be called by many processes at any time, above all after a connection was lost. A mongod that runs but
        does not answer is left alone. Raises `NoMongod`, and `StoreUnreachable` when *timeout* seconds are over.
        """
        deadline = time.monotonic() + timeout
        with self._locks.starting(deadline), self._locks.joined(deadline):
            self._process.bring_up(deadline)

    def release(self) -> None:
        """Give back one handle; with its last one this process stops being a user. Waits for nothing."""
        with _GATE:
            self.handles -= 1
            if self.handles <= 0:
                _SERVERS.pop(self.home, None)
                self._locks.leave()

    def keep(self, *, port: int | None = None, timeout: float = 30.0) -> None:
        """Start the server and let it run until `stop`.

        port: open it on 127.0.0.1 as well, 0 is any free port. mongod then asks for a password, which the URIs contain.
        Raises `StoreUnreachable` if the port is taken, or other processes use the server without it.
        """
        deadline = time.monotonic() + timeout
        with self._locks.starting(deadline), self._locks.sharing(deadline) as users:
            before = listening = self._files.listening()
            if port is not None and self.port is None:
                port = free_port(port)
                if not is_only_user(users):
                    others = ", ".join(map(str, self._other_pids()))
                    raise StoreUnreachable(
                        f"cannot open a port while other processes use the server (pid {others})",
                        hint="try again when they have ended",
                    )
                password = self._process.make_user(deadline)
                self._process.stop(deadline)
                listening = {"port": port, "password": password}
            elif port and port != self.port:
                raise StoreUnreachable(
                    f"the server already listens on port {self.port}", hint="`hstore db stop` closes it"
                )
            was_kept = self.is_kept
            self._files.set_kept(True)
            if listening != before:
                self._files.set_listening(listening)
            try:
                self._process.bring_up(deadline)
            except BaseException:
                self._files.set_kept(was_kept)
                self._files.set_listening(before)
                raise

    def stop(self, *, timeout: float = 30.0) -> list[int] | None:
        """Undo `keep`. Return None when the server is stopped, or the pids that use it: it stops after the last one."""
        if not self.run.exists():
            return None
        deadline = time.monotonic() + timeout
        with self._locks.starting(deadline), self._locks.sharing(deadline) as users:
            self._files.set_kept(False)
            if not is_only_user(users):
                return self._other_pids()
            self._process.stop(deadline)
            self._files.set_listening({})
        return None

    def status(self) -> dict[str, Any]:
        """Return what is known about the server, in values that JSON takes and without its password; starts nothing."""
        pid = self.pid
        since = None
        if pid is not None:
            import psutil  # see `ServerLocks.mongod_pid`

            with contextlib.suppress(psutil.Error):
                since = dt.datetime.fromtimestamp(psutil.Process(pid).create_time(), dt.UTC).isoformat("T", "seconds")
        mongod = describe_mongod(pid)
        return {
            "running": pid is not None,
            "pid": pid,
            "since": since,
            "kept": self.is_kept,
            "users": self.user_pids,
            "bytes": self._files.data_bytes(),
            "home": str(self.home),
            "log": str(self.log_path),
            **mongod,
            "outdated": advice(mongod["version"], dt.datetime.now(dt.UTC).date()) or None,
            "uri": redacted(self.uri),
            "tcp": self.tcp_uri and redacted(self.tcp_uri),
        }

    def ask(self, command: dict[str, Any], *, timeout: float = 1.0) -> dict[str, Any]:
        """Return mongod's answer to *command* on the database admin; raises OSError when there is none."""
        return self._process.ask(command, timeout=timeout)

    def _other_pids(self) -> list[int]:
        return [pid for pid in self.user_pids if pid != os.getpid()]
