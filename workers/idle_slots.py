"""Slots that have found no trial: how they sleep, and how they are woken up."""

from __future__ import annotations

import threading
from collections.abc import Callable


class IdleSlots:
    """Which of *size* slots sleep. For all threads, which share the lock *gate*."""

    def __init__(self, gate: threading.Condition, size: int) -> None:
        self.size = size
        self.wakeups = 0
        """How often all slots were woken up so far."""
        self._gate = gate
        self._sleeping: set[int] = set()
        self._is_awaited = False

    @property
    def count(self) -> int:
        """How many slots sleep."""
        return len(self._sleeping)

    def wake(self) -> None:
        """Wake all slots up, and those that are about to sleep."""
        with self._gate:
            self.wakeups += 1
            self._sleeping.clear()
            self._gate.notify_all()

    def sleep(self, number: int, *, wakeups: int, until: Callable[[], object]) -> None:
        """Let slot *number* sleep until `wakeups` is no longer *wakeups*, or *until* returns something true."""
        with self._gate:
            if self.wakeups != wakeups:
                return
            self._sleeping.add(number)
            self._gate.notify_all()
            while self.wakeups == wakeups and not until():
                self._gate.wait(1.0)
            self._sleeping.discard(number)

    def note_busy(self) -> None:
        """Let `wait_until_settled` look again: a slot has taken a trial."""
        if self._is_awaited:
            with self._gate:
                self._gate.notify_all()

    def wait_until_settled(self, busy: Callable[[], int], *, until: Callable[[], object], timeout: float) -> None:
        """Wait until every slot that was woken up sleeps again or is among the *busy* ones; at most *timeout* seconds.

        A worker whose slots have all looked has time to look after itself.
        """
        with self._gate:
            self._is_awaited = True
            self._gate.wait_for(lambda: self.count + busy() >= self.size or until(), timeout)
            self._is_awaited = False
