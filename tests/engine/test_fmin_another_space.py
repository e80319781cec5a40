"""In memory fmin goes on with another space on the same trials, as in hyperopt, and what it decides can be derived."""

import math
from functools import partial
from typing import Any

import pytest

from hstore import Trials, cmaes, fmin, gp, hp, rand, tpe
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.algorithms.finite import endless
from hstore.engine.audit.replay import derive_again
from hstore.engine.space import compile_space
from hstore.store.events import Changed

quiet = partial(fmin, verbose=False, rstate=0)


def loss(config: Any) -> float:
    values = config.values() if isinstance(config, dict) else [config]
    return float(sum(value**2 for value in values if isinstance(value, (int, float))))


STAGES: dict[str, tuple[Any, Any]] = {
    "range narrowed": (hp.uniform("x", -10, 10), hp.uniform("x", -1, 1)),
    "range widened": (hp.uniform("x", -1, 1), hp.uniform("x", -10, 10)),
    "range moved away": (hp.uniform("x", -10, -5), hp.uniform("x", 5, 10)),
    "log of a range with negative numbers": (hp.uniform("x", -10, 10), hp.loguniform("x", -2, 2)),
    "log of a range with zero": (hp.quniform("x", 0, 10, 1), hp.qloguniform("x", 0, 3, 1)),
    "normal": (hp.uniform("x", -10, 10), hp.normal("x", 0, 1)),
    "integers": (hp.uniform("x", 0.5, 9.5), hp.uniformint("x", 1, 5)),
    "randint of a range": (hp.uniform("x", 0, 10), hp.randint("x", 4)),
    "choice of a range": (hp.uniform("x", 0, 10), hp.choice("x", [1, 2, 3])),
    "range of a choice": (hp.choice("x", [1, 2, 3]), hp.uniform("x", 0, 10)),
    "an option more": (hp.choice("x", [1, 2]), hp.choice("x", [1, 2, 3])),
    "an option fewer": (hp.choice("x", [1, 2, 3, 4]), hp.choice("x", [1, 2])),
    "weights": (hp.pchoice("x", [(1.0, 1), (0.0, 2)]), hp.pchoice("x", [(0.5, 1), (0.5, 2)])),
    "a label more": ({"x": hp.uniform("x", 0, 1)}, {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}),
    "a label fewer": ({"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}, {"x": hp.uniform("x", 0, 1), "y": 1}),
    "under a condition": (
        {"x": hp.uniform("x", 0, 1), "c": hp.choice("c", ["a", "b"])},
        {"c": hp.choice("c", ["a", {"x": hp.uniform("x", 0, 1)}])},
    ),
    "nothing in common": ({"x": hp.uniform("x", 0, 1)}, {"z": hp.choice("z", [1, 2])}),
}


SHOWN_BY_ALL = ("log of a range with zero", "under a condition", "nothing in common")


@pytest.mark.parametrize(
    ("algorithm", "change"),
    [
        # auto begins with gp, and tpe reads the trials as hyperopt's do: of the others a few changes are enough
        pytest.param(name, change, marks=() if name in ("auto", "tpe") or change in SHOWN_BY_ALL else pytest.mark.long)
        for name in sorted(ALGORITHMS.keys() - {"mix"})
        for change in STAGES
    ],
)
def test_each_algorithm_goes_on_in_each_other_space_and_stays_in_it(algorithm: str, change: str) -> None:
    first, second = STAGES[change]
    space, trials = compile_space(second), Trials()
    if algorithm == "grid" and endless(space) is not None:
        pytest.skip("grid takes finite spaces")
    if algorithm == "cmaes" and any(parameter.is_categorical for parameter in space):
        pytest.skip("cmaes takes numbers")
    quiet(loss, first, algo=rand.suggest, max_evals=22, trials=trials)
    quiet(loss, second, algo=ALGORITHMS[algorithm], max_evals=26, trials=trials)
    made = trials.experiment.trials[22:]
    assert len(made) == 4 or endless(space) is None  # all points of a finite one have been tried
    for trial in made:
        space.check(trial.point)
        assert all(math.isfinite(value) for value in trial.point.values())
    replayed = derive_again(trials.experiment)
    assert replayed.is_same
    assert replayed.suggested == len(trials.experiment.trials)


def test_a_change_of_the_space_is_an_event_and_changed_back_is_another() -> None:
    trials = Trials()
    coarse, fine = hp.uniform("x", -10, 10), hp.uniform("x", -1, 1)
    for i, space in enumerate((coarse, fine, fine, coarse)):
        quiet(loss, space, algo=tpe.suggest, max_evals=25 * (i + 1), trials=trials)
    spaces = [event.space is not None for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    assert spaces == [True, False, True]
    assert derive_again(trials.experiment).is_same
    assert trials.space is not None
    assert trials.space.differences(compile_space(coarse)) == []


@pytest.mark.parametrize("suggest", [rand.suggest, tpe.suggest, gp.suggest, cmaes.suggest])
def test_a_point_that_is_given_afterwards_is_of_the_space_that_it_has_now(suggest: Any) -> None:
    trials = Trials()
    quiet(loss, {"x": hp.uniform("x", 0, 1)}, algo=suggest, max_evals=3, trials=trials)
    space = {"x": hp.uniform("x", 5, 6), "y": hp.uniform("y", 0, 1)}
    quiet(loss, space, algo=suggest, max_evals=5, trials=trials, points_to_evaluate=[{"x": 5.5, "y": 0.5}])
    assert trials.experiment.trials[3].point == {"x": 5.5, "y": 0.5}
    trials.enqueue([{"x": 5.25, "y": 0.25}])
    quiet(loss, space, algo=suggest, max_evals=8, trials=trials)
    assert trials.trials[-1]["misc"]["vals"].keys() == {"x", "y"}
    assert {"x": 5.25, "y": 0.25} in [dict(trial.point) for trial in trials.experiment.trials]
    assert derive_again(trials.experiment).is_same


class Estimator:
    def __init__(self, n: int) -> None:
        self.n = n


def test_the_same_space_built_again_of_new_objects_is_no_change() -> None:
    trials = Trials()
    for n in (5, 9):
        space = {"m": hp.choice("m", [Estimator(1), Estimator(2), lambda v: v]), "b": hp.uniform("b", 0, 1)}
        quiet(lambda config: config["b"], space, algo=tpe.suggest, max_evals=n, trials=trials)
    assert not any(isinstance(event, Changed) and event.space for event in trials.experiment.chain(None))
