"""Trials that a worker's slots evaluate: their leases, and what becomes of them elsewhere meanwhile."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

from hstore.engine.evaluation.heartbeat import Heartbeat
from hstore.store.errors import HstoreError
from hstore.store.events import Cancelled, Done, Failed, Requeued, Reserved
from hstore.store.indigestible import refusal
from hstore.store.log import EVERY_TRIAL, EventIds, EventLog, ReadCursor
from hstore.workers.worker_context import Interruptible


class HeldTrials:
    """By slot the trial that it evaluates. For all threads, which share the lock *gate*.

    grace: seconds that an objective gets to end by itself after its trial was given to another worker.
    """

    def __init__(self, gate: threading.Condition, heartbeat: Heartbeat, *, grace: float) -> None:
        self.heartbeat = heartbeat
        self.grace = grace
        self._gate = gate
        self._held: dict[int, tuple[Interruptible, Reserved]] = {}
        self._lost: dict[uuid.UUID, float] = {}

    def __len__(self) -> int:
        return len(self._held)

    @property
    def claims(self) -> list[Reserved]:
        """The claims of all that is held."""
        with self._gate:
            return [claim for _, claim in self._held.values()]

    def add(self, slot: Interruptible, claim: Reserved) -> None:
        """Keep the lease on the trial that *slot* evaluates from now on."""
        with self._gate:
            self._held[slot.number] = slot, claim
        self.heartbeat.hold((claim.exp, claim.tid), claim.ver)

    def remove(self, slot: Interruptible, claim: Reserved) -> None:
        """Let the lease on the trial of *claim* be."""
        self.heartbeat.let_go((claim.exp, claim.tid))
        with self._gate:
            del self._held[slot.number]
            self._lost.pop(claim.id, None)

    def mark_unwanted(self, open_experiments: Collection[str]) -> None:
        """Tell objectives to stop whose experiments are not among *open_experiments*: paused or finished."""
        with self._gate:
            for slot, claim in self._held.values():
                slot.is_unwanted = slot.is_unwanted or claim.exp not in open_experiments

    def look(
        self, log: EventLog, say: Callable[..., Any], refuse: Callable[[str, HstoreError], object] = lambda *_: None
    ) -> None:
        """Find trials in *log* that were reassigned or cancelled; abort those whose objective had `grace` seconds.

        say: logs a message, as `WorkerContext.say` does. refuse: is told of an experiment that cannot be read, or whose
        log has lost one of the claims; its trials are lost unless it returns True.
        """
        by_experiment: dict[str, dict[int, tuple[Interruptible, Reserved]]] = defaultdict(dict)
        with self._gate:
            held = list(self._held.values())
        for slot, claim in held:
            by_experiment[claim.exp][claim.tid] = slot, claim
        for exp, trials in by_experiment.items():
            try:
                self._look_at(exp, trials, log, say)
            except Exception as error:
                if (refused := refusal(exp, error)) is None:
                    raise
                if not refuse(exp, refused):
                    self._lose_all(trials)
        moment = time.monotonic()
        for slot, claim in held:
            if moment - self._lost.get(claim.id, moment) >= self.grace:
                slot.lose(claim)

    def _look_at(
        self, exp: str, trials: dict[int, tuple[Interruptible, Reserved]], log: EventLog, say: Callable[..., Any]
    ) -> None:
        vers = {tid: claim.ver for tid, (_, claim) in trials.items()}
        held_ids: EventIds = {(tid, claim.ver): claim.id for tid, (_, claim) in trials.items()}
        known = ReadCursor(header=EVERY_TRIAL, last=EVERY_TRIAL, open=vers, held=held_ids)
        for event in log.read(exp, known):
            if not isinstance(event, (Requeued, Cancelled, Failed, Done)):
                continue
            slot, claim = trials[event.tid]
            if event.by != claim.by and claim.id not in self._lost:
                self._lost[claim.id] = time.monotonic()
                slot.is_unwanted = True
                how = "cancelled" if isinstance(event, Cancelled) else "reassigned to another worker"
                say(f"trial {claim.tid} of {exp!r} was {how}", logging.WARNING, experiment=exp, trial=claim.tid)

    def _lose_all(self, trials: dict[int, tuple[Interruptible, Reserved]]) -> None:
        """Treat *trials* as lost: nothing can be recorded of them any more."""
        for slot, claim in trials.values():
            if claim.id not in self._lost:
                self._lost[claim.id] = time.monotonic()
                slot.is_unwanted = True
