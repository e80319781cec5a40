"""An Optuna storage over hstore's log: a study is an experiment, and all that Optuna writes is an event of hstore's."""

from __future__ import annotations

import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna import trial_events
from hstore.engine.optuna.reading_storage import NOT_FOUND, ReadingStorage
from hstore.engine.optuna.said import DELETED, SYSTEM, USER, as_read_back, attribute, with_said
from hstore.engine.optuna.study_names import MOST_TRIALS, experiment_name, number_of_trial, study_and_tid, study_number
from hstore.engine.optuna.study_record import StudyRecord, read_record
from hstore.engine.optuna.study_writer import StudyWriter
from hstore.engine.optuna.trial_events import created_by_optuna
from hstore.engine.optuna.turns import Turns
from hstore.store.errors import Conflict, InvalidValue
from hstore.store.events import Created, Noted, Reported
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import HELD
from hstore.store.open_store import open_store
from hstore.store.store import Store

FOR_GOOD = 10 * 365 * 86_400.0
"""Seconds that a trial is held for where there are no heartbeats: as in Optuna, until its program ends it."""

DecideOf: TypeAlias = Callable[[StudyRecord, int], list[PendingEvent]]
"""Called with a study and a tid; returns what is to be appended of that trial."""


class HstoreStorage(ReadingStorage, BaseHeartbeat):
    """Where Optuna keeps studies: `optuna.create_study(storage=HstoreStorage(url), study_name="digits")`.

    url: as `hstore.open` takes it; without one `$HSTORE_URL`, or the embedded server of this machine. store: an open
    store in its place.
    heartbeat_interval: seconds between signs of life of running trials. A trial without one for *grace_period*
    seconds, or twice the interval, counts as stale: Optuna fails it, or an hstore worker on the same store requeues it.
    heartbeat_stale_trial_callback, or by its older name failed_trial_callback: see `optuna.storages.RDBStorage`.

    The searches that hstore made can be read as studies; a call that would change one raises `InvalidValue`. Threads
    and processes may share a store; pickled, the storage opens it again. Raises what `hstore.open` raises.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        store: Store | None = None,
        heartbeat_interval: int | None = None,
        grace_period: int | None = None,
        heartbeat_stale_trial_callback: Callable[..., None] | None = None,
        failed_trial_callback: Callable[..., None] | None = None,
    ) -> None:
        super().__init__()
        if heartbeat_stale_trial_callback is not None and failed_trial_callback is not None:
            raise ValueError("Specify only one of `heartbeat_stale_trial_callback` and `failed_trial_callback`.")
        for name, seconds in (("heartbeat_interval", heartbeat_interval), ("grace_period", grace_period)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"The value of `{name}` should be a positive integer.")
        self.store = open_store(url) if store is None else store
        """The store, for all else that hstore does with one."""
        self._interval = heartbeat_interval
        self._grace = grace_period
        self._callback = heartbeat_stale_trial_callback or failed_trial_callback
        self._session = uuid.uuid4().hex
        self._known: dict[int, StudyRecord] = {}
        self._turns = Turns(self.store.url if self.store.is_durable else "")
        self._writer = StudyWriter(self.store, self._gate, lease=self._lease)
        # Optuna has no call that ends a storage.
        weakref.finalize(self, self.store.close if store is None else self._writer.write_all)

    def __getstate__(self) -> dict[str, Any]:
        if not self.store.is_durable:
            raise TypeError("a storage in memory cannot be pickled: another process would not see it")
        return {
            "url": self.store.uri, "heartbeat_interval": self._interval, "grace_period": self._grace,
            "heartbeat_stale_trial_callback": self._callback,
        }  # fmt: skip

    def __setstate__(self, state: dict[str, Any]) -> None:
        HstoreStorage.__init__(self, **state)

    # -- studies ----------------------------------------------------------------------------------------------

    def _record(self, study: int) -> StudyRecord:
        if study not in self._known:
            for name in self.store.experiments():
                if study_number(name) == study:
                    self._read(name)
        if study not in self._known:
            raise KeyError(NOT_FOUND)
        return self._known[study]

    def _read(self, name: str) -> StudyRecord | None:
        record = self._known.get(study_number(name))
        if record is not None and record.experiment.name == name:
            record.refresh()
            return record
        record = read_record(self.store, name)
        if record is not None:
            self._known.setdefault(record.number, record)
        return record

    def _records(self) -> list[StudyRecord]:
        found = [record for name in self.store.experiments() if (record := self._read(name)) is not None]
        return sorted(found, key=lambda record: record.experiment.state.created.at)  # type: ignore[union-attr]

    def get_study_id_from_name(self, study_name: str) -> int:
        """See `BaseStorage`. Only experiments of that name are read."""
        with self._gate:
            nth = 0
            while (record := self._read(experiment_name(study_name, nth))) is not None:
                if not record.is_deleted:
                    return record.number
                nth += 1
        raise KeyError(NOT_FOUND)

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """See `BaseStorage`. A study of a deleted one's name is another experiment: hstore deletes nothing."""
        study_name = DEFAULT_STUDY_NAME_PREFIX + str(uuid.uuid4()) if study_name is None else study_name
        with self._gate:
            nth = 0
            others = {study_number(name): name for name in self.store.experiments()}
            while True:
                name = experiment_name(study_name, nth)
                if others.get(study_number(name), name) != name:
                    raise InvalidValue(
                        f"the numbers of studies {name!r} and {others[study_number(name)]!r} would be the same",
                        hint="give the study another name",
                    )
                record = self._read(name)
                if record is None:
                    experiment = Experiment(self.store, name)
                    created = created_by_optuna(study_name, directions)
                    try:
                        experiment.append(experiment.compose((Created, None, created)))
                    except Conflict:
                        continue
                    self._known[study_number(name)] = record = StudyRecord(experiment)
                    return record.number
                if not record.is_deleted:
                    raise DuplicatedStudyError(f"a study named {study_name!r} exists already")
                nth += 1

    def delete_study(self, study_id: int) -> None:
        """See `BaseStorage`. Its experiment stays, and Optuna does not see it any more."""
        with self._gate:
            note = with_said({"note": "deleted by Optuna"}, {"op": DELETED})
            self._writer.append(self._there(study_id), lambda: [(Noted, None, note)])

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self._set_study_attr(study_id, attribute(USER, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self._set_study_attr(study_id, attribute(SYSTEM, key, value))

    def _set_study_attr(self, study_id: int, said: dict[str, Any]) -> None:
        with self._gate:
            self._writer.append(self._there(study_id, fresh=False), lambda: [(Noted, None, with_said({}, said))])

    # -- trials -----------------------------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage`."""
        with self._gate:
            name = self._there(study_id, fresh=False).experiment.name
        with self._turns.of(name) as turn, self._gate:
            record = self._there(study_id, fresh=turn.made > len(self._record(study_id).experiment.state.trials))
            made = 0

            def decide() -> list[PendingEvent]:
                nonlocal made
                made = len(record.experiment.state.trials)
                if made >= MOST_TRIALS:
                    raise InvalidValue(f"a study has at most {MOST_TRIALS} trials in hstore")
                self._hold(record, made)
                return trial_events.new_trial(record, made, template_trial, lease=self._lease)

            # A trial soon asks for its first parameter; only a lease has to be there at once.
            is_urgent = template_trial is not None or self._interval is not None
            self._writer.append(record, decide, is_urgent=is_urgent, was_read=True)
            turn.note(made + 1)
        return number_of_trial(study_id, made)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            if (known := record.trials.distributions.get(param_name)) is not None:
                check_distribution_compatibility(known, as_read_back(distribution))
            return [trial_events.param(record, tid, param_name, param_value_internal, distribution)]

        self._say(trial_id, decide)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            if state == TrialState.RUNNING:
                self._hold(record, tid)
            return trial_events.transition(record, tid, state, values, lease=self._lease)

        with self._gate:
            record, tid, decide_if_open = self._open(trial_id, decide)
            return self._writer.append(record, decide_if_open, tid=tid, is_urgent=state == TrialState.WAITING)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            reported = {"step": int(step), "value": record.report_sign * float(intermediate_value)}
            return [*trial_events.begun(record, tid, lease=self._lease), (Reported, tid, reported)]

        self._say(trial_id, decide)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        said = attribute(USER, key, value)
        self._say(trial_id, lambda record, tid: [(Noted, tid, with_said({}, said))])

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        said = attribute(SYSTEM, key, value)
        self._say(trial_id, lambda record, tid: [(Noted, tid, with_said({}, said))])

    def _say(self, trial_id: int, decide: DecideOf) -> None:
        """Have the log say soon what *decide* says of a trial that has not ended."""
        with self._gate:
            record, tid, decide_if_open = self._open(trial_id, decide)
            self._writer.say(record, tid, decide_if_open)

    def _open(self, trial_id: int, decide: DecideOf) -> tuple[StudyRecord, int, Callable[[], list[PendingEvent]]]:
        """Return the study of a trial, its tid, and *decide* behind a look whether this program may change it."""
        study, tid = study_and_tid(trial_id)
        record = self._record(study)
        if tid not in record.trials:
            record.refresh()

        def checked() -> list[PendingEvent]:
            if record.is_deleted or tid not in record.trials:
                raise KeyError(NOT_FOUND)
            if record.trials.view(tid).state.is_finished():
                raise UpdateFinishedTrialError(f"Trial#{tid} has already finished and can not be updated.")
            if self._writer.runs_here(study, tid) and trial_events.is_held_elsewhere(record, tid):
                # What this program finds is of the parameters that it asked for, and others may be there by now.
                raise UpdateFinishedTrialError(f"Trial#{tid} was queued again, and another program evaluates it.")
            return decide(record, tid)

        return record, tid, checked

    def _is_current(self, record: StudyRecord, tid: int) -> bool:
        """Return the same, and true of a trial that runs here: what others write of it comes with another read."""
        return self._writer.runs_here(record.number, tid) or super()._is_current(record, tid)

    # -- heartbeats -------------------------------------------------------------------------------------------

    @property
    def _lease(self) -> float:
        """Seconds that a trial is held for without a sign of life."""
        return FOR_GOOD if self._interval is None else float(self._grace or 2 * self._interval)

    def _hold(self, record: StudyRecord, tid: int) -> None:
        self.store.models.lease(record.experiment.name, tid, self._session, self._lease)

    def record_heartbeat(self, trial_id: int) -> None:
        """See `BaseHeartbeat`: extend the lease on the trial."""
        study, tid = study_and_tid(trial_id)
        with self._gate:
            name = self._there(study, fresh=False).experiment.name
        self.store.claims.extend(self._session, {(name, tid): 0}, seconds=self._lease)

    def _get_stale_trial_ids(self, study_id: int) -> list[int]:
        with self._gate:
            experiment = self._there(study_id).experiment
            held = self.store.claims.held([experiment.name])
            shown = {lease.tid for lease in held}
            for tid, trial in list(experiment.state.kept_trials()):
                if trial.state in HELD and tid not in shown:  # its program died before it could say that it holds it
                    experiment.project(tid, lease=self._lease)
        return [number_of_trial(study_id, lease.tid) for lease in held if lease.by is not None and lease.is_over]

    def get_heartbeat_interval(self) -> int | None:
        """See `BaseHeartbeat`."""
        return self._interval

    def get_heartbeat_stale_trial_callback(self) -> Callable[..., None] | None:
        """See `BaseHeartbeat`."""
        return self._callback
