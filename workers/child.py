"""Calls objectives in a child process that is used for trial after trial, and replaced when it dies.

Over a socket pair go pickled tuples. To the child: ("load", key, spec), answered by ("loaded", version) or
("unloadable", (why, hint)); ("evaluate", key, job), answered by any number of ("call", name, arguments), each of
which is answered by (is_error, value), and in the end by ("done" | "failed", data, warnings). Where no pruner is to be
asked, reports come as ("say", step, value), which is not answered unless they cannot be written: ("refused", error).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.store.errors import CannotLoad, HstoreError
from hstore.workers.trial_executor import MOMENT, CallResult

TAIL_BYTES = 64 * 1024
"""How much of an objective's output is kept for when it fails."""
LOAD_SECONDS = 300.0
LOAD_TRIES = 5
LOOK_SECONDS = 2.0
"""How often a silent process is looked at: the line of one that died may be kept open by what it has forked."""
LAST_SECONDS = 5.0
"""How long a process that has hung up may take to end."""
CHUNK = 1 << 20
MOST_SAID = 1000
"""Reports that are written at once, if so many came while the ones before were written."""


class Child:
    """A process that evaluates objectives. See `TrialExecutor`."""

    def __init__(self, workdir: Path, *, echo: Callable[[bytes], None] = lambda _: None) -> None:
        self.workdir = workdir
        self.echo = echo
        self.jobs = 0
        """How many calls this process has answered."""
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded: dict[str, str | None] = {}
        self._versions: dict[str, str | None] = {}
        self._files: dict[str, str] = {}
        self._renewed: set[str] = set()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)
        self._aborted: str | None = None

    @property
    def pid(self) -> int:
        """The process id; starts the process if there is none."""
        return self._running().pid

    def has(self, key: str) -> bool:
        """Return whether a child is running that has loaded what is under *key*."""
        return self._process is not None and self._process.poll() is None and key in self._loaded

    def load(self, key: str, spec: ObjectiveSpec) -> str | None:
        """Have the child load *spec*, to be called by *key*; return the version of its code.

        Raises `CannotLoad`, also if that kills the child.
        """
        self._running()
        if key not in self._loaded:
            is_fresh = not self._loaded
            version = self._load(key, spec)
            if not is_fresh and (version not in (spec.version, self._versions.get(key)) or self._is_stale(key, spec)):
                self.stop()  # it has imported what has changed on disk since; only a new process imports it again
                self._running()
                is_fresh, version = True, self._load(key, spec)
            self._loaded[key] = version
            self._files.update(spec.files)
            if is_fresh:
                self._versions[key] = version
        return self._loaded[key]

    def _is_stale(self, key: str, spec: ObjectiveSpec) -> bool:
        """Return whether the process may have imported a file before it was edited; once for each *key*."""
        if key in self._renewed or all(self._files.get(path, digest) == digest for path, digest in spec.files):
            return False
        self._renewed.add(key)
        return True

    def _load(self, key: str, spec: ObjectiveSpec) -> str | None:
        for _ in range(LOAD_TRIES):
            kind, content = self._loading(key, spec)
            if kind != "killed":  # by SIGKILL, which says nothing of the objective
                break
            self._running()
        if kind != "loaded":
            raise CannotLoad(content[0], hint=content[1])
        version: str | None = content
        return version

    def _loading(self, key: str, spec: ObjectiveSpec) -> tuple[str, Any]:
        deadline = time.monotonic() + LOAD_SECONDS
        tail = bytearray()
        try:
            self._line.send(("load", key, spec))
            while not self._drain(tail, timeout=deadline - time.monotonic()):
                if time.monotonic() > deadline:
                    self.stop()
                    return "unloadable", (f"loading {spec.name} takes more than {LOAD_SECONDS:g} s", "")
            answer: tuple[str, Any] = self._line.recv()
        except (EOFError, OSError):
            number, code = self._reap()
            why = f"loading {spec.name} ended its process, which {_describe_exit(number, code)}"
            return "killed" if number == signal.SIGKILL else "unloadable", (why, "")
        return answer

    def evaluate(
        self, key: str, job: Mapping[str, Any], *, serve: Callable[..., Any], time_limit: float | None = None,
        on_long: Callable[[], None] = lambda: None,
    ) -> CallResult:  # fmt: skip
        """Call the objective under *key*; *serve* answers what it asks for. A process that dies is a failure.

        on_long: called once if it takes longer than a moment.
        """
        began = time.monotonic()
        deadline = None if time_limit is None else began + time_limit
        tail = bytearray()
        is_short = True
        self.jobs += 1
        try:
            self._line.send(("evaluate", key, job))
            while True:
                if self._aborted is not None:
                    data = self._failed("Aborted", self._aborted, began)
                    self._kill(tail)
                    return CallResult(kind="aborted", data=data, output=_last(tail))
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    return self._too_long(time_limit or 0.0, began, tail)
                if is_short and time.monotonic() - began >= MOMENT:
                    is_short = False
                    on_long()
                if is_short:
                    left = MOMENT if left is None else min(left, MOMENT)
                if not self._drain(tail, timeout=left):
                    continue
                kind, *content = self._line.recv()
                if kind == "say":
                    said, kind, content = self._hear(content)
                    is_error, answer = _answer(serve, "reports", (said,))
                    if is_error:
                        self._line.send(("refused", answer))
                    if not kind:
                        continue
                if kind == "call":
                    self._line.send(_answer(serve, *content))
                    continue
                self._drain_rest(tail)
                data, warnings = content
                return CallResult(kind=kind, data=data, warnings=warnings, output=_last(tail))
        except (EOFError, OSError):  # also a broken pipe: it died before it heard of the job
            self._drain_rest(tail)
            return self._died(began, tail)

    def _hear(self, first: list[Any]) -> tuple[list[list[Any]], str, list[Any]]:
        """Return what was said, *first* and all that has come since, and the kind and content of what came behind it.

        The kind is empty if nothing else came. What has come is all there is if the process has ended: the next look
        notices.
        """
        said = [first]
        with contextlib.suppress(EOFError, OSError):
            while len(said) < MOST_SAID and self._line.poll():
                kind, *content = self._line.recv()
                if kind != "say":
                    return said, kind, content
                said.append(content)
        return said, "", []

    def abort(self, why: str) -> None:
        """See `TrialExecutor.abort`."""
        self._aborted = why
        with contextlib.suppress(OSError):  # closed: no call is left to abort
            self._waker.send(b"!")

    def clear_abort(self) -> None:
        """See `TrialExecutor.clear_abort`."""
        self._aborted = None

    def stop(self) -> None:
        """End the process and all that it started in its session."""
        self._kill(bytearray())

    def close(self) -> None:
        """End the process, for good."""
        self.stop()
        self._wake.close()
        self._waker.close()

    # -- the process ------------------------------------------------------------------------------------------

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        if self._process is not None:
            self._reap()
        mine, theirs = socket.socketpair()
        reads, writes = os.pipe()
        with theirs, contextlib.ExitStack() as stack:
            stack.callback(os.close, writes)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "hstore.workers.evaluator",
                 str(theirs.fileno()), str(os.getpid()), str(self.workdir)],
                pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=writes, stderr=writes,
                start_new_session=True,
            )  # fmt: skip
        os.set_blocking(reads, False)
        self._output, self._has_output = reads, True
        self._line = Connection(mine.detach())
        self.jobs = 0
        self._loaded.clear()
        self._files.clear()
        return self._process

    def _kill(self, tail: bytearray) -> None:
        if self._process is not None:
            _kill_session(self._process.pid)
            self._drain_rest(tail)
            self._reap()

    def _reap(self) -> tuple[int | None, int | None]:
        """Return (signal, exit code) of the process, which has ended or is about to; end what it has left behind."""
        process, self._process = self._process, None
        assert process is not None
        self._line.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # it closed the line and lives on
            process.wait(timeout=LAST_SECONDS)
        _kill_session(process.pid)
        code = process.wait()
        os.close(self._output)
        self._loaded.clear()
        self._files.clear()
        return (-code, None) if code < 0 else (None, code)

    # -- listening --------------------------------------------------------------------------------------------

    def _drain(self, tail: bytearray, *, timeout: float | None) -> bool:
        """Wait for the child or for `abort`, taking in what it prints; return whether it has sent something."""
        assert self._process is not None
        files: list[Any] = [self._line, self._wake]
        if self._has_output:
            files.append(self._output)
        ready = wait(files, LOOK_SECONDS if timeout is None else max(0.0, min(timeout, LOOK_SECONDS)))
        if not ready and self._process.poll() is not None and not self._line.poll():
            raise EOFError
        if self._wake in ready:
            self._wake.recv(CHUNK)
        if self._output in ready:
            self._read_output(tail)
        return self._line in ready

    def _read_output(self, tail: bytearray) -> bool:
        try:
            chunk = os.read(self._output, CHUNK)
        except BlockingIOError:
            return False
        if not chunk:  # the objective closed stdout and stderr
            self._has_output = False
            return False
        self.echo(chunk)
        tail += chunk
        if len(tail) > 2 * TAIL_BYTES:
            del tail[:-TAIL_BYTES]
        return True

    def _drain_rest(self, tail: bytearray) -> None:
        """Take in what was printed before the answer came. Bounded: what a grandchild prints may never end."""
        deadline = time.monotonic() + 1.0
        while self._process is not None and self._read_output(tail) and time.monotonic() < deadline:
            pass

    # -- ends -------------------------------------------------------------------------------------------------

    def _died(self, began: float, tail: bytearray) -> CallResult:
        number, code = self._reap()
        data = self._failed("ChildDied", f"its process {_describe_exit(number, code)}", began)
        data |= {"signal": number} if number is not None else {"exit_code": code}
        if (start := tail.rfind(b"Fatal Python error")) >= 0:  # the faulthandler's
            data["traceback"] = tail[start:].decode(errors="replace")[-20_000:]
        return CallResult(kind="failed", data=data, output=_last(tail))

    def _too_long(self, limit: float, began: float, tail: bytearray) -> CallResult:
        data = self._failed("TimeLimit", f"took more than {limit:g} s", began) | {"time_limit": float(limit)}
        self._kill(tail)
        return CallResult(kind="timeout", data=data, output=_last(tail))

    def _failed(self, error: str, message: str, began: float) -> dict[str, Any]:
        return {"error": error, "message": message, "duration": time.monotonic() - began}


def _answer(serve: Callable[..., Any], name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return False, serve(name, *arguments)
    except Exception as error:  # noqa: BLE001 - it is raised again where it belongs, in the objective
        try:
            pickle.loads(pickle.dumps(error))
        except Exception:  # noqa: BLE001 - an exception of a kind that does not travel
            return True, HstoreError(f"{type(error).__name__}: {error}")
        return True, error


def _kill_session(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS forbids it where only a zombie is left
        os.killpg(pid, signal.SIGKILL)


def _last(tail: bytearray) -> bytes:
    return bytes(tail[-TAIL_BYTES:])


def _describe_exit(number: int | None, code: int | None) -> str:
    if number is None:
        return f"exited with code {code}"
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    hint = " (out of memory, or kill -9)" if number == signal.SIGKILL else ""
    return f"was killed by {name}{hint}"
