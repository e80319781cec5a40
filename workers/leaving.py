"""Leaving: how many trials a worker may still take, when it exits, why, and with which exit code."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from hstore.workers.worker_options import WorkerOptions

DONE, NOT_FOUND, TOO_MANY_FAILURES, NOTHING_LOADED = 0, 3, 8, 9
"""Exit codes, beside 128 + the number of the signal that stopped the worker."""


class Leaving:
    """Counts what a worker has done against its options. For all threads, which share the lock *gate*.

    on_leave: called, with the lock held, when the worker is to leave, and again if it has to be sooner.
    """

    def __init__(self, options: WorkerOptions, gate: threading.Condition, *, on_leave: Callable[[], None]) -> None:
        self.options = options
        self.why: str | None = None
        """Why the worker leaves; None while it goes on taking trials."""
        self.code = DONE
        self.is_told = False
        """Whether a signal is the reason."""
        self.jobs = 0
        """How many trials were taken."""
        self._gate = gate
        self._on_leave = on_leave
        self._asking = 0
        self._failures = 0
        self._deadline: float | None = None
        self._when_idle: tuple[str, int] | None = None
        self._last_work = self._began = time.monotonic()

    def may_take(self) -> bool:
        """Return whether one more trial may be taken; either `take` or `took_none` has to follow."""
        with self._gate:
            limit = self.options.max_jobs
            if self.why is not None or (limit is not None and self.jobs + self._asking >= limit):
                return False
            self._asking += 1
            return True

    def took_none(self) -> None:
        """Give back what `may_take` allowed."""
        with self._gate:
            self._asking -= 1

    def take(self) -> None:
        """Count a trial that was taken."""
        with self._gate:
            self._asking -= 1
            self.jobs += 1

    def count_end(self, kind: str) -> None:
        """Count how the evaluation of a trial ended: a `CallResult.kind`."""
        with self._gate:
            self._last_work = time.monotonic()
            if kind == "done":
                self._failures = 0
            elif kind != "aborted":
                self._failures += 1
                limit = self.options.max_consecutive_failures
                if limit is not None and self._failures >= limit:
                    self.leave(
                        f"--max-consecutive-failures reached: {self._failures} trials failed in a row",
                        TOO_MANY_FAILURES,
                    )

    def leave(self, why: str, code: int = DONE, *, within: float | None = None) -> None:
        """Take no more trials; with *within*, abort those that still run after so many seconds."""
        with self._gate:
            if self.why is None or (self.code == DONE and code != DONE):  # a worker that drains may be told to stop
                self.why, self.code = why, code
            if within is not None:
                deadline = time.monotonic() + within
                self._deadline = deadline if self._deadline is None else min(self._deadline, deadline)
            self._on_leave()

    def leave_when_idle(self, why: str, code: int) -> None:
        """Go on as long as there are trials to take, and leave with *code* when nothing is being evaluated."""
        with self._gate:
            self._when_idle = self._when_idle or (why, code)

    def stop(self, number: int | None = None) -> float | None:
        """Leave as signal *number* asks: USR1 drains, others give `grace` seconds, and none the second time.

        Returns the seconds that running trials have; None if they have as long as they take.
        """
        with self._gate:
            self.is_told = True
            if number == getattr(signal, "SIGUSR1", None) and number is not None:
                self.leave("drained")
                return None
            seconds = self.options.grace if self._deadline is None else 0.0
            self.leave("stopped", 128 + (number or signal.SIGTERM), within=seconds)
            return seconds

    def check(self, *, holds: bool) -> None:
        """Leave if the options say that it is time; holds: whether any trial is being evaluated."""
        options, moment = self.options, time.monotonic()
        if options.parent is not None and os.getppid() != options.parent:
            self.leave("the process that started it has ended", within=options.grace)
        if options.max_runtime is not None and moment - self._began >= options.max_runtime:
            self.leave(f"--max-runtime reached: {options.max_runtime:g} s")
        is_idle = not holds and not self._asking  # loading an objective for the first time may take long
        if options.max_idle is not None and is_idle and moment - self._last_work >= options.max_idle:
            self.leave(f"--max-idle reached: no trial for {options.max_idle:g} s")
        if self._when_idle is not None and is_idle:
            self.leave(*self._when_idle)
        if options.max_jobs is not None and is_idle and self.jobs >= options.max_jobs:
            self.leave("--max-jobs reached")

    def seconds_overdue(self) -> float | None:
        """Return for how long running trials have had no time left; None if they have some."""
        over = None if self._deadline is None else time.monotonic() - self._deadline
        return over if over is not None and over >= 0 else None
