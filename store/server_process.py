"""The process of the embedded server: mongod and its supervisor, started, asked and stopped.

The caller holds start.lock. If a supervisor is killed, the next one adopts its mongod.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from typing import Any

from hstore.store import supervisor
from hstore.store.errors import StoreUnreachable
from hstore.store.file_limit import file_limit
from hstore.store.mongod_connection import Login, ask
from hstore.store.mongod_program import find_mongod
from hstore.store.server_home import ServerHome
from hstore.store.server_locks import ServerLocks

if sys.platform != "win32":
    import fcntl

__all__ = ["MongodProcess", "free_port"]

USER, DATABASE = "hstore", "hstore"
"""Who connects if mongod asks for passwords, and where that user is defined: the database that all URIs name."""
FILES_NEEDED = 256
"""Files that mongod must be able to open: below that its limit is the likely cause of any failure."""
SPACE_NEEDED = 64 << 20
"""Bytes that the disk must have free before mongod is started."""
SETTINGS = [
    "--replSet", "hstore", "--nounixsocket", "--quiet", "--logappend",
    "--noscripting",  # no JavaScript in the server: hstore uses none
    "--wiredTigerCacheSizeGB", "0.25",
    "--oplogSize", "64",
    # Journal files of 8 MB, not 100 (there are three or more), filled in advance: commits change no metadata.
    "--wiredTigerEngineConfigString", "log=(prealloc=true,zero_fill=true,file_max=8MB)",
    "--setParameter", "diagnosticDataCollectionEnabled=false",
    # hstore does not read the past, which is kept for 300 s otherwise: each ticket would step over all that were taken.
    "--setParameter", "minSnapshotHistoryWindowInSeconds=0",
    "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
]  # fmt: skip


class MongodProcess:
    """mongod on the data of one *home*, and the supervisor that keeps it running."""

    def __init__(self, home: ServerHome, locks: ServerLocks) -> None:
        self.home = home
        self.locks = locks

    @property
    def port(self) -> int | None:
        """The loopback port that `hstore db start --port` asked for."""
        return self.home.listening().get("port")

    @property
    def login(self) -> Login | None:
        """The user that mongod asks for while it listens on a port."""
        password = self.home.listening().get("password")
        return Login(user=USER, password=password, database=DATABASE) if password else None

    def bring_up(self, deadline: float) -> None:
        """Return when mongod takes writes; start what does not run.

        Raises `StoreUnreachable` at the *deadline*, one of `time.monotonic`, or when mongod died twice at its start.
        """
        starts, log_size, pause = 0, 0, 0.001
        while True:
            # If we get the lock there is no supervisor: the lock is handed on to the one that we start.
            if (lock := self.locks.attempt("supervisor.lock")) is not None:
                try:
                    if starts == 2:
                        raise self._failure(log_size)
                    log_size = self._start_supervisor(lock)
                    starts += 1
                finally:
                    os.close(lock)
            elif self.locks.recorded_pids()[1] and self._is_ready():  # one that adopts a mongod records it a bit later
                return
            if time.monotonic() > deadline:
                raise StoreUnreachable(
                    f"the embedded mongod (pid {self.locks.mongod_pid()}) does not answer on {self.home.socket_path()}",
                    hint=self._hint("it may be frozen, or its folder in use on another machine"),
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 0.02)

    def stop(self, deadline: float) -> None:
        """Return when neither mongod nor a supervisor runs. Raises `StoreUnreachable` at the *deadline*."""
        if (lock := self.locks.attempt("supervisor.lock")) is None:
            if pid := self.locks.recorded_pids()[0]:
                supervisor.kill(pid, signal.SIGTERM)
            lock = self.locks.wait("supervisor.lock", fcntl.LOCK_EX, deadline)
        try:
            while left_behind := supervisor.running_mongod(str(self.home.data)):
                supervisor.kill(left_behind, signal.SIGTERM)
                time.sleep(0.05)
        finally:
            os.close(lock)

    def ask(self, command: dict[str, Any], *, timeout: float = 1.0) -> dict[str, Any]:
        """Return mongod's answer to *command* on the database admin; raises OSError when there is none.

        The process logs in for anything but a greeting if mongod asks for passwords.
        """
        login = None if "hello" in command else self.login
        return ask(os.fspath(self.home.socket_path()), command, login=login, timeout=timeout)

    def make_user(self, deadline: float) -> str:
        """Start mongod, which must not ask for passwords yet, give user `USER` a new password, and return it."""
        self.bring_up(deadline)
        password = secrets.token_urlsafe(24)
        about = {"pwd": password, "roles": [{"role": "root", "db": "admin"}]}
        for command in ("updateUser", "createUser"):
            answer = ask(os.fspath(self.home.socket_path()), {command: USER, **about}, database=DATABASE, timeout=10.0)
            if answer.get("ok"):
                return password
        raise StoreUnreachable(f"the embedded mongod makes no user: {answer.get('errmsg')}")

    def _start_supervisor(self, lock: int) -> int:
        """Start a supervisor that takes over *lock*; return the length of the log before that, in bytes."""
        os.ftruncate(lock, 0)
        free = shutil.disk_usage(self.home.path).free
        if free < SPACE_NEEDED:
            raise StoreUnreachable(
                f"the disk of {self.home.path} is full: {free >> 20} MB are left", hint="free some space"
            )
        if not self.home.is_kept and not supervisor.running_mongod(str(self.home.data)):
            self.home.set_listening({})  # of a server that was told to stop after its last user
        with open(self.home.open_log(), "ab") as log:
            size = log.tell()  # now, since what the supervisor writes moves it
            subprocess.run(
                [sys.executable, "-I", "-S", supervisor.__file__, str(lock), *self._command()],
                cwd=self.home.path, pass_fds=[lock], start_new_session=True, check=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        return size

    def _command(self) -> list[str]:
        listen = ["--bind_ip", "./run/mongod.sock"]
        if self.port:  # every user of this machine can connect, so mongod asks for the password
            listen = ["--bind_ip", "./run/mongod.sock,127.0.0.1", "--port", str(self.port)]
            listen += ["--keyFile", str(self.home.keyfile)]
        files = ["--dbpath", str(self.home.data), "--logpath", str(self.home.log)]
        return [str(find_mongod()), *files, *listen, *SETTINGS]

    def _is_ready(self) -> bool:
        """Return whether mongod takes writes; make it the replica set that it has to be."""
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
            pass  # it does not listen yet
        return False

    def _failure(self, log_size: int) -> StoreUnreachable:
        """Return the error for a mongod that died at its start, with the cause from its log."""
        cause = _cause(self.home.log_since(log_size))
        return StoreUnreachable(f"the embedded mongod does not start: {cause}", hint=self._hint())

    def _hint(self, guess: str = "") -> str:
        if (limit := file_limit(is_hard=True)) < FILES_NEEDED:
            guess = f"it may open only {limit} files, which is too few; raise the limit with `ulimit -n`"
        return f"{guess}; its log is {self.home.log}" if guess else f"its log is {self.home.log}"


def free_port(port: int) -> int:
    """Return *port* if 127.0.0.1 has it free, or any free one for 0. Raises `StoreUnreachable`."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise StoreUnreachable(
                f"port {port} cannot be opened: {error.strerror}", hint="--port 0 takes any free one"
            ) from error
        return int(probe.getsockname()[1])


def _cause(log: str) -> str:
    """Return the message of the first error in a log of mongod, or its last line."""
    cause, rank = "it logged nothing", 0
    for line in log.splitlines():
        try:
            entry = json.loads(line)
            message = f"{entry['msg']}: {_detail(entry.get('attr') or {})}"
            # A failed assertion, a signal and a stack trace are only consequences of what was logged before.
            severity = 3 if entry["s"] in "EF" and entry["c"] not in ("ASSERT", "CONTROL") else 1
        except (ValueError, KeyError, TypeError, AttributeError):
            message, severity = line, 2  # from the linker, or from the supervisor
        if severity >= rank and rank < 3:
            cause, rank = " ".join(message.strip(" :{}").split()), severity
    return cause


def _detail(attributes: dict[str, Any]) -> object:
    """Return what an entry of the log says beside its message, in mongod's words or in those of its storage engine."""
    error, engine = attributes.get("error") or {}, attributes.get("message")
    if isinstance(engine, dict):
        return f"{engine.get('error_str', error)} ({engine.get('msg')})"
    return error.get("errmsg", error) if isinstance(error, dict) else error
