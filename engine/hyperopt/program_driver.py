"""A driver whose trials are evaluated by the program itself: by its own subclass of `Trials`, in a pool of its own."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hstore.engine.search.driver import Driver

LONGEST_PAUSE = 0.05
"""Seconds between two looks at documents: when a program changes one, nothing says so."""


@dataclass(kw_only=True)
class ProgramDriver(Driver):
    """Decides what to try next, shows it in the trials as new documents, and waits until the program has ended them.

    The program takes documents as they are inserted, or finds them at a `refresh`, and writes state and result into
    them. Only in memory.
    """

    def run(self) -> str:
        """See `Driver.run`."""
        began, pause = time.monotonic(), 0.0
        before = self.experiment.state.ended
        while True:
            self.trials.refresh()
            self.failures.look()
            ended = self.experiment.state.ended
            for _ in range(ended - before):
                self.on_progress(self.experiment)
            if ended > before:
                self._ask_early_stop()
                before, pause = ended, 0.0
            if why := self._reason_to_stop(began):
                return why
            first, size = self._batch((self.limits.max_queue_len or 1) - len(self._queued()))
            if size and self._add(first, size):
                pause = 0.0
            elif not self.experiment.state.open:
                return "exhausted" if self._is_exhausted else "max_evals"
            else:
                time.sleep(pause)
                pause = min(LONGEST_PAUSE, pause + 0.001)

    def _add(self, first: int, size: int) -> bool:
        """Queue the next trials and hand their documents to the program; return whether there were any."""
        pending = [] if self._is_exhausted else self._decisions(first, size)
        self._is_exhausted = not pending and not (self._repeats and self.experiment.state.open)
        if not pending or not self._try(pending):
            return False
        self._is_first_decision = False
        self.trials.announce(range(first, first + size))
        return True
