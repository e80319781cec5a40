"""Three real mongods on loopback TCP, to be killed, frozen and asked to step down; they die with this process."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
from tests.waiting import until

from hstore.store.server import find_mongod

SETTINGS = [
    "--replSet", "tests", "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet",
    "--wiredTigerCacheSizeGB", "0.25", "--oplogSize", "64",
    "--wiredTigerEngineConfigString", "log=(prealloc=true,zero_fill=true,file_max=8MB)",
    "--setParameter", "diagnosticDataCollectionEnabled=false",
    "--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100",
]  # fmt: skip
QUICK = {"electionTimeoutMillis": 1000, "heartbeatIntervalMillis": 200, "heartbeatTimeoutSecs": 1}
"""A failover takes a second or two, not twelve."""
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if os.name == "posix" else None


def die_with_parent() -> None:
    """Let the kernel kill this (child) process when the thread that started it ends, however that comes about."""
    if _LIBC is not None and hasattr(_LIBC, "prctl"):
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def free_ports(n: int) -> list[int]:
    """Return *n* loopback ports that are free now."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(n)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


class Member:
    """One mongod of the set."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.process: subprocess.Popen[bytes] | None = None
        self.is_frozen = False

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the mongod, unless it runs; returns at once."""
        if self.is_running:
            return
        self.folder.mkdir(exist_ok=True)
        where = ["--port", str(self.port), "--dbpath", str(self.folder), "--logpath", f"{self.folder}.log"]
        self.process = subprocess.Popen(
            [str(find_mongod()), *where, "--logappend", *SETTINGS],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
        self.is_frozen = False

    def kill(self) -> None:
        """Send SIGKILL, to a frozen one as well; returns when it is gone."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        self.is_frozen = False

    def freeze(self) -> None:
        """Send SIGSTOP."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.is_frozen = True

    def thaw(self) -> None:
        """Send SIGCONT."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.is_frozen = False

    def ask(self, command: dict[str, Any], *, timeout: float = 1.0) -> dict[str, Any]:
        """Return the answer to *command* on the database admin; raises OSError when there is none."""
        body = struct.pack("<iB", 0, 0) + bson.encode({**command, "$db": "admin"})
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as line:
            line.sendall(struct.pack("<iiii", 16 + len(body), 1, 0, 2013) + body)  # 2013 is OP_MSG
            with line.makefile("rb") as answer:
                head = answer.read(4)
                rest = answer.read(struct.unpack("<i", head)[0] - 4) if len(head) == 4 else b""
                if not rest:
                    raise ConnectionResetError("mongod hung up")
                return bson.decode(rest[12 + 5 :])

    @property
    def is_primary(self) -> bool:
        """Whether the member takes writes, as it says itself."""
        if not self.is_running or self.is_frozen:
            return False
        try:
            return bool(self.ask({"hello": 1}).get("isWritablePrimary"))
        except OSError:
            return False

    def has_uncommitted(self) -> bool:
        """Return whether this primary has accepted writes that no majority has."""
        times = self.ask({"replSetGetStatus": 1})["optimes"]
        return bool(times["appliedOpTime"] != times["lastCommittedOpTime"])


class ReplicaSet:
    """A set of three; `start` it, and `close` it whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.members = [Member(folder / f"member{i}", port) for i, port in enumerate(free_ports(3))]

    def start(self) -> None:
        """Start what does not run, thaw what is frozen, and return when there is a primary."""
        for member in self.members:
            member.start()
            if member.is_frozen:
                member.thaw()
        until(self._is_answering, "three mongods that answer")
        first = self.members[0]
        if "config" not in first.ask({"replSetGetConfig": 1}):
            members = [{"_id": i, "host": member.host} for i, member in enumerate(self.members)]
            given = first.ask({"replSetInitiate": {"_id": "tests", "members": members, "settings": QUICK}}, timeout=30)
            assert given["ok"], given
        self.primary()

    def _is_answering(self) -> bool:
        for member in self.members:
            if not member.is_running:
                raise RuntimeError(f"a mongod ended: see {member.folder}.log")
            try:
                member.ask({"ping": 1})
            except OSError:
                return False
        return True

    def url(self, database: str) -> str:
        """Return the URL of *database* on the set."""
        return f"mongodb://{','.join(member.host for member in self.members)}/{database}?replicaSet=tests"

    def primary(self) -> Member:
        """Return the primary, as soon as there is one."""
        found = until(lambda: [member for member in self.members if member.is_primary], "a primary")
        # One that was frozen may believe for a moment that it still is: the latest term is right.
        member: Member = max(found, key=_term) if len(found) > 1 else found[0]
        return member

    @property
    def secondaries(self) -> list[Member]:
        """The members that are not the primary."""
        primary = self.primary()
        return [member for member in self.members if member is not primary]

    def step_down(self) -> None:
        """Ask the primary to step down; returns when it has."""
        primary = self.primary()
        with contextlib.suppress(OSError):
            primary.ask({"replSetStepDown": 5, "force": True}, timeout=10)
        until(lambda: not primary.is_primary, "a primary that steps down")

    def is_in_sync(self) -> bool:
        """Return whether all members are there, and have all that the primary has."""
        try:
            status = self.primary().ask({"replSetGetStatus": 1})
        except OSError:
            return False
        members = status.get("members", [])
        return {m["stateStr"] for m in members} == {"PRIMARY", "SECONDARY"} and all(m["health"] for m in members)

    def close(self) -> None:
        """Kill all members; nothing of them is needed any more."""
        for member in self.members:
            member.kill()


def _term(member: Member) -> int:
    try:
        return int(member.ask({"replSetGetStatus": 1}).get("term", -1))
    except OSError:
        return -1


@contextlib.contextmanager
def replica_set(folder: Path | None = None) -> Iterator[ReplicaSet]:
    """Hand out a running set; its processes and, unless a *folder* is given, its files are gone afterwards."""
    where = folder or Path(tempfile.mkdtemp(prefix="hstore-replica-set-"))
    members = ReplicaSet(where)
    try:
        members.start()
        yield members
    finally:
        members.close()
        if folder is None:
            shutil.rmtree(where, ignore_errors=True)
