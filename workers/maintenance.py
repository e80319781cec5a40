"""The maintenance loop of a worker: what has to be done beside evaluating trials."""

from __future__ import annotations

import threading
import time

from hstore.store.errors import ExperimentRemoved, HstoreError, StoreRewound
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.workers.crowd import Crowd
from hstore.workers.held_trials import HeldTrials
from hstore.workers.idle_slots import IdleSlots
from hstore.workers.leaving import Leaving
from hstore.workers.presence import Presence
from hstore.workers.reaper import Reaper
from hstore.workers.served_experiments import ServedExperiments
from hstore.workers.worker_context import WorkerContext
from hstore.workers.worker_options import WorkerOptions

TICK = 0.5
"""Seconds between two looks while trials are held: a pause or a cancellation is seen within two."""


class MaintenanceLoop:
    """Wakes slots up, watches what is held, announces the worker, and is the store's reaper if no other worker is."""

    def __init__(
        self,
        worker: WorkerContext,
        store: Store,
        options: WorkerOptions,
        gate: threading.Condition,
        *,
        served: ServedExperiments,
        held: HeldTrials,
        idle: IdleSlots,
        leaving: Leaving,
        presence: Presence,
        crowd: Crowd,
    ) -> None:
        self.worker = worker
        self.store = store
        self.claims = store.claims
        self.options = options
        self.served = served
        self.held = held
        self.idle = idle
        self.leaving = leaving
        self.presence = presence
        self._crowd = crowd
        self.has_news = False
        """Whether a trial may just have been queued, when slots were last woken up."""
        self._gate = gate
        self._wakeups = self.claims.wakeups()
        self._reaper = Reaper(store.for_thread(), lease=options.lease)
        self._is_reaper = False
        self._is_watching = False
        """Whether there are leases of other workers to watch: this one must not sleep longer than they last."""
        self._next_look = self._next_names = self._next_election = 0.0

    def run(self) -> None:
        """Go on until the worker leaves and holds no trial."""
        while self.leaving.why is None or self.held:
            with self._gate:
                is_idle, is_busy = self.idle.count > 0, self.idle.count < self.idle.size
            is_busy = is_busy or self.presence.has_changed()
            tick = self._tick(is_busy)
            self._wait(tick, is_idle)
            if time.monotonic() >= self._next_look:
                self._next_look = time.monotonic() + min(tick, TICK)
                self._look(tick, is_busy)
        self._wakeups.close()

    def _tick(self, is_busy: bool) -> float:
        options = self.options
        idle = options.poll_interval * self._crowd.stretch()
        tick = min(TICK, options.lease / 4) if is_busy or options.burst else idle
        return min(tick, max(TICK, options.lease / 4)) if self._is_watching else tick

    def _wait(self, tick: float, is_idle: bool) -> None:
        """Wait *tick* seconds, or while a slot is idle until a trial is queued; then wake the slots up."""
        if not is_idle or self.leaving.why is not None:
            self._wakeups.close()
            with self._gate:
                if (self.idle.count > 0) == is_idle:  # else a slot has gone to sleep meanwhile, and needs a listener
                    self._gate.wait(tick)
            return
        # No more than a hint: nothing is written when the ticket of a worker that died lapses.
        self.has_news = self._wakeups.wait(tick)
        self.idle.wake()
        self.idle.wait_until_settled(lambda: len(self.held), until=lambda: self.leaving.why, timeout=TICK)
        if not self.served.names:  # it may be the first experiment, whose trials no slot asks for yet
            self._next_look = 0.0

    def _look(self, tick: float, is_busy: bool) -> None:
        if is_busy or self.has_news or time.monotonic() >= self._next_names:  # a wakeup is sent of changes too
            self.look_at_experiments()
            self._next_names = time.monotonic() + 1.5 * tick
        self.held.look(self.store.log, self.worker.say, self._refuse_or_recover)
        self.presence.announce()
        if self._is_reaper or time.monotonic() >= self._next_election:
            self._is_reaper = self.claims.elect_reaper(self.worker.session, seconds=max(1.5 * tick, 5.0))
            self._next_election = time.monotonic() + 3 * tick  # the worker that is elected stays so
        self._is_watching = self._is_reaper and self._reaper.run_once(
            self.served.names, skipped=self.served.evaluated_elsewhere
        )

    def _refuse_or_recover(self, name: str, error: HstoreError) -> bool:
        """Refuse experiment *name*; or put back what its log has lost, if that is wanted, and return True."""
        if isinstance(error, StoreRewound) and not isinstance(error, ExperimentRemoved) and self.store.recovers:
            Experiment(self.store, name, only=()).refresh()  # which puts back what this process holds
            return True
        self.worker.refuse_all_of(name, error)
        return False

    def look_at_experiments(self) -> None:
        """Find out which experiments are open."""
        found, has_more = self.served.refresh()
        self.held.mark_unwanted(found)
        if has_more:
            self.idle.wake()
