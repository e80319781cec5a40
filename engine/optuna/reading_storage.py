"""The half of an Optuna storage that reads, over experiments of hstore; and one experiment as a study for reading."""

from __future__ import annotations

import copy
import threading
from abc import abstractmethod
from collections.abc import Container, Sequence
from typing import Any, NoReturn

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna.said import SYSTEM, USER
from hstore.engine.optuna.study_names import number_of_trial, study_and_tid
from hstore.engine.optuna.study_record import StudyRecord
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment

NOT_FOUND = "Record does not exist."
"""Optuna's own words."""


class ReadingStorage(BaseStorage):
    """Reads studies. Any thread may call it; one at a time reads."""

    def __init__(self) -> None:
        self._gate = threading.RLock()

    @abstractmethod
    def _record(self, study: int) -> StudyRecord:
        """Return the study of that number, deleted or not; raises `KeyError` if there is none."""

    @abstractmethod
    def _records(self) -> list[StudyRecord]:
        """Return all studies, deleted ones among them, in the order in which they were created."""

    def _is_current(self, record: StudyRecord, tid: int) -> bool:
        """Return whether trial *tid* is what it was when it was last read: one that has ended stays as it is."""
        return record.is_of_optuna and record.trials.view(tid).state.is_finished()

    def _there(self, study: int, *, fresh: bool = True) -> StudyRecord:
        record = self._record(study)
        if fresh:
            record.refresh()
        if record.is_deleted:
            raise KeyError(NOT_FOUND)
        return record

    def get_study_id_from_name(self, study_name: str) -> int:
        """See `BaseStorage`."""
        with self._gate:
            for record in self._records():
                if record.name == study_name and not record.is_deleted:
                    return record.number
        raise KeyError(NOT_FOUND)

    def get_study_name_from_id(self, study_id: int) -> str:
        """See `BaseStorage`."""
        with self._gate:
            return self._there(study_id, fresh=False).name

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See `BaseStorage`."""
        with self._gate:
            return self._there(study_id, fresh=False).directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        with self._gate:
            return self._there(study_id).attrs(USER)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        with self._gate:
            return self._there(study_id).attrs(SYSTEM)

    def get_all_studies(self) -> list[FrozenStudy]:
        """See `BaseStorage`."""
        with self._gate:
            return [_frozen(record) for record in self._records() if not record.is_deleted]

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See `BaseStorage`."""
        study, tid = study_and_tid(trial_id)
        with self._gate:
            record = self._there(study, fresh=False)
            if tid not in record.trials or not self._is_current(record, tid):
                record.refresh()
            if tid not in record.trials:
                raise KeyError(NOT_FOUND)
            return copy.copy(record.trials.view(tid))

    def get_trial_id_from_study_id_trial_number(self, study_id: int, trial_number: int) -> int:
        """See `BaseStorage`."""
        with self._gate:
            if trial_number not in self._there(study_id).trials:
                raise KeyError(NOT_FOUND)
        return number_of_trial(study_id, trial_number)

    def get_trial_number_from_id(self, trial_id: int) -> int:
        """See `BaseStorage`."""
        return int(self.get_trial(trial_id).number)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `BaseStorage`."""
        is_of_ended = states is None or any(state in states for state in TrialState if state.is_finished())
        with self._gate:
            views = self._there(study_id).trials.views(ended=is_of_ended)
        found = [view for view in views if states is None or view.state in states]
        return copy.deepcopy(found) if deepcopy else found


def _frozen(record: StudyRecord) -> FrozenStudy:
    return FrozenStudy(
        study_name=record.name, direction=None, directions=record.directions, study_id=record.number,
        user_attrs=record.attrs(USER), system_attrs=record.attrs(SYSTEM),
    )  # fmt: skip


class ReadOnlyStorage(ReadingStorage):
    """One experiment as a study that cannot be changed."""

    def __init__(self, experiment: Experiment) -> None:
        super().__init__()
        experiment.refresh()
        self._one = StudyRecord(experiment)

    def _record(self, study: int) -> StudyRecord:
        if study != self._one.number:
            raise KeyError(NOT_FOUND)
        return self._one

    def _records(self) -> list[StudyRecord]:
        self._one.refresh()
        return [self._one]

    def _refuse(self) -> NoReturn:
        raise InvalidValue(
            f"the study of experiment {self._one.experiment.name!r} is for reading",
            hint="hstore.optuna.HstoreStorage(url) is a storage that Optuna writes to",
        )

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Raise `InvalidValue`."""
        self._refuse()

    def delete_study(self, study_id: int) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Raise `InvalidValue`."""
        self._refuse()

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Raise `InvalidValue`."""
        self._refuse()


def study(experiment: Experiment) -> optuna.Study:
    """Return *experiment* as a study for reading: for `optuna.visualization`, `optuna.importance` and dashboards.

    It shows what is in the log whenever it is asked. Losses are minimised; a search of Optuna's has its own directions.
    Raises `InvalidValue` whenever it is to be changed.
    """
    storage = ReadOnlyStorage(experiment)
    return optuna.Study(study_name=storage._one.name, storage=storage)
