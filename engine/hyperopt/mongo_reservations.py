"""Reservations: the jobs that this process has reserved through `MongoJobs`, and what it says of them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.heartbeat import Heartbeat
from hstore.engine.evaluation.results import STATUS_NEW, as_result
from hstore.engine.hyperopt.documents import JOB_STATE_DONE, JOB_STATE_NEW, JOB_STATE_RUNNING, JOB_STATES
from hstore.engine.hyperopt.job_events import Said, end_of, error_of, progress_of
from hstore.store.claims import Claims
from hstore.store.errors import Conflict, OperationFailure
from hstore.store.events import RELEASED, Reserved, TrialNumber
from hstore.store.experiment import Experiment, PendingEvent, author, now
from hstore.store.fold import Trial
from hstore.store.messages import Log
from hstore.store.null_objects import NoClaims
from hstore.store.store import Store
from hstore.store.values import normalise

LOG = Log("mongoexp")

LEASE_SECONDS, TICKET_SECONDS = 60.0, 5.0
"""A reserved job is queued again so long after its process has died."""
Key = tuple[str, TrialNumber]
"""The name of an experiment, and one of its trials."""


class Reservations:
    """The jobs that this process holds; their leases are extended in the background until `stop`."""

    def __init__(self, store: Store, claims: Claims | NoClaims) -> None:
        self._store = store
        self._claims = claims
        self._session = uuid.uuid4().hex
        self._heartbeat: Heartbeat | None = None
        self._held: dict[Key, tuple[Experiment, Reserved]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._held

    def stop(self) -> None:
        """Stop extending leases."""
        if self._heartbeat is not None:
            self._heartbeat.stop()

    def reserve(self, names: Sequence[str], worker: str) -> Key | None:
        """Claim for *worker* the trial of the experiments *names* that was queued first; None if none is queued."""
        while names and (ticket := self._claims.take_ticket(self._session, names, seconds=TICKET_SECONDS)):
            name, number = ticket[0], TrialNumber(ticket[1])
            experiment = Experiment(self._store, name, only=())
            experiment.load_trial(number)
            if taken := self._claim(experiment, number, worker):
                self._hold((name, number), experiment, taken)
                return name, number
            experiment.project(number, lease=LEASE_SECONDS)  # the read model that led here lags behind
        return None

    def _claim(self, experiment: Experiment, number: TrialNumber, worker: str) -> Reserved | None:
        """Claim trial *number*; return None if it is not queued, or another worker was first."""

        def decide() -> list[PendingEvent]:
            trial = experiment.state.trials.get(number)
            begin = attempt.begin(number, pid=os.getpid(), objective=None)
            if trial is not None and trial.state == "reserved" and trial.reserved is not None:
                # Ours, if another writer's note came between the two events.
                return [begin] if (trial.reserved.worker, trial.reserved.by) == (worker, author()) else []
            if (
                trial is None
                or trial.state != "queued"
                or experiment.state.why_closed(number) is not None
                or experiment.state.status != "open"
            ):
                return []
            return [attempt.claim(number, attempts=trial.attempt, worker=worker), begin]

        return experiment.state.trials[number].reserved if experiment.append_decided(decide) else None

    def _hold(self, key: Key, experiment: Experiment, taken: Reserved) -> None:
        if self._heartbeat is None:
            self._heartbeat = Heartbeat(self._claims, self._session, lease=LEASE_SECONDS)
        self._held[key] = experiment, taken
        self._heartbeat.hold(key, taken.ver)
        self._claims.extend(self._session, {key: taken.ver}, seconds=LEASE_SECONDS)

    def update(self, key: Key, job: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
        """Record what *job*, which is reserved here, says with its *changes*; hold it no longer if it has ended.

        Raises `OperationFailure` if it was taken from this process, and for a state that is none.
        """
        experiment, taken = self._held[key]
        trial, created = experiment.state.trials[key[1]], experiment.state.created
        assert created is not None
        said = _said(job, changes, trial)
        objectives = experiment.state.objective.get("objectives")
        end = end_of(said, key[1], trial=trial, retries=created.retries, objectives=objectives)
        try:
            if pending := end or progress_of(said, key[1]):
                attempt.append_held(experiment, taken, pending)
            self._claims.extend(self._session, {} if end else {key: taken.ver}, seconds=LEASE_SECONDS)
        except Conflict as error:
            self._let_go(key)
            raise OperationFailure(f"job {key[1]} of {key[0]!r} was taken from this process") from error
        if end:
            self._let_go(key)

    def _let_go(self, key: Key) -> None:
        del self._held[key]
        assert self._heartbeat is not None
        self._heartbeat.let_go(key)


def _said(job: Mapping[str, Any], changes: Mapping[str, Any], trial: Trial) -> Said:
    """Return what *job* says of its *trial* now that it has got *changes*."""
    state = changes.get("state", JOB_STATE_RUNNING)
    if state not in JOB_STATES:
        raise OperationFailure(f"{state!r} is no state of a job")
    result = job.get("result") or {"status": STATUS_NEW}
    if state == JOB_STATE_DONE:
        result = attempt.plain_result(as_result(result), LOG.warning)
    elif state == JOB_STATE_RUNNING and "result" in changes:
        result = normalise(dict(result), path="result")
    else:
        result = None
    assert trial.running is not None
    return Said(
        state=state,
        result=result,
        error=error_of(job.get("error") or job["misc"].get("error")),
        duration=(now() - trial.running.at).total_seconds(),
        why="put back by its worker" if state == JOB_STATE_NEW else "cancelled by its worker",
        cause=RELEASED if state == JOB_STATE_NEW else None,
    )
