"""A storage of one study in memory, for one question to a sampler or a pruner: cheap to copy, and then thrown away."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Container, Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

STUDY_ID = 0
NAME = "hstore"
"""Of the study; some rules of Optuna go by it, so it is the same always."""
LONG_AGO = dt.datetime(2000, 1, 1)  # noqa: DTZ001 - Optuna's times have no zone
"""When every trial begins and ends: what is decided must not depend on a clock."""


class ScratchStorage(BaseStorage):
    """One study whose trials have their number as id. A trial is replaced, never written to, so copies share them."""

    def __init__(self, objectives: int = 1) -> None:
        self._directions = [StudyDirection.MINIMIZE] * objectives
        self._trials: list[FrozenTrial] = []
        self._attrs: dict[str, Any] = {}

    def __copy__(self) -> ScratchStorage:
        twin = ScratchStorage(len(self._directions))
        twin._trials, twin._attrs = self._trials.copy(), self._attrs.copy()
        return twin

    def study(self, **parts: Any) -> optuna.Study:
        """Return the study, with a sampler or a pruner as *parts*."""
        return optuna.Study(study_name=NAME, storage=self, **parts)

    def add(self, trial: FrozenTrial) -> None:
        """Add *trial*, whose number is the next one."""
        self._trials.append(trial)

    def settle(self, number: int, **parts: Any) -> None:
        """Replace *parts* of trial *number*."""
        trial = copy.copy(self._trials[number])
        for name, value in parts.items():
            setattr(trial, name, value)
        self._trials[number] = trial

    def create_new_study(self, directions: Sequence[StudyDirection], study_name: str | None = None) -> int:
        """Refuse: there is one study."""
        raise NotImplementedError

    def delete_study(self, study_id: int) -> None:
        """Refuse: there is one study."""
        raise NotImplementedError

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Refuse: rules have no use for it."""
        raise NotImplementedError

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self._attrs[key] = value

    def get_study_id_from_name(self, study_name: str) -> int:
        """See `BaseStorage`."""
        return STUDY_ID

    def get_study_name_from_id(self, study_id: int) -> str:
        """See `BaseStorage`."""
        return NAME

    def get_study_directions(self, study_id: int) -> list[StudyDirection]:
        """See `BaseStorage`."""
        return self._directions

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        return {}

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """See `BaseStorage`."""
        return self._attrs.copy()

    def get_all_studies(self) -> list[Any]:
        """Refuse: nothing asks for it."""
        raise NotImplementedError

    def create_new_trial(self, study_id: int, template_trial: FrozenTrial | None = None) -> int:
        """See `BaseStorage`; without a template, which nothing here gives."""
        number = len(self._trials)
        self.add(frozen(number, TrialState.RUNNING))
        return number

    def set_trial_param(
        self, trial_id: int, param_name: str, param_value_internal: float, distribution: BaseDistribution
    ) -> None:
        """See `BaseStorage`."""
        trial = self._trials[trial_id]
        value = distribution.to_external_repr(param_value_internal)
        self.settle(
            trial_id, params={**trial.params, param_name: value},
            distributions={**trial.distributions, param_name: distribution},
        )  # fmt: skip

    def set_trial_state_values(self, trial_id: int, state: TrialState, values: Sequence[float] | None = None) -> bool:
        """See `BaseStorage`."""
        self.settle(trial_id, state=state, **({} if values is None else {"values": values}))
        return True

    def set_trial_intermediate_value(self, trial_id: int, step: int, intermediate_value: float) -> None:
        """Refuse: what was reported is given with the trial."""
        raise NotImplementedError

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Refuse: rules have no use for it."""
        raise NotImplementedError

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """See `BaseStorage`."""
        self.settle(trial_id, system_attrs={**self._trials[trial_id].system_attrs, key: value})

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """See `BaseStorage`."""
        return copy.copy(self._trials[trial_id])

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        """See `BaseStorage`."""
        found = [trial for trial in self._trials if states is None or trial.state in states]
        return copy.deepcopy(found) if deepcopy else found


def frozen(
    number: int, state: TrialState, *, values: Sequence[float] | None = None,
    params: Mapping[str, Any] | None = None, distributions: Mapping[str, BaseDistribution] | None = None,
    reports: Mapping[int, float] | None = None,
) -> FrozenTrial:  # fmt: skip
    """Return trial *number* of a scratch study."""
    return FrozenTrial(
        number=number, trial_id=number, state=state, value=None, values=values,
        datetime_start=LONG_AGO, datetime_complete=LONG_AGO if state.is_finished() else None,
        params=dict(params or {}), distributions=dict(distributions or {}), user_attrs={}, system_attrs={},
        intermediate_values=dict(reports or {}),
    )  # fmt: skip
