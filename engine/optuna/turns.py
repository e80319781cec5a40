"""Turns: processes of one machine add trials to a study one after the other, instead of racing for the next number.

A race is decided by the log, and costs each loser a look at what the others wrote. Nothing else depends on turns: a
process that does not get one in time, or cannot have a file for it, races.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import fcntl

LONGEST = 1.0
"""Seconds to wait for a turn: who has it may be frozen."""
RACING = 10.0
"""Seconds in which no other process is waited for again after that."""


class Turn:
    """One turn."""

    def __init__(self, file: int | None) -> None:
        self._file = file
        self.made = 0 if file is None else _number_in(file)
        """How many trials there were after the last turn; 0 if that is not known."""

    def note(self, made: int) -> None:
        """Tell who comes next that there are so many trials."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                os.pwrite(self._file, b"%16d" % made, 0)


class Turns:
    """The turns in studies of the store at *url*; empty: there are none. Any thread may take one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._gates: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._files: dict[str, int | None] = {}
        self._stuck = float("-inf")

    @contextlib.contextmanager
    def of(self, name: str) -> Iterator[Turn]:
        """Have the turn in experiment *name* meanwhile."""
        if not self._url or sys.platform == "win32":
            yield Turn(None)
            return
        with self._gates[name]:
            file = self._file(name)
            has_it = file is not None and self._wait(name, file)
            try:
                yield Turn(file if has_it else None)
            finally:
                if has_it and file is not None:
                    fcntl.flock(file, fcntl.LOCK_UN)

    def _wait(self, name: str, file: int) -> bool:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if time.monotonic() - self._stuck < RACING:
            return False
        # The system's own queue has no deadline, so that a thread stands in it. To look again every millisecond costs
        # eight programs on two cores more than their trials do.
        try:
            waiting = _LockWait(file)
        except RuntimeError:  # the program is about to end, or may have no more threads
            return False
        try:
            return waiting.has_it(LONGEST)
        finally:
            if waiting.is_given_up:  # the thread closes the file when it has it at last
                self._stuck = time.monotonic()
                del self._files[name]

    def _file(self, name: str) -> int | None:
        """Return the open file for the turns in experiment *name*; None if there can be none."""
        if name not in self._files:
            self._files[name] = None
            of = hashlib.sha256(f"{self._url}\n{name}".encode()).hexdigest()[:32]
            with contextlib.suppress(OSError):
                folder = Path(tempfile.gettempdir()) / f"hstore-turns-{os.getuid()}"
                folder.mkdir(mode=0o700, exist_ok=True)
                about = folder.lstat()
                if about.st_uid == os.getuid() and not about.st_mode & 0o077:  # else another user made it
                    self._files[name] = os.open(folder / of, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        return self._files[name]

    def __del__(self) -> None:
        for file in self._files.values():
            if file is not None:
                os.close(file)


class _LockWait:
    """A thread that waits for the lock on *file*."""

    def __init__(self, file: int) -> None:
        self._file = file
        self._gate = threading.Lock()
        self._is_here = threading.Event()
        self.is_given_up = False
        """Whether the lock did not come in time: the file is the thread's from then on."""
        threading.Thread(target=self._lock, daemon=True).start()

    def _lock(self) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(self._file, fcntl.LOCK_EX)
        with self._gate:
            self._is_here.set()
            if self.is_given_up:
                os.close(self._file)

    def has_it(self, seconds: float) -> bool:
        """Return whether the lock came within so many *seconds*; it is given up if not, or if this is interrupted."""
        try:
            self._is_here.wait(seconds)
        finally:
            with self._gate:
                self.is_given_up = not self._is_here.is_set()
        return not self.is_given_up


def _number_in(file: int) -> int:
    try:
        return int(os.pread(file, 16, 0) or b"0")
    except (OSError, ValueError):
        return 0
