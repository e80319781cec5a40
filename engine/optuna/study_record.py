"""One experiment as a study of Optuna's: its name, directions, attributes and trials."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna.study import StudyDirection

from hstore.engine.optuna.said import DELETED, SYSTEM, USER, said_in, signs
from hstore.engine.optuna.study_names import study_number
from hstore.engine.optuna.trial_views import TrialViews, n_values
from hstore.store.experiment import Experiment
from hstore.store.store import Store


class StudyRecord:
    """What a storage knows of a study. For one thread at a time."""

    def __init__(self, experiment: Experiment) -> None:
        """*experiment* was read, and exists."""
        self.experiment = experiment
        self.number = study_number(experiment.name)
        created = experiment.state.created
        self._said: Mapping[str, Any] = {} if created is None else said_in(created)
        self.is_of_optuna = bool(self._said)
        """Whether an Optuna storage made it; else it is a search of hstore's, which Optuna only reads."""
        self.signs = signs(self.directions)
        self.report_sign = self.signs[0] if len(self.signs) == 1 else 1.0
        """What a reported value is multiplied with, so that smaller is better."""
        self.trials = TrialViews(experiment, self.number, is_of_optuna=self.is_of_optuna, report_sign=self.report_sign)
        self._noted = 0
        self._was_checked = False
        self.is_deleted = False
        self._attrs: dict[str, dict[str, Any]] = {USER: {}, SYSTEM: {}}
        self.update()

    def refresh(self) -> None:
        """Read what is new in the log."""
        self.experiment.refresh()
        self.update()

    def require_unchanged(self) -> None:
        """Raise `Tampered` if the log of the study was changed before this process goes on with it; it looks once."""
        if not self._was_checked:
            self.experiment.check_links()
            self._was_checked = True

    def update(self) -> None:
        """Take in what was read, or written here."""
        self.trials.update()
        notes = self.experiment.state.notes
        for note in notes[self._noted :]:
            said = said_in(note)
            if said.get("op") == DELETED:
                self.is_deleted = True
            elif said.get("op") in self._attrs:
                self._attrs[said["op"]][said["key"]] = json.loads(said["value"])
        self._noted = len(notes)

    @property
    def name(self) -> str:
        """What Optuna calls it."""
        return str(self._said.get("study", self.experiment.name))

    @property
    def directions(self) -> list[StudyDirection]:
        """Of each of its values; hstore minimises all."""
        if self._said:
            return [StudyDirection(direction) for direction in self._said["directions"]]
        return [StudyDirection.MINIMIZE] * n_values(self.experiment.state)

    def attrs(self, which: str) -> dict[str, Any]:
        """Return its user or system attributes."""
        return dict(self._attrs[which])


def read_record(store: Store, name: str) -> StudyRecord | None:
    """Return the study that experiment *name* of *store* is; None if there is no such experiment."""
    experiment = Experiment(store, name)
    experiment.refresh()
    return None if experiment.state.created is None else StudyRecord(experiment)
