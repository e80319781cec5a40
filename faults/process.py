"""Subject: a process under test, as the harness sees it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import time

import psutil


class Subject:
    """A process under test."""

    def __init__(self, role: str, number: int) -> None:
        self.role = role
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.is_expected = False
        """Whether it was us who ended it, or asked it to end."""
        self.is_aimed = False
        """Whether it is to send itself a signal."""
        self.is_released = False
        """Whether it is of a released version, not of this tree."""
        self.thaw_at: float | None = None
        self.start_at = 0.0

    @property
    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def is_frozen(self) -> bool:
        return self.thaw_at is not None

    def __str__(self) -> str:
        return f"{self.role}-{self.number}"

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.process is not None:
            self.is_expected = True
            self.process.kill()
            self.process.wait()
        self.thaw_at = None

    def freeze(self, seconds: float) -> None:
        """SIGSTOP, for so long."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)
        self.thaw_at = time.monotonic() + seconds

    def thaw(self) -> None:
        """SIGCONT."""
        if self.is_alive and self.process is not None:
            self.process.send_signal(signal.SIGCONT)
        self.thaw_at = None

    def end(self) -> None:
        """SIGTERM; `is_alive` tells when it has obeyed."""
        if self.is_alive and self.process is not None:
            self.is_expected = True
            self.process.terminate()

    def is_stopped(self) -> bool:
        """Return whether it stopped itself."""
        if self.thaw_at is not None or not self.is_alive or self.process is None:
            return False
        with contextlib.suppress(psutil.Error):
            return bool(psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED)
        return False
