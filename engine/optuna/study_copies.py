"""Copies of searches between hstore and Optuna's own storages. Each adds what is missing, so it can be repeated."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from hstore.engine.optuna.hstore_storage import FOR_GOOD
from hstore.engine.optuna.reading_storage import ReadOnlyStorage
from hstore.engine.optuna.said import SYSTEM, USER, attribute, with_said
from hstore.engine.optuna.study_names import experiment_name
from hstore.engine.optuna.study_record import StudyRecord, read_record
from hstore.engine.optuna.trial_events import created_by_optuna, new_trial
from hstore.store.errors import Conflict, InvalidValue, NotFound
from hstore.store.events import Created, Noted
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store
from hstore.store.url import shown_path, without_secrets

NUMBER = "hstore:trial"
"""User attribute of an exported trial: its number in hstore."""
BATCH = 25
"""Trials that are appended at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CopiedStudy:
    """What came of a copy."""

    study: str
    """What Optuna calls it."""
    experiment: str
    trials: int
    """That are in the copy now."""
    new: int
    """That were not there before."""
    left_out: int
    """That run, or in an export wait: another copy takes them once they have ended."""


def optuna_storage(url: str, *, is_new: bool = True) -> BaseStorage:
    """Return Optuna's storage at *url*, such as sqlite:///study.db, or its journal in a file of that path.

    is_new: whether it may be created. Raises `InvalidValue` if Optuna cannot open it.
    """
    if "://" not in url and (shown := shown_path(url)) != url and not Path(url).exists():
        raise InvalidValue(f"{shown!r} is neither a URL nor a file", hint="a URL is such as sqlite:///study.db")
    file = _file_of(url)
    if not is_new and file is not None and not file.is_file():  # Optuna would make an empty one
        raise InvalidValue(
            f"there is no file {shown_path(file)!r} with Optuna's studies",
            hint="or give a URL, such as sqlite:///study.db",
        )
    try:
        if "://" in url:
            return optuna.storages.get_storage(url)
        backend = optuna.storages.journal.JournalFileBackend(str(Path(url)))
        return optuna.storages.JournalStorage(backend)
    except Exception as error:  # whatever Optuna, SQLAlchemy or a driver of it raise
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        shown = f"a storage of {url.partition('://')[0]}" if "://" in url else repr(url)
        raise InvalidValue(f"Optuna cannot open {shown}: {without_secrets(reason, url):.300}") from error


def _file_of(url: str) -> Path | None:
    """Return the file that a journal, or a database of SQLite, is in; None if it is elsewhere."""
    if "://" not in url:
        return Path(url)
    kind, _, place = url.partition("://")
    name = place.removeprefix("/").partition("?")[0]
    is_file = kind.partition("+")[0] == "sqlite" and name not in ("", ":memory:") and not name.startswith("file:")
    return Path(name) if is_file else None


def export_study(
    experiment: Experiment, target: BaseStorage, *, name: str | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> CopiedStudy:  # fmt: skip
    """Add the trials of *experiment* that have ended to the study *name* of *target*; by default of its own name.

    Raises `InvalidValue` if there is a study of that name with other directions.
    """
    source = ReadOnlyStorage(experiment)
    [record] = source.get_all_studies()
    study = optuna.create_study(
        storage=target, study_name=name or record.study_name, directions=record.directions, load_if_exists=True
    )
    if study.directions != record.directions:
        raise InvalidValue(
            f"there is another study {study.study_name!r}, with other directions", hint="export under another --name"
        )
    known = {trial.user_attrs.get(NUMBER) for trial in study.get_trials(deepcopy=False)}
    trials = source.get_all_trials(record._study_id, deepcopy=False)
    ended = [trial for trial in trials if trial.state.is_finished()]
    new = [trial for trial in ended if trial.number not in known]
    for trial in new:
        added = copy.copy(trial)
        added.user_attrs = {**trial.user_attrs, NUMBER: trial.number}
        study.add_trial(added)
        on_progress(1)
    for key, value in record.user_attrs.items():
        study.set_user_attr(key, value)
    return CopiedStudy(
        study=study.study_name, experiment=experiment.name, trials=len(known) + len(new), new=len(new),
        left_out=len(trials) - len(ended),
    )  # fmt: skip


def study_names(source: BaseStorage) -> list[str]:
    """Return the names of the studies in *source*."""
    return [study.study_name for study in source.get_all_studies()]


def import_study(
    store: Store, source: BaseStorage, study: str, *, name: str | None = None,
    on_progress: Callable[[int], object] = lambda _: None,
) -> CopiedStudy:  # fmt: skip
    """Add the trials of *study* in *source* to experiment *name* of *store*; by default of the study's name.

    Programs of Optuna go on with it by `HstoreStorage`. Times are those that Optuna recorded. Raises `NotFound` if
    there is no such study, `InvalidValue` if the experiment is there and was not imported from Optuna.
    """
    try:
        number = source.get_study_id_from_name(study)
    except KeyError:
        raise NotFound(f"there is no study {study!r}", hint=f"there are: {', '.join(study_names(source))}") from None
    record = _record_of(store, source, number, study, name)
    trials = source.get_all_trials(number, deepcopy=False)
    to_copy = [trial for trial in trials if trial.state != TrialState.RUNNING]
    before = len(record.experiment.state.trials)
    for first in range(0, len(to_copy), BATCH):
        some = to_copy[first : first + BATCH]
        record.experiment.append_decided(partial(_missing, record, some))
        on_progress(len(some))
    attributes = ((USER, source.get_study_user_attrs(number)), (SYSTEM, source.get_study_system_attrs(number)))
    for which, attrs in attributes:
        record.experiment.append_decided(partial(_unlike, record, which, attrs))
    now = len(record.experiment.state.trials)
    return CopiedStudy(
        study=study, experiment=record.experiment.name, trials=now, new=now - before,
        left_out=len(trials) - len(to_copy),
    )  # fmt: skip


def _record_of(store: Store, source: BaseStorage, number: int, study: str, name: str | None) -> StudyRecord:
    """Return the experiment that the study becomes, created if it is not there yet."""
    wanted = name or experiment_name(study)
    record = read_record(store, wanted)
    if record is None:
        experiment = Experiment(store, wanted)
        created = created_by_optuna(name or study, source.get_study_directions(number))
        created["imported"] = {"study": study}
        try:
            experiment.append(experiment.compose((Created, None, created)))
        except Conflict:
            return _record_of(store, source, number, study, name)
        return StudyRecord(experiment)
    known = record.experiment.state.created
    if known is None or not record.is_of_optuna or (known.imported or {}).get("study") != study:
        raise InvalidValue(
            f"experiment {wanted!r} is there, and is no import of study {study!r}", hint="import under another --name"
        )
    return record


def _missing(record: StudyRecord, trials: Sequence[FrozenTrial]) -> list[PendingEvent]:
    """Return what adds those of *trials* that the experiment does not have; the first observes what is new."""
    record.update()
    decisions = (trial.queued for trial in record.experiment.trials)
    known = {queued.imported.get("number") for queued in decisions if queued is not None and queued.imported}
    pending: list[PendingEvent] = []
    new = [trial for trial in trials if trial.number not in known]
    for tid, trial in enumerate(new, start=len(record.experiment.state.trials)):
        observed = [] if pending else record.experiment.observed()
        came_from: Mapping[str, Any] = {"number": trial.number}
        pending += new_trial(record, tid, trial, lease=FOR_GOOD, observed=observed, imported=came_from)
    return pending


def _unlike(record: StudyRecord, which: str, attrs: Mapping[str, Any]) -> list[PendingEvent]:
    record.update()
    known = record.attrs(which)
    return [
        (Noted, None, with_said({}, attribute(which, key, value)))
        for key, value in attrs.items()
        if key not in known or known[key] != value
    ]
