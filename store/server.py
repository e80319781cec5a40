"""The embedded mongod: found, started, shared by all processes of one user, stopped by the last one.

What is in its home, `$HSTORE_HOME`:

    data/                the database; mode 0700
    mongod.log           what mongod and its supervisor say
    run/                 mode 0700, so that no other user gets at the socket; no TCP unless it was asked for
        mongod.sock      where mongod listens
        start.lock       held by whoever starts or stops something: one at a time
        users.lock       shared by every process that uses the server, as long as it lives
        supervisor.lock  held by the supervisor, and says its pid and mongod's
        keep.json        there from `hstore db start` to `hstore db stop`: the server outlives its users

The supervisor waits to have `users.lock` for itself; the kernel sees to that when the last user is gone, by
SIGKILL too. It holds the lock while it stops mongod, so newcomers wait and then start afresh. If a supervisor
is killed, the next one adopts its mongod. A forked child shares its parent's lock: it is a user as well.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import stat
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from hstore.store import supervisor
from hstore.store.errors import HstoreError, NoMongod, StoreUnreachable

if sys.platform != "win32":
    import fcntl

__all__ = ["EmbeddedServer", "default_home", "ensure_server", "find_mongod"]

SOCKET_PATH_LIMIT = 107
LOG_LIMIT = 4 << 20
SPACE_NEEDED = 64 << 20
SETTINGS = [
    "--replSet", "hstore", "--nounixsocket", "--quiet", "--logappend",
    "--wiredTigerCacheSizeGB", "0.25",
    "--oplogSize", "64",
    # Journal files of 8 MB, not 100 (there are three or more), filled in advance: commits change no metadata.
    "--wiredTigerEngineConfigString", "log=(prealloc=true,zero_fill=true,file_max=8MB)",
    "--setParameter", "diagnosticDataCollectionEnabled=false",
    # Nobody reads the past, which is kept for 300 s otherwise: each ticket would step over all that were taken since.
    "--setParameter", "minSnapshotHistoryWindowInSeconds=0",
    "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
]  # fmt: skip


def default_home() -> Path:
    """Return where the embedded server lives: `$HSTORE_HOME`, or in the platform's folder for user data."""
    home = os.environ.get("HSTORE_HOME")
    if not home:
        import platformdirs

        home = platformdirs.user_data_dir("hstore")
    return Path(home).expanduser().resolve()


def find_mongod() -> Path:
    """Return the mongod to run: `$HSTORE_MONGOD`, the one of the `embedded` extra, or one on `PATH`.

    The extra comes before `PATH` because its version is the tested one. Raises `NoMongod`.
    """
    if named := os.environ.get("HSTORE_MONGOD"):
        found = shutil.which(named)
        if found is None:
            raise NoMongod(f"HSTORE_MONGOD is {named!r}, which is no program", path=named)
        return Path(found).resolve()
    for candidate in (_mongod_of_the_wheel(), shutil.which("mongod")):
        if candidate is not None:
            return Path(candidate).resolve()
    raise NoMongod(
        "there is no mongod on this machine",
        hint="pip install 'hstore[embedded]', or name one in HSTORE_MONGOD, or a server in HSTORE_URL",
    )


def _mongod_of_the_wheel() -> Path | None:
    # Only looked up, not imported: where the whole of `fiftyone` is installed, that takes seconds.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder, "db", "bin", "mongod")
        if mongod.is_file():
            if not os.access(mongod, os.X_OK):
                with contextlib.suppress(OSError):
                    mongod.chmod(mongod.stat().st_mode | 0o111)
            return mongod if os.access(mongod, os.X_OK) else None
    return None


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
        self.data = home / "data"
        self.run = home / "run"
        self.log_path = home / "mongod.log"
        self.handles = 0
        self._users: int | None = None

    def __repr__(self) -> str:
        return f"<hstore.EmbeddedServer {self.home}>"

    @property
    def uri(self) -> str:
        """The URI that pymongo and mongosh take as it is, database included."""
        return f"mongodb://{urllib.parse.quote(str(self.socket_path), safe='')}/hstore?directConnection=true"

    @property
    def tcp_uri(self) -> str | None:
        """The same over loopback TCP, if `keep` opened a port."""
        return f"mongodb://127.0.0.1:{self.port}/hstore?directConnection=true" if self.port else None

    @property
    def socket_path(self) -> Path:
        """Where mongod listens; through a link in a short folder if the path is too long for a socket."""
        path = self.run / "mongod.sock"
        if len(os.fsencode(path)) <= SOCKET_PATH_LIMIT:
            return path
        return _short_link(self.run) / "mongod.sock"

    @property
    def port(self) -> int | None:
        """The loopback port that `keep` asked for."""
        return self._kept().get("port")

    @property
    def is_kept(self) -> bool:
        """Whether the server stays when nobody uses it."""
        return (self.run / "keep.json").exists()

    @property
    def pid(self) -> int | None:
        """The process id of mongod, None when it does not run."""
        pid = self._pids()[1]
        with contextlib.suppress(psutil.Error):
            if pid and str(self.data) in psutil.Process(pid).cmdline():  # the pid may be another one's by now
                return pid
        return None

    @property
    def user_pids(self) -> list[int]:
        """The processes that use the server, as far as the system tells."""
        try:
            users = (self.run / "users.lock").stat()
            locks = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        except OSError:
            return []
        file = f"{os.major(users.st_dev):02x}:{os.minor(users.st_dev):02x}:{users.st_ino}"
        shares = [lock for lock in locks if lock[1:4:2] == ["FLOCK", "READ"] and lock[5] == file]
        return sorted({int(lock[4]) for lock in shares})

    def ensure(self, *, timeout: float = 30.0) -> None:
        """Return when this process is a user of the server and it takes writes; start what is not there.

        May be called by many processes at any time, above all after a connection was lost. A mongod that is
        there but does not answer is left alone. Raises `NoMongod`, and `StoreUnreachable` when *timeout*
        seconds are over.
        """
        deadline = time.monotonic() + timeout
        with self._starting(deadline):
            joined = self._users is None
            if self._users is None:
                self._users = self._wait_lock("users.lock", fcntl.LOCK_SH, deadline)
            try:
                self._bring_up(deadline)
            except BaseException:
                if joined:
                    self._leave()
                raise

    def release(self) -> None:
        """Give back one handle; with its last one this process stops being a user. Waits for nothing."""
        with _GATE:
            self.handles -= 1
            if self.handles <= 0:
                _SERVERS.pop(self.home, None)
                self._leave()

    def keep(self, *, port: int | None = None, timeout: float = 30.0) -> None:
        """Start the server and let it stay until `stop`; *port* opens it to every user of this machine.

        Port 0 is any free one. Raises `StoreUnreachable` if it is taken, or others use the server without it.
        """
        deadline = time.monotonic() + timeout
        with self._starting(deadline), self._sharing(deadline) as users:
            if port is not None and self.port is None:
                port = _free_port(port)
                if not _is_alone(users):
                    raise StoreUnreachable(
                        f"cannot open a port while others use the server (pid {self._who()})",
                        hint="try again when they are done",
                    )
                self._stop_running(deadline)
            elif port and port != self.port:
                raise StoreUnreachable(f"the server is open on port {self.port}", hint="`hstore db stop` closes it")
            was_kept, before = self.is_kept, self._kept()
            _write(self.run / "keep.json", json.dumps({"port": self.port or port}))
            try:
                self._bring_up(deadline)
            except BaseException:
                (self.run / "keep.json").unlink()
                if was_kept:
                    _write(self.run / "keep.json", json.dumps(before))
                raise

    def stop(self, *, timeout: float = 30.0) -> list[int] | None:
        """Undo `keep`. Return None when the server is stopped, or who uses it: the last one will stop it."""
        if not self.run.exists():
            return None
        deadline = time.monotonic() + timeout
        with self._starting(deadline), self._sharing(deadline) as users:
            (self.run / "keep.json").unlink(missing_ok=True)
            if not _is_alone(users):
                return [pid for pid in self.user_pids if pid != os.getpid()]
            self._stop_running(deadline)
        return None

    def status(self) -> dict[str, Any]:
        """Return what there is to know about the server, in values that JSON takes; starts nothing."""
        pid = self.pid
        since = None
        if pid is not None:
            with contextlib.suppress(psutil.Error):
                since = dt.datetime.fromtimestamp(psutil.Process(pid).create_time(), dt.UTC).isoformat("T", "seconds")
        return {
            "running": pid is not None,
            "pid": pid,
            "since": since,
            "kept": self.is_kept,
            "users": self.user_pids,
            "bytes": sum(map(_size, self.data.rglob("*"))),
            "home": str(self.home),
            "log": str(self.log_path),
            **_about_mongod(pid),
            "uri": self.uri,
            "tcp": self.tcp_uri,
        }

    def ask(self, command: dict[str, Any], *, timeout: float = 1.0) -> dict[str, Any]:
        """Return mongod's answer to *command* on the database admin; raises OSError when there is none.

        By hand, since the threads of a MongoClient hold a program back for half a second at its exit.
        """
        import bson

        body = struct.pack("<iB", 0, 0) + bson.encode({**command, "$db": "admin"})
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(timeout)
            line.connect(os.fspath(self.socket_path))
            line.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)  # 2013 is OP_MSG
            with line.makefile("rb") as answer:
                (size,) = struct.unpack("<i", _read(answer, 4))
                return bson.decode(_read(answer, size - 4)[12 + 5 :])

    # Below: what is only done by the holder of start.lock.

    def _bring_up(self, deadline: float) -> None:
        starts, log_size, pause = 0, 0, 0.001
        while True:
            # When we get the lock there is no supervisor: it is handed on to the one that we start.
            if (lock := self._try_lock("supervisor.lock")) is not None:
                try:
                    if starts == 2:
                        raise self._failure(log_size)
                    log_size = self._start_supervisor(lock)
                    starts += 1
                finally:
                    os.close(lock)
            elif self._pids()[1] and self._is_ready():  # one that adopts a mongod may not have said so yet
                return
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"the embedded mongod (pid {self.pid}) does not answer on {self.socket_path}",
                    hint=f"is it frozen, or in use on another machine? Its log is {self.log_path}",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def _start_supervisor(self, lock: int) -> int:
        """Start a supervisor that takes over *lock*; return how long the log was before."""
        os.ftruncate(lock, 0)
        free = shutil.disk_usage(self.home).free
        if free < SPACE_NEEDED:
            raise StoreUnreachable(f"the disk of {self.home} is full: {free >> 20} MB are left", hint="make room")
        port = ["--bind_ip", "./run/mongod.sock"]
        if self.port:
            port = ["--bind_ip", "./run/mongod.sock,127.0.0.1", "--port", str(self.port)]
        mongod = [
            str(find_mongod()),
            "--dbpath",
            str(self.data),
            "--logpath",
            str(self.log_path),
            *port,
            *SETTINGS,
        ]
        if self.log_path.exists() and self.log_path.stat().st_size > LOG_LIMIT:
            self.log_path.replace(self.log_path.with_suffix(".log.1"))
        with open(self.log_path, "ab", opener=_private) as log:
            subprocess.run(
                [sys.executable, "-I", "-S", supervisor.__file__, str(lock), *mongod],
                cwd=self.home, pass_fds=[lock], start_new_session=True, check=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
            return log.tell()

    def _is_ready(self) -> bool:
        """Return whether mongod takes writes; make it the replica set that it shall be."""
        # A path relative to mongod's own folder, so that the home can be moved.
        member = f"127.0.0.1:{self.port}" if self.port else "./run/mongod.sock"
        try:
            hello = self.ask({"hello": 1})
            if hello.get("me") == member:
                return bool(hello["isWritablePrimary"])
            config = self.ask({"replSetGetConfig": 1}).get("config")
            if config is None:
                self.ask({"replSetInitiate": {"_id": "hstore", "members": [{"_id": 0, "host": member}]}})
            elif config["members"][0]["host"] != member:  # the port was opened or closed
                config["members"][0]["host"] = member
                self.ask({"replSetReconfig": config, "force": True})
        except OSError:
            pass  # not yet there
        return False

    def _stop_running(self, deadline: float) -> None:
        if (lock := self._try_lock("supervisor.lock")) is None:
            if keeper := self._pids()[0]:
                supervisor.kill(keeper, signal.SIGTERM)
            lock = self._wait_lock("supervisor.lock", fcntl.LOCK_EX, deadline)
        try:
            while left_behind := supervisor.running_mongod(str(self.data)):
                supervisor.kill(left_behind, signal.SIGTERM)
                time.sleep(0.05)
        finally:
            os.close(lock)

    def _failure(self, log_size: int) -> StoreUnreachable:
        """Return the error for a mongod that died at its start, with its last words."""
        with open(self.log_path, "rb") as log:
            log.seek(log_size)
            words = _last_words(log.read().decode(errors="replace"))
        return StoreUnreachable(f"the embedded mongod does not start: {words}", hint=f"its log is {self.log_path}")

    @contextlib.contextmanager
    def _starting(self, deadline: float) -> Iterator[None]:
        """Hold start.lock, in folders that are there and ours."""
        if sys.platform == "win32":
            raise NoMongod("the embedded server needs Unix sockets", hint="name a running MongoDB in HSTORE_URL")
        try:
            self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.data, self.run):
                _own_folder(folder)
            self.socket_path  # noqa: B018  raises if the path is too long
            lock = self._wait_lock("start.lock", fcntl.LOCK_EX, deadline)
        except OSError as error:
            if isinstance(error, HstoreError):
                raise
            raise StoreUnreachable(
                f"cannot use {self.home}: {error.strerror}", hint="HSTORE_HOME names another folder"
            ) from error
        try:
            yield
        finally:
            fcntl.flock(lock, fcntl.LOCK_UN)  # closing is not enough if a thread forked meanwhile
            os.close(lock)

    def _try_lock(self, name: str, kind: int | None = None) -> int | None:
        """Return the open file run/*name*, locked (for us alone unless *kind* says otherwise), or None."""
        file = os.open(self.run / name, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(file, (fcntl.LOCK_EX if kind is None else kind) | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        return file

    def _wait_lock(self, name: str, kind: int, deadline: float) -> int:
        """Return the open file run/*name*, locked; raises `StoreUnreachable` at the *deadline*."""
        while (file := self._try_lock(name, kind)) is None:
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"{self.run / name} stays locked by another process",
                    hint=f"is mongod (pid {self.pid}) or whoever starts it frozen?",
                )
            time.sleep(0.005)
        return file

    @contextlib.contextmanager
    def _sharing(self, deadline: float) -> Iterator[int]:
        """Be a user while something is started or stopped by hand, once no supervisor is stopping it."""
        users = self._wait_lock("users.lock", fcntl.LOCK_SH, deadline)
        try:
            yield users
        finally:
            os.close(users)

    def _leave(self) -> None:
        if self._users is not None:
            os.close(self._users)
            self._users = None

    def _kept(self) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads((self.run / "keep.json").read_text())
        except (OSError, ValueError):
            return {}
        return kept

    def _pids(self) -> tuple[int, int]:
        """Return what the supervisor last said: its pid and mongod's."""
        try:
            keeper, mongod = (self.run / "supervisor.lock").read_text().split()
        except (OSError, ValueError):
            return 0, 0
        return int(keeper), int(mongod)

    def _who(self) -> str:
        return ", ".join(str(pid) for pid in self.user_pids if pid != os.getpid())


def _is_alone(users: int) -> bool:
    """Return whether nobody else shares the lock *users*; nobody can from then on, until it is closed."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _about_mongod(pid: int | None) -> dict[str, str | None]:
    """Return path and version of the mongod that runs, or that would."""
    try:
        mongod = psutil.Process(pid).exe() if pid else str(find_mongod())
        version = subprocess.run([mongod, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (NoMongod, OSError, psutil.Error, subprocess.SubprocessError):
        return {"mongod": None, "version": None}
    return {"mongod": mongod, "version": version.split()[2].removeprefix("v")}


def _short_link(run: Path) -> Path:
    """Return a link to *run* that is short enough, in a folder that is ours alone."""
    base = os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir()
    folder = Path(base, f"hstore-{os.geteuid()}")
    link = folder / hashlib.sha256(os.fsencode(run)).hexdigest()[:12]
    if len(os.fsencode(link / "mongod.sock")) > SOCKET_PATH_LIMIT:
        raise StoreUnreachable(f"{run} is too long for a socket", hint="HSTORE_HOME names a shorter folder")
    _own_folder(folder)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(run, target_is_directory=True)
    return link


def _own_folder(folder: Path) -> None:
    """Make *folder* unless it is there; raise `StoreUnreachable` unless it is ours; close it to others."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise StoreUnreachable(f"{folder} belongs to another user", hint="HSTORE_HOME names another folder")
    if found.st_mode & 0o077:
        folder.chmod(0o700)


def _free_port(port: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StoreUnreachable(f"port {port} cannot be opened: {error.strerror}", hint="0 takes any") from error
        return int(probe.getsockname()[1])


def _last_words(log: str) -> str:
    """Return the message of the last error in a log of mongod, or its last line."""
    words, rank = "it said nothing", 0
    for line in log.splitlines():
        try:
            entry = json.loads(line)
            error = entry.get("attr", {}).get("error") or {}
            said = f"{entry['msg']}: {error.get('errmsg', error) if isinstance(error, dict) else error}"
            # A failed assertion is only the consequence of what was said before.
            grave = 3 if entry["s"] in "EF" and entry["c"] != "ASSERT" else 1
        except (ValueError, KeyError, TypeError, AttributeError):
            said, grave = line, 2  # from the linker, or from the supervisor
        if grave >= rank:
            words, rank = said.strip(" :{}"), grave
    return words


def _size(file: Path) -> int:
    try:
        found = file.stat()
    except OSError:  # mongod has removed it meanwhile
        return 0
    return found.st_size if stat.S_ISREG(found.st_mode) else 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _write(path: Path, text: str) -> None:
    """Write *text* to *path*, all of it or nothing."""
    planned = path.with_suffix(".new")
    planned.write_text(text)
    planned.replace(path)


def _read(stream: Any, size: int) -> bytes:
    data: bytes = stream.read(size)
    if len(data) < size:
        raise ConnectionResetError("mongod hung up")
    return data
