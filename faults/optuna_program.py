"""An Optuna program as its user writes it: one of several that share a study, which is an experiment of hstore's."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from faults.recorder import Recorder

if TYPE_CHECKING:
    import optuna

ALGORITHM = "optuna"
"""What the harness calls a search whose drivers are such programs."""
INTERVAL, GRACE = 1, 2
"""Seconds between two signs of life of a trial, and without one after which it is taken from its program."""


def why_not() -> str | None:
    """Return why there can be none here; None if there can."""
    return None if importlib.util.find_spec("optuna") else "Optuna is not installed"


def objective(trial: optuna.Trial) -> float:
    """Return a loss, at times after a while; report, stop early and raise at times."""
    import optuna

    x = float(trial.suggest_float("x", -3, 3))
    how = float(trial.suggest_float("how", 0, 1))
    if how < 0.2:
        for step in (1, 2, 3):
            trial.report(x**2 + 1 / step, step)
            time.sleep(how / 6)
        if how < 0.05:
            raise optuna.TrialPruned
    elif how < 0.8:
        time.sleep(how / 2)
    elif how > 0.98:
        raise ValueError("one that fails")
    trial.set_user_attr("how", how)
    return x**2


@contextmanager
def _taken_away() -> Iterator[None]:
    """Go on where Optuna raises since another program has ended or taken the trial meanwhile."""
    from optuna.exceptions import UpdateFinishedTrialError

    try:
        yield
    except (UpdateFinishedTrialError, ValueError, AssertionError) as error:
        # Optuna asserts, while it raises, that such a trial has ended with an exception of the objective.
        cause = error.__context__ if isinstance(error, AssertionError) else error
        if not isinstance(cause, UpdateFinishedTrialError) and not str(cause).startswith("Cannot tell a"):
            raise


def search(recorder: Recorder, experiment: str, n_trials: int, seed: int) -> None:
    """Take part in the study until it has so many trials, and all have ended; note what it came to.

    What another program left running is failed by Optuna, or queued again by a worker of hstore's: then one takes it.
    """
    import optuna

    from hstore.optuna import HstoreStorage

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = HstoreStorage(heartbeat_interval=INTERVAL, grace_period=GRACE)
    study = optuna.create_study(
        study_name=experiment, storage=storage, load_if_exists=True, sampler=optuna.samplers.RandomSampler(seed=seed)
    )
    while True:
        states = [trial.state for trial in study.get_trials(deepcopy=False)]
        if len(states) >= n_trials and all(state.is_finished() for state in states):
            break
        if len(states) >= n_trials and optuna.trial.TrialState.WAITING not in states:
            optuna.storages.fail_stale_trials(study)
            time.sleep(0.1)
            continue
        with _taken_away():
            study.optimize(objective, n_trials=1, catch=(ValueError,))
    best, tids = study.best_trial, [trial.number for trial in study.get_trials(deepcopy=False)]
    values = {name: float(value) for name, value in best.params.items()}
    recorder.write(experiment, {"at": time.monotonic(), "answer": values, "best": best.number, "tids": tids})
