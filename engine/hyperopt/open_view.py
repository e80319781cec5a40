"""What a search is made on when the user gave names: the view of its trials, and the algorithm by default."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hstore.engine.algorithms import auto, named
from hstore.engine.hyperopt.installed_objects import trials_of
from hstore.engine.hyperopt.mongo_trials import MongoTrials
from hstore.engine.hyperopt.trials import Trials
from hstore.store.errors import InvalidValue
from hstore.store.recovery import recover_saved
from hstore.store.store import Store
from hstore.store.values import check_name


@contextmanager
def open_view(
    trials: Any,
    experiment: str | None,
    store: str | Store | None,
    save_file: str | os.PathLike[str] = "",
    *,
    recovers: bool = False,
) -> Iterator[Trials]:
    """Hand out the view to search on; close the store if it was opened here."""
    if experiment is None and store is None:
        view = _view_in_memory(trials, save_file)
        with _retrying(view.experiment.store, view.experiment.name, recovers=recovers):
            yield view
        return
    if trials is not None:
        raise InvalidValue("give fmin either trials or experiment and store, not both")
    if experiment is None:
        raise InvalidValue("store needs the name of an experiment to search under", hint="add experiment='some-name'")
    from hstore.store.open_store import open_store

    check_name(experiment)
    opened = store if isinstance(store, Store) else open_store(store)
    try:
        with _retrying(opened, experiment, recovers=recovers):
            yield MongoTrials(opened, exp_key=experiment)
    finally:
        if opened is not store:
            opened.close()


def _view_in_memory(trials: Any, save_file: str | os.PathLike[str]) -> Trials:
    """Return *trials*; without any those that *save_file* holds, or new ones."""
    if trials is None and save_file and Path(save_file).exists():
        trials = _saved(Path(save_file))
    view = Trials() if trials is None else trials
    if not isinstance(view, Trials):
        is_theirs = trials_of(view) is not None
        raise InvalidValue(
            f"trials must be an hstore.Trials, not {type(trials).__module__}.{type(trials).__qualname__}",
            hint="hstore.trials_from_docs(trials.trials) holds the same; to run a program of hyperopt's unchanged: "
            "python -m hstore.compat SCRIPT" if is_theirs else "",
        )  # fmt: skip
    return view


def _saved(file: Path) -> Trials:
    """Return the trials that *file* holds, hyperopt's as well; raises `InvalidValue` for what it cannot be read."""
    import cloudpickle

    try:
        found = cloudpickle.loads(file.read_bytes())
    except Exception as error:
        raise InvalidValue(
            f"trials_save_file: {file} cannot be read: {type(error).__name__}: {error}",
            hint="it is not changed; move it away to begin anew",
        ) from error
    trials = found if isinstance(found, Trials) else trials_of(found)
    if trials is None:
        raise InvalidValue(
            f"trials_save_file: {file} holds no trials but {type(found).__module__}.{type(found).__qualname__}",
            hint="name another file",
        )
    return trials


@contextmanager
def _retrying(store: Store, experiment: str, *, recovers: bool) -> Iterator[None]:
    """Have the store wait for its server as long as it takes: a search does, and says so; opening a store does not.

    recovers: whether what it loses of *experiment*, or has lost, is put back.
    """
    before = store.timeout, store.recovers
    store.timeout, store.recovers = math.inf, recovers or store.recovers
    try:
        if recovers:
            recover_saved(store, experiment)
        yield
    finally:
        store.timeout, store.recovers = before


def default_algorithm() -> Any:
    """Return what `$HSTORE_ALGO` names, else `auto`."""
    name = os.environ.get("HSTORE_ALGO")
    if not name:
        return auto.suggest
    try:
        return named(name)
    except InvalidValue as error:
        raise InvalidValue(f"$HSTORE_ALGO: {error}", hint=error.hint or "unset it, or pass algo", path="algo") from None
