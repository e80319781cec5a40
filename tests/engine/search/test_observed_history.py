"""What a search knew: also what came in between its end and its being taken up again."""

from functools import partial
from typing import Any

import pytest

from hstore import Trials, fmin, hp, tpe
from hstore.engine.audit.replay import derive_again
from hstore.engine.space import compile_space
from hstore.store.experiment import Experiment
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -1, 1)}


@pytest.fixture
def trials(store: Store) -> Trials:
    """Trials whose fmin evaluates in this process, in memory or in MongoDB."""
    return Trials(experiment=Experiment(store, "e"))


def search(trials: Trials, *, seed: int, max_evals: int) -> None:
    fmin(
        lambda config: config["x"] ** 2, SPACE, algo=partial(tpe.suggest, n_startup_jobs=5), max_evals=max_evals,
        trials=trials, rstate=seed, verbose=False,
    )  # fmt: skip


@pytest.mark.parametrize("seed", [5, 11])
def test_a_search_with_more_trials_than_it_was_begun_with_is_the_same_search(trials: Trials, seed: int) -> None:
    # Where the last trial before the pause is among the best of its time, forgetting its loss leads elsewhere.
    at_once = Trials()
    search(at_once, seed=seed, max_evals=20)
    for max_evals in (7, 10, 20):
        search(trials, seed=seed, max_evals=max_evals)
    assert trials.vals == at_once.vals
    assert derive_again(trials.experiment).is_same


def test_the_history_of_a_search_that_has_finished_has_its_last_loss(trials: Trials) -> None:
    search(trials, seed=0, max_evals=6)
    history: Any = trials.history(compile_space(SPACE))
    assert list(history.losses) == trials.losses()
