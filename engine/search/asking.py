"""Asking: trials are decided here and evaluated by the caller, who says what came of them."""

from __future__ import annotations

import os
import time
import uuid
from dataclasses import dataclass, field

from hstore.engine.evaluation import attempt
from hstore.engine.search.control import conclude_if_complete
from hstore.engine.search.serial import LEASE_SECONDS, UNDER_WAY, SerialDriver
from hstore.store.events import Requeued, Reserved
from hstore.store.experiment import PendingEvent, author


@dataclass(kw_only=True)
class AskingDriver(SerialDriver):
    """A search whose trials the caller evaluates, any number of them at a time, beside other drivers and workers.

    lease: seconds that a trial is given out for, to a caller that this process does not outlive; None: the trial is
    held for as long as this process lives.
    """

    lease: float | None = None
    _began: float = field(default_factory=time.monotonic)
    _is_ready: bool = False
    _asked: dict[uuid.UUID, Reserved] = field(default_factory=dict)

    def ask(self) -> tuple[Reserved | None, str | None]:
        """Claim the next trial: one that is queued, or a new one; without any return (None, why)."""
        self._refresh()
        if not self._is_ready:
            self.experiment.repair()
            self.decide_as_source()
            self._is_ready = True
        self._take_back()
        self._requeue_overdue()
        self._is_exhausted = self._is_exhausted and not self._repeats
        while (why := self._reason_to_stop(self._began)) is None:
            for tid in self._queued() or self._decide():
                if (taken := self._take(tid)) is not None:
                    if self.lease is None:
                        self._asked[taken.id] = taken
                    else:
                        self._let_go(taken)  # the lease outlives this process, or runs out
                    return taken, None
            self._refresh()
        conclude_if_complete(self.experiment)
        return None, why

    def end(self, taken: Reserved, end: PendingEvent) -> bool:
        """Record what came of a trial that was asked for; return False if it counts no more, and was noted as late."""
        self._asked.pop(taken.id, None)
        UNDER_WAY.discard(taken.id)
        self._let_go(taken)
        is_counted = attempt.record_end(self.experiment, taken, [end])
        self.failures.look()
        conclude_if_complete(self.experiment)
        return is_counted

    def extend(self, taken: Reserved) -> None:
        """Have the lease on a trial that was given out run anew, for the time that it was given out for."""
        seconds = (taken.process or {}).get("lease")
        if seconds is not None:
            place = self.experiment.name, taken.tid
            self.experiment.store.claims.extend(self._session, {place: taken.ver}, seconds=seconds)

    def close(self) -> None:
        """Queue again what was asked for here and not ended, but for what was given out for some time."""
        for taken in list(self._asked.values()):
            self.end(taken, (Requeued, taken.tid, {"why": "the program that asked for it ended"}))
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def _claim(self, tid: int, *, attempts: int) -> list[PendingEvent]:
        seconds = LEASE_SECONDS if self.lease is None else self.lease
        self.experiment.store.models.lease(self.experiment.name, tid, self._session, seconds)
        return [
            attempt.claim(tid, attempts=attempts, worker=author(), lease=self.lease),
            attempt.begin(tid, pid=os.getpid(), objective=None),
        ]

    def _requeue_overdue(self) -> None:
        """Requeue trials that were given out for some time, which is over; a worker's reaper does so as well."""
        state = self.experiment.state
        given = [
            tid for tid in state.awaited if (held := state.trials[tid].reserved) and "lease" in (held.process or {})
        ]
        if not given:
            return
        over = {lease.tid for lease in self.experiment.store.claims.held([self.experiment.name]) if lease.is_over}
        for tid in over.intersection(given):
            assert state.created is not None
            failure = {"error": "Lost", "message": "the time that it was given out for ran out, as before"}
            self._try(attempt.after(state.trials[tid], "lost", failure, state.created.retries))
