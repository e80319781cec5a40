"""The serial search: decides, evaluates and records in one process."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.ctrl import BaseCtrl, TrialCtrl
from hstore.engine.evaluation.domain import describe
from hstore.engine.evaluation.gate import left
from hstore.engine.evaluation.heartbeat import Heartbeat
from hstore.engine.evaluation.process_identity import is_dead
from hstore.engine.evaluation.pruning import PruningSession
from hstore.engine.pruners import Pruner
from hstore.engine.search.driver import Driver
from hstore.store.events import Done, Failed, Requeued, Reserved
from hstore.store.experiment import PendingEvent, author
from hstore.store.soon_written import SoonWritten

REFRESH_SECONDS = 1.0
"""It hears of what others write (a pause, a note) at least this often."""
UNDER_WAY: set[uuid.UUID] = set()
"""The claims on trials that threads of this process evaluate now: an objective may call fmin on the trials it is of."""
QUICK_SECONDS = 0.05
"""A trial that takes less is likely to have ended before its document is looked at."""
LEASE_SECONDS = 900.0
"""Long, since an objective that holds the GIL keeps the heartbeat, which is a thread beside it, from beating."""


@dataclass(kw_only=True)
class SerialDriver(Driver):
    """A search that evaluates its trials itself, one after the other."""

    catch_eval_exceptions: bool = False
    pruner: Pruner | None = None
    """The one that fmin was given, while it is that of the experiment."""
    make_ctrl: Callable[[int, PruningSession], BaseCtrl] | None = None
    """Makes what objectives get as *ctrl*, of the trial's number and its pruning; `TrialCtrl` without it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._is_durable = self.experiment.store.is_durable
        self._objective = describe(self.domain.fn)["version"]
        self.pruning = PruningSession(self.experiment, follows_all=True, given=self.pruner)
        self._session = uuid.uuid4().hex
        # In memory no other process can take a trial away, so it needs no thread that keeps its lease alive.
        claims = self.experiment.store.claims
        self._soon_written = SoonWritten(self.experiment.store.models)
        self._took = float("inf")
        self._heartbeat = Heartbeat(claims, self._session, lease=LEASE_SECONDS) if self._is_durable else None

    def run(self) -> str:
        """See `Driver.run`."""
        began = time.monotonic()
        self._refresh()
        self.experiment.repair()
        self._take_back()
        self.decide_as_source()
        try:
            while (why := self._reason_to_stop(began)) is None:
                queue = self._queued() or self._decide()
                for tid in queue:
                    self._evaluate(tid)
                    self.on_progress(self.experiment)
                    if self._is_over(began):
                        break
                if queue:
                    self._ask_early_stop()
        finally:
            self._stop_threads()
        return why

    def evaluate_queued(self, most: int | None = None) -> None:
        """Evaluate what is queued, or the first *most* of that, whatever the limits."""
        self._refresh()
        try:
            for tid in self._queued()[:most]:
                self._evaluate(tid)
                self.on_progress(self.experiment)
        finally:
            self._stop_threads()

    def _stop_threads(self) -> None:
        self._soon_written.stop()
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def _reason_to_stop(self, began: float) -> str | None:
        state = self.experiment.state
        if state.status == "paused":
            return "paused"
        if why := super()._reason_to_stop(began):
            return why
        if len(state.trials) >= self.limits.max_evals and not self._queued():
            return "max_evals"
        return "exhausted" if self._is_exhausted else None

    def _take_back(self) -> None:
        """Requeue what processes held that are gone; say what others still hold."""
        is_local = not self._is_durable or self.experiment.store.server is not None
        for tid in self.experiment.state.awaited:
            trial = self.experiment.state.trials[tid]
            if trial.reserved is None or trial.reserved.id in UNDER_WAY:
                continue
            if is_dead(trial, is_local=is_local):
                self._try([(Requeued, tid, {"why": f"its process is gone: {trial.reserved.worker}"})])
            elif "lease" not in (trial.reserved.process or {}):
                self._inform(
                    f"trial {tid} is held by {trial.reserved.worker} since {trial.reserved.at:%Y-%m-%d %H:%M:%S} UTC",
                    trial=tid,
                )

    def _decide(self) -> list[int]:
        """Append the next decisions and claim the first of them; return the trials that are queued or ours then."""
        if time.monotonic() - self._refreshed > REFRESH_SECONDS or self.experiment.state.open:
            self._refresh()
            if self._queued() or self.experiment.state.status != "open":
                return self._queued()
        first, size = self._batch(self.limits.max_queue_len or 1)
        pending = self._decisions(first, size) if size else []
        if not pending:
            self._is_exhausted = bool(size)
            return []
        if self._try_claim([*pending, *self._claim(first, attempts=0)]):
            self._is_first_decision = False
        return [tid for tid in range(first, first + size) if tid in self.experiment.state.open]

    def _claim(self, tid: int, *, attempts: int) -> list[PendingEvent]:
        self.experiment.store.models.lease(self.experiment.name, tid, self._session, LEASE_SECONDS)
        return [
            attempt.claim(tid, attempts=attempts, worker=author()),
            attempt.begin(tid, pid=os.getpid(), objective=self._objective),
        ]

    def _try_claim(self, pending: Sequence[PendingEvent]) -> bool:
        """Do as `_try`; where trials take a moment, their documents are written beside the search."""
        # The document of the experiment is written with them when it is due; only this thread can do so.
        is_quick = self._took < QUICK_SECONDS and not self.experiment.store.models.is_due(self.experiment.name)
        is_first = self._try(pending, more_to_come=is_quick)
        if is_quick:
            self._soon_written.ask()
        return is_first

    def _evaluate(self, tid: int) -> None:
        """Evaluate trial *tid* unless another process is first; what became of it is in the log when this returns."""
        taken = self._take(tid)
        if taken is None:
            return
        began = time.monotonic()
        try:
            self._evaluate_taken(tid, taken)
        finally:
            self._took = time.monotonic() - began
            UNDER_WAY.discard(taken.id)

    def _take(self, tid: int) -> Reserved | None:
        """Claim trial *tid*, if it is not claimed for this call yet; return the claim, None if another was first."""
        trial = self.experiment.state.trials[tid]
        if trial.state == "queued":
            if not self._try_claim(self._claim(tid, attempts=trial.attempt)):
                return None
        elif trial.reserved is None or not self._is_ours(trial.reserved):
            return None
        taken = self.experiment.state.trials[tid].reserved
        assert taken is not None
        if self._heartbeat is not None:
            self._heartbeat.hold((self.experiment.name, tid), taken.ver)
        UNDER_WAY.add(taken.id)
        return taken

    def _is_ours(self, taken: Reserved) -> bool:
        """Return whether this call claimed the trial, and has not begun: another in this thread has the same author."""
        return taken.worker == author() and taken.id not in UNDER_WAY and attempt.is_held(self.experiment, taken)

    def _evaluate_taken(self, tid: int, taken: Reserved) -> None:
        began = time.monotonic()
        try:
            point, ctrl = self.experiment.state.trials[tid].point, self._ctrl(tid)
            self.interrupts.require_none()
            with left(self.experiment):
                result = self.domain.evaluate(point, ctrl)
            self.interrupts.forget()
            if self._is_durable:
                result = attempt.plain_result(result, partial(self._warn, trial=tid))
            seconds = time.monotonic() - began
            end: PendingEvent = (Done, tid, attempt.done(result, seconds, objectives=self.domain.objectives))
        except Exception as error:
            failure = attempt.failure(error, duration=time.monotonic() - began)
            self._end(taken, (Failed, tid, {**failure, "final": True}))
            if not self.catch_eval_exceptions:
                raise
        except BaseException:
            self._end(taken, (Requeued, tid, {"why": "interrupted"}))
            raise
        else:
            self._end(taken, end)

    def _ctrl(self, tid: int) -> BaseCtrl:
        if self.make_ctrl is None:
            return TrialCtrl(self.experiment, tid, pruning=self.pruning)
        return self.make_ctrl(tid, self.pruning)

    def _end(self, taken: Reserved, end: PendingEvent) -> None:
        self._let_go(taken)
        attempt.record_end(self.experiment, taken, [end], more_to_come=True)
        self.failures.look()

    def _let_go(self, taken: Reserved) -> None:
        if self._heartbeat is not None:
            self._heartbeat.let_go((self.experiment.name, taken.tid))
