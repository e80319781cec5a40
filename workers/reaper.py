"""The reaper: requeues trials whose workers missed their heartbeat, and completes read models whose writers died.

One worker of a store is the reaper at a time (`Claims.elect_reaper`); any worker can be.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.process_identity import is_dead, this_process
from hstore.engine.search.control import conclude_if_complete
from hstore.engine.search.failure_watch import where_to_look
from hstore.store.claims import ActiveLease, TrialKey
from hstore.store.errors import Conflict, NotSigned
from hstore.store.events import Failed, Requeued
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.indigestible import refusal
from hstore.store.messages import Log
from hstore.store.store import Store
from hstore.workers.lease import Silence

LOG = Log("reaper")

REPAIR_SECONDS = 5.0
CALM_LOOKS = 3
"""After so many looks at all experiments while nothing was appended one experiment is looked at at a time: what needs
two looks to be sure of has had them."""


class Reaper:
    """Looks after the experiments of *store*. For one thread.

    lease: seconds that a trial is shown to be held for if it was claimed and never shown: its holder may have died.
    """

    def __init__(self, store: Store, *, lease: float = 60.0) -> None:
        self.store = store
        self.lease = lease
        self._silence = Silence()
        self._repaired = -REPAIR_SECONDS
        self._local: dict[TrialKey, tuple[int, bool]] = {}
        self._counts: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
        self._whole: dict[str, Experiment] = {}
        self._told_of: set[TrialKey] = set()
        self._refused: dict[str, str] = {}
        self._nonfinal: dict[str, set[int]] = {}
        self._last_seen: tuple[object, list[str]] = None, []
        self._calm_looks = 0

    def run_once(self, experiments: list[str], *, skipped: Iterable[str] = ()) -> bool:
        """Do what there is to do now for *experiments*, the open ones; return whether to come back soon.

        That is so while a trial is held or queued: the worker that has just taken it may have died.
        skipped: open ones whose trials this worker cannot evaluate, but other programs may, which die as workers do.
        """
        now = time.monotonic()
        held = self.store.claims.held()
        for trial in [*self._silence.look(held, now=now), *self._dead(held)]:
            with self._refusing(trial.exp):
                self.requeue(trial.exp, trial.tid)
        if now - self._repaired >= REPAIR_SECONDS:
            self._repaired = now
            for name in self._to_repair([*experiments, *skipped]):
                with self._refusing(name):
                    self._repair(name)
        return bool(held) or (bool(experiments) and self.store.claims.is_anything_queued(experiments))

    def _to_repair(self, experiments: list[str]) -> list[str]:
        """Return those to look at now: with *experiments*, the open ones, and those that are ending."""
        names = sorted({*experiments, *self.store.models.ending()})
        last = self.store.log.last_inserted(), names
        self._calm_looks = self._calm_looks + 1 if last == self._last_seen else 0
        self._last_seen = last
        if last[0] is None or self._calm_looks < CALM_LOOKS or not names:
            return names
        return [names[self._calm_looks % len(names)]]

    @contextmanager
    def _refusing(self, name: str) -> Iterator[None]:
        """Leave experiment *name* alone for this time, and say so once, if something of it cannot be digested."""
        try:
            yield
        except Exception as error:
            if (refused := refusal(name, error)) is None:
                raise
            self._whole.pop(name, None)
            if self._refused.get(name) != str(refused):
                self._refused[name] = str(refused)
                LOG.warning(f"the reaper skips {name!r}: {refused}", experiment=name)

    def _dead(self, held: list[ActiveLease]) -> list[ActiveLease]:
        """Return those of *held* whose process ran on this machine and has ended, so that no lease has to run out."""
        host, seen, dead = socket.gethostname(), self._local, []
        self._local = {}
        for trial in held:
            key = trial.exp, trial.tid
            if trial.worker is None or trial.host != host:
                continue
            known_ver, is_other = seen.get(key, (-1, True))
            if known_ver == trial.ver and not is_other:
                continue
            with self._refusing(trial.exp):
                found = Experiment(self.store, trial.exp, only=()).load_trial(trial.tid)
                process = found.reserved.process if found is not None and found.reserved is not None else None
                # this one's heartbeat extends its own leases
                is_other = process is not None and process != this_process()
                self._local[key] = trial.ver, is_other
                if found is not None and is_other and is_dead(found, is_local=False):
                    dead.append(trial)
        return dead

    def requeue(self, exp: str, tid: int) -> None:
        """Requeue a trial whose worker missed its heartbeat, or record it as failed if that has happened too often."""
        experiment = Experiment(self.store, exp, only=())
        trial = experiment.load_trial(tid)
        created = experiment.state.created
        if trial is None or created is None or trial.reserved is None or trial.is_finished:
            experiment.project(tid)  # the read model that says so lags behind
            return
        if (why := experiment.state.why_closed(tid)) is not None:
            if (exp, tid) not in self._told_of:
                self._told_of.add((exp, tid))
                LOG.warning(f"trial {tid} of {exp!r} is not requeued: {why}", experiment=exp, trial=tid)
            experiment.project(tid)
            return
        worker = trial.reserved.worker
        pending: list[PendingEvent]
        if isinstance(trial.end, Failed):  # its worker died before it requeued it
            pending = [(Requeued, tid, {"why": attempt.WHY["failed"], "cause": trial.end.cause or "failed"})]
        else:
            message = f"{worker} missed its heartbeat in attempt {trial.attempt}, as others had before"
            failure = {"error": "Lost", "message": message}
            pending = attempt.after(trial, "lost", failure, created.retries)
        try:
            experiment.append(experiment.compose(*pending))
        except Conflict:
            return  # the worker is alive, or another process was first
        except NotSigned as error:
            LOG.debug(f"trial {tid} of {exp!r} is not requeued: {error}", experiment=exp, trial=tid)
            return
        has_failed = pending[-1][0] is Failed
        outcome = f"failed, for that happened too often{where_to_look(exp, tid)}" if has_failed else "requeued"
        LOG.warning(
            f"worker {worker} missed its heartbeat; trial {tid} of {exp!r} {outcome}",
            experiment=exp,
            trial=tid,
            worker=worker,
        )

    def _repair(self, name: str) -> None:
        """Bring the read models of experiment *name* up to its log if their writer died or lost its connection."""
        models = self.store.models
        chains = {event.tid for event in self.store.log.read(name, models.lagging(name))}
        for tid in [tid for tid in chains if tid is not None]:
            experiment = Experiment(self.store, name, only=())
            experiment.load_trial(tid)
            experiment.project(tid, lease=self.lease)
        unended = models.nonfinal_failures(name)
        for tid in self._nonfinal.get(name, set()) & unended:  # still so at the second look
            self.requeue(name, tid)
        self._nonfinal[name] = unended
        counts = models.counts(name)
        is_stale = counts[0] != counts[1] and counts == self._counts.get(name)  # and was so at the last look
        self._counts[name] = counts
        if None in chains or is_stale:
            whole = self._whole_of(name)
            whole.repair()
            # The process that stopped the search, or had trials retried, is not there to see them end.
            conclude_if_complete(whole)

    def _whole_of(self, name: str) -> Experiment:
        whole = self._whole.setdefault(name, Experiment(self.store, name))
        whole.refresh()
        return whole
