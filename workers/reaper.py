"""The house keeper: takes trials back from workers that fell silent, shows what others did not live to show.

One worker of a store does so at a time (`Claims.elect_reaper`); any will do.
"""

from __future__ import annotations

import socket
import time

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.process_identity import is_dead, this_process
from hstore.engine.search.control import conclude_if_complete
from hstore.store.claims import ActiveLease, TrialKey
from hstore.store.errors import Conflict
from hstore.store.events import Failed, Requeued
from hstore.store.messages import Log
from hstore.store.store import Experiment, PendingEvent, Store
from hstore.workers.lease import Silence

LOG = Log("reaper")

REPAIR_SECONDS = 5.0


class Reaper:
    """Looks after the experiments of *store*. For one thread."""

    def __init__(self, store: Store, *, lease: float = 60.0) -> None:
        self.store = store
        self.lease = lease
        """Seconds for what is found to be held and was never shown to be: its holder may have died just before."""
        self._silence = Silence()
        self._repaired = -REPAIR_SECONDS
        self._here: dict[TrialKey, tuple[int, bool]] = {}
        self._counts: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
        self._whole: dict[str, Experiment] = {}
        self._unended: dict[str, set[int]] = {}

    def keep(self, experiments: list[str]) -> bool:
        """Do what there is to do now for *experiments*, the open ones; return whether it is soon to be done again.

        That is so while a trial is held, or seems to wait for a worker: one that died at once may have had it.
        """
        now = time.monotonic()
        held = self.store.claims.held()
        for trial in [*self._silence.look(held, now=now), *self._gone(held)]:
            self.take_back(trial.exp, trial.tid)
        if now - self._repaired >= REPAIR_SECONDS:
            self._repaired = now
            for name in {*experiments, *self.store.models.ending()}:
                self._repair(name)
        return bool(held) or (bool(experiments) and self.store.claims.is_anything_queued(experiments))

    def _gone(self, held: list[ActiveLease]) -> list[ActiveLease]:
        """Return those of *held* whose process ran on this machine and is known to have ended: no need to wait."""
        host, seen, gone = socket.gethostname(), self._here, []
        self._here = {}
        for trial in held:
            place = trial.exp, trial.tid
            if trial.worker is None or trial.host != host:
                continue
            known_ver, is_ours = seen.get(place, (-1, True))
            if known_ver == trial.ver and not is_ours:
                continue
            found = Experiment(self.store, trial.exp, only=()).load_trial(trial.tid)
            process = found.reserved.process if found is not None and found.reserved is not None else None
            is_ours = process is not None and process != this_process()  # what this one holds its heart looks after
            self._here[place] = trial.ver, is_ours
            if found is not None and is_ours and is_dead(found, is_local=False):
                gone.append(trial)
        return gone

    def take_back(self, exp: str, tid: int) -> None:
        """Requeue a trial whose worker fell silent, or end it if that happened too often."""
        experiment = Experiment(self.store, exp, only=())
        trial = experiment.load_trial(tid)
        created = experiment.state.created
        if trial is None or created is None or trial.reserved is None or trial.is_finished:
            experiment.project(tid)  # what told us that it was held lags behind
            return
        worker = trial.reserved.worker
        pending: list[PendingEvent]
        if isinstance(trial.end, Failed):  # its worker did not live to requeue it
            pending = [(Requeued, tid, {"why": attempt.WHY["failed"], "cause": trial.end.cause or "failed"})]
        else:
            message = f"{worker} fell silent in attempt {trial.attempt}, and so had others"
            failure = {"error": "Lost", "message": message}
            pending = attempt.after(trial, "lost", failure, created.retries)
        try:
            experiment.append(experiment.compose(*pending))
        except Conflict:
            return  # it spoke, or another was faster
        LOG.warning(
            f"worker {worker} missed its heartbeat; trial {tid} of {exp!r} requeued",
            experiment=exp,
            trial=tid,
            worker=worker,
        )

    def _repair(self, name: str) -> None:
        """Bring the read models of experiment *name* up to its log where their writer died or was cut off."""
        models = self.store.models
        chains = {event.tid for event in self.store.log.read(name, models.lagging(name))}
        for tid in [tid for tid in chains if tid is not None]:
            experiment = Experiment(self.store, name, only=())
            experiment.load_trial(tid)
            experiment.project(tid, lease=self.lease)
        unended = models.nonfinal_failures(name)
        for tid in self._unended.get(name, set()) & unended:  # still so at the second look
            self.take_back(name, tid)
        self._unended[name] = unended
        counts = models.counts(name)
        is_stale = counts[0] != counts[1] and counts == self._counts.get(name)  # since the last look, so for good
        self._counts[name] = counts
        if None in chains or is_stale:
            whole = self._whole_of(name)
            whole.repair()
            # Whoever had stopped the search, or had trials of it retried, is not there to see them end.
            conclude_if_complete(whole)

    def _whole_of(self, name: str) -> Experiment:
        whole = self._whole.setdefault(name, Experiment(self.store, name))
        whole.refresh()
        return whole
