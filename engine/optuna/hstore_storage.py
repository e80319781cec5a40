"""An Optuna storage over hstore's log: a study is an experiment, and all that Optuna writes is an event of hstore's."""

from __future__ import annotations

import threading
import time
import uuid
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import DuplicatedStudyError, UpdateFinishedTrialError
from optuna.storages._base import DEFAULT_STUDY_NAME_PREFIX
from optuna.storages._heartbeat import BaseHeartbeat
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from pymongo.errors import PyMongoError

from hstore.engine.optuna import trial_events
from hstore.engine.optuna.reading_storage import NOT_FOUND, ReadingStorage
from hstore.engine.optuna.said import DELETED, SYSTEM, USER, attribute, with_said
from hstore.engine.optuna.study_names import MOST_TRIALS, experiment_name, number_of_trial, study_and_tid, study_number
from hstore.engine.optuna.study_record import StudyRecord, read_record
from hstore.engine.optuna.trial_events import created_by_optuna
from hstore.store.errors import Conflict, HstoreError, InvalidValue
from hstore.store.events import Created, Done, Failed, Noted, Reported, Requeued, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fold import HELD
from hstore.store.open_store import open_store
from hstore.store.store import Store

FOR_GOOD = 10 * 365 * 86_400.0
"""Seconds that a trial is held for where there are no heartbeats: as in Optuna, until its program ends it."""


SHOWN_SECONDS = 0.3
"""How long what happens to a running trial may wait to be shown to queries: each change costs a round trip."""


class HstoreStorage(ReadingStorage, BaseHeartbeat):
    """Where Optuna keeps studies: `optuna.create_study(storage=HstoreStorage(url), study_name="digits")`.

    url: as `hstore.open` takes it; without one `$HSTORE_URL`, or the embedded server of this machine. store: an open
    store in its place.
    heartbeat_interval: seconds between signs of life of running trials. A trial without one for *grace_period*
    seconds, or twice the interval, counts as stale: Optuna fails it, or an hstore worker on the same store requeues it.
    heartbeat_stale_trial_callback: see `optuna.storages.RDBStorage`.

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
    ) -> None:
        super().__init__()
        for name, seconds in (("heartbeat_interval", heartbeat_interval), ("grace_period", grace_period)):
            if seconds is not None and seconds <= 0:
                raise ValueError(f"The value of `{name}` should be a positive integer.")
        self.store = open_store(url) if store is None else store
        """The store, for all else that hstore does with one."""
        if store is None:
            weakref.finalize(self, self.store.close)  # Optuna has no call that ends a storage
        self._interval = heartbeat_interval
        self._grace = grace_period
        self._callback = heartbeat_stale_trial_callback
        self._session = uuid.uuid4().hex
        self._known: dict[int, StudyRecord] = {}
        self._running: set[tuple[int, int]] = set()
        """Study and number of each trial that runs for this storage: it alone writes to them, as a rule."""
        self._shown = time.monotonic()
        """When what queries read was last brought up to the log."""
        self._unshown: set[int] = set()
        """Studies of which queries are still to be shown something, which a timer does."""

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
            self._append(self._there(study_id), lambda: [(Noted, None, note)])

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self._set_study_attr(study_id, attribute(USER, key, value))

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self._set_study_attr(study_id, attribute(SYSTEM, key, value))

    def _set_study_attr(self, study_id: int, said: dict[str, Any]) -> None:
        with self._gate:
            self._append(self._there(study_id, fresh=False), lambda: [(Noted, None, with_said({}, said))])

    def _append(
        self, record: StudyRecord, decide: Callable[[], Sequence[PendingEvent]], *, is_urgent: bool = True
    ) -> bool:
        """Append what *decide* says; return whether there was anything. It is asked again when another was first.

        is_urgent: whether what queries read has to show it at once, and not with the next that is.
        """
        if not record.is_of_optuna:
            raise InvalidValue(
                f"experiment {record.experiment.name!r} is a search of hstore's, which Optuna can read and not change",
                hint="give the study another name",
            )

        def decide_again() -> Sequence[PendingEvent]:
            record.update()
            return decide()

        is_urgent = is_urgent or time.monotonic() - self._shown >= SHOWN_SECONDS
        events = record.experiment.append_decided(decide_again, more_to_come=not is_urgent)
        if is_urgent:
            self._shown = time.monotonic()
        elif events:
            self._show_soon(record)
        for event in events:
            if isinstance(event, Running):
                self._running.add((record.number, event.tid))
            elif isinstance(event, (Done, Failed, Requeued)):
                self._running.discard((record.number, event.tid))
        record.update()
        return bool(events)

    def _show_soon(self, record: StudyRecord) -> None:
        """Have queries show *record* in a moment, also if the program does nothing more: a trial may take hours."""
        if not self._unshown and self.store.is_durable:
            timer = threading.Timer(SHOWN_SECONDS, self._show)
            timer.daemon = True
            timer.start()
        self._unshown.add(record.number)

    def _show(self) -> None:
        # At worst it is shown later: with the next append, or by a worker's reaper.
        with self._gate, suppress(HstoreError, PyMongoError):
            unshown, self._unshown = self._unshown, set()
            self._shown = time.monotonic()
            for study in unshown:
                self.store.models.project(self._known[study].experiment.state, ())

    # -- trials -----------------------------------------------------------------------------------------------

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage`."""
        with self._gate:
            record = self._there(study_id, fresh=False)
            made = 0

            def decide() -> list[PendingEvent]:
                nonlocal made
                made = len(record.experiment.state.trials)
                if made >= MOST_TRIALS:
                    raise InvalidValue(f"a study has at most {MOST_TRIALS} trials in hstore")
                self._hold(record, made)
                return trial_events.new_trial(record, made, template_trial, lease=self._lease)

            # A trial soon asks for its first parameter; only a lease has to be there at once.
            self._append(record, decide, is_urgent=template_trial is not None or self._interval is not None)
        return number_of_trial(study_id, made)

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            if (known := record.trials.distributions.get(param_name)) is not None:
                check_distribution_compatibility(known, distribution)
            return [trial_events.param(record, tid, param_name, param_value_internal, distribution)]

        self._update(trial_id, decide, is_urgent=False)

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            if state == TrialState.RUNNING:
                self._hold(record, tid)
            return trial_events.transition(record, tid, state, values, lease=self._lease)

        return self._update(trial_id, decide)

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """See `BaseStorage`."""

        def decide(record: StudyRecord, tid: int) -> list[PendingEvent]:
            reported = {"step": int(step), "value": record.report_sign * float(intermediate_value)}
            return [*trial_events.begun(record, tid, lease=self._lease), (Reported, tid, reported)]

        self._update(trial_id, decide, is_urgent=False)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        said = attribute(USER, key, value)
        self._update(trial_id, lambda record, tid: [(Noted, tid, with_said({}, said))], is_urgent=False)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        said = attribute(SYSTEM, key, value)
        self._update(trial_id, lambda record, tid: [(Noted, tid, with_said({}, said))], is_urgent=False)

    def _update(
        self, trial_id: int, decide: Callable[[StudyRecord, int], list[PendingEvent]], *, is_urgent: bool = True
    ) -> bool:
        """Append what *decide* says of a trial that has not ended; return whether there was anything."""
        study, tid = study_and_tid(trial_id)
        with self._gate:
            record = self._record(study)
            if tid not in record.trials:
                record.refresh()

            def checked() -> list[PendingEvent]:
                if record.is_deleted or tid not in record.trials:
                    raise KeyError(NOT_FOUND)
                if record.trials.view(tid).state.is_finished():
                    raise UpdateFinishedTrialError(f"Trial#{tid} has already finished and can not be updated.")
                if (study, tid) in self._running and trial_events.is_held_elsewhere(record, tid):
                    # What this program finds is of the parameters that it asked for, and others may be there by now.
                    raise UpdateFinishedTrialError(f"Trial#{tid} was queued again, and another program evaluates it.")
                return decide(record, tid)

            return self._append(record, checked, is_urgent=is_urgent)

    def _is_current(self, record: StudyRecord, tid: int) -> bool:
        """Return the same, and true of a trial that runs here: what others write of it comes with another read."""
        return (record.number, tid) in self._running or super()._is_current(record, tid)

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
