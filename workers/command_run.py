"""One run of a command: its process, what it prints, how it is stopped."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hstore.store.errors import HstoreError

KEPT_BYTES = 64 * 1024
"""Of what a command prints, the last so many bytes are kept."""
READ_BYTES = 8 * 1024 * 1024
"""Its loss is looked for in the last so many."""
BLOCK_BYTES = 64 * 1024
KILL_SECONDS = 5.0
"""A command that is stopped has so long to end by itself."""
LINGER_SECONDS = 1.0
"""What a command started in the background, and left behind when it ended, has so long to print something."""
LOOK_SECONDS = 0.1
"""How often one looks whether a command has ended that prints nothing, and has its output open elsewhere."""


class CommandFailed(HstoreError):
    """The command ended with an error, took too long, or left no loss."""


class Tail:
    """The last *most* bytes of a stream, or a block more."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._blocks: deque[bytes] = deque()
        self._kept = 0
        self.total = 0
        """How many bytes came in all."""

    def add(self, block: bytes) -> None:
        """Add *block* at the end."""
        self._blocks.append(block)
        self._kept += len(block)
        self.total += len(block)
        while self._kept - len(self._blocks[0]) >= self._most:
            self._kept -= len(self._blocks.popleft())

    @property
    def is_whole(self) -> bool:
        """Whether nothing was left out."""
        return self._kept == self.total

    def last(self, most: int) -> str:
        """Return the last *most* bytes as text."""
        return b"".join(self._blocks)[-most:].decode("utf-8", "replace")


@dataclass(kw_only=True)
class CommandRun:
    """One run of a command, in the folder of the user, with a *folder* of its own for what it writes.

    on_line: called with each line of its stdout as it comes; True stops the command. Any thread may call `stop`.
    """

    words: Sequence[str]
    folder: Path
    environment: Mapping[str, str]
    timeout: float | None = None
    on_line: Callable[[str], bool] = lambda _: False
    status: int = -1
    seconds: float = 0.0
    is_stopped: bool = False
    is_overdue: bool = False
    """Whether it was stopped since its time was over."""
    _process: subprocess.Popen[bytes] | None = None
    _stdout: Tail = field(default_factory=lambda: Tail(READ_BYTES))
    _stderr: Tail = field(default_factory=lambda: Tail(KEPT_BYTES))
    _line: bytes = b""

    def run(self) -> None:
        """Run the command to its end; raises `CommandFailed` if it cannot be started or takes too long."""
        began = time.monotonic()
        try:
            process = self._process = subprocess.Popen(
                list(self.words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                env=os.environ | dict(self.environment), start_new_session=True, bufsize=0,
            )  # fmt: skip
        except (OSError, ValueError) as error:  # the second for a null character
            raise CommandFailed(f"cannot run {self.words[0]}: {getattr(error, 'strerror', None) or error}") from None
        timer = None if self.timeout is None else threading.Timer(self.timeout, self._stop_overdue)
        if timer is not None:
            timer.daemon = True
            timer.start()
        if self.is_stopped:
            self.stop()
        try:
            self._read(process)
            self.status = process.wait()
        finally:
            self._kill(signal.SIGKILL)  # what it started in the background
            if timer is not None:
                timer.cancel()
            with process:  # closes its output
                pass
            self.seconds = time.monotonic() - began
        if self.is_overdue:
            raise CommandFailed(f"it took longer than {self.timeout:g} seconds")

    @property
    def stdout(self) -> str:
        """What it printed, the last of it if that is long."""
        return self._stdout.last(READ_BYTES)

    @property
    def is_whole(self) -> bool:
        """Whether `stdout` is all that it printed."""
        return self._stdout.is_whole

    @property
    def printed_bytes(self) -> int:
        """How much it printed."""
        return self._stdout.total

    @property
    def output(self) -> str:
        """The last of what it wrote to stdout, and behind that to stderr."""
        errors = self._stderr.last(KEPT_BYTES)
        return self._stdout.last(KEPT_BYTES) + (f"\n--- stderr ---\n{errors}" if errors else "")

    @property
    def complaint(self) -> str:
        """The last line that it wrote to stderr, or how it ended."""
        lines = self._stderr.last(KEPT_BYTES).strip().splitlines()
        if self.status < 0:
            return f"it was ended by {_signal_name(-self.status)}" + (f": {lines[-1]}" if lines else "")
        return lines[-1] if lines else f"exit status {self.status}"

    def stop(self) -> None:
        """End the command, and what it started: asked first, killed after a few seconds."""
        self.is_stopped = True
        self._kill(signal.SIGTERM)
        killer = threading.Timer(KILL_SECONDS, self._kill, [signal.SIGKILL])
        killer.daemon = True
        killer.start()

    def _stop_overdue(self) -> None:
        self.is_overdue = True
        self.stop()

    def _kill(self, number: int) -> None:
        if self._process is None:
            return
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            return  # it has ended

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        """Read what it prints until it has closed its output, or has ended and left it open to something else."""
        ended: float | None = None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ, self._printed)  # type: ignore[arg-type]
            selector.register(process.stderr, selectors.EVENT_READ, self._stderr.add)  # type: ignore[arg-type]
            while selector.get_map():
                for key, _ in selector.select(LOOK_SECONDS):
                    if block := os.read(key.fd, BLOCK_BYTES):
                        key.data(block)
                    else:
                        selector.unregister(key.fileobj)
                if ended is None and process.poll() is not None:
                    ended = time.monotonic()
                if ended is not None and time.monotonic() - ended > LINGER_SECONDS:
                    break
        if self._line:
            self._hear(self._line)

    def _printed(self, block: bytes) -> None:
        self._stdout.add(block)
        *lines, self._line = (self._line + block).split(b"\n")
        for line in lines:
            self._hear(line + b"\n")
        if len(self._line) > KEPT_BYTES:  # no line that anybody wrote to be read
            self._line = b""

    def _hear(self, line: bytes) -> None:
        if not self.is_stopped and self.on_line(line.decode("utf-8", "replace")):
            self.stop()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
