"""Parameters are shown in the order in which the user wrote them, whatever order they are drawn in."""

import json
import pickle
from typing import Any

from hstore import Trials, fmin, hp
from hstore.engine.space import Space, compile_space
from hstore.engine.space.data import to_data

SPACE: dict[str, Any] = {
    "z": hp.uniform("z", 0, 1),
    "model": hp.choice(
        "model",
        [
            {"name": "svm", "kernel": hp.choice("kernel", ["rbf", "linear"]), "c": hp.uniform("c", 0, 1)},
            {"name": "forest", "trees": hp.int("trees", 1, 9)},
        ],
    ),
    "a": hp.uniform("a", 0, 1),
    "nest": [hp.uniform("m", 0, 1), {"y": hp.uniform("y", 0, 1), "b": hp.uniform("b", 0, 1)}],
}
WRITTEN = ("z", "model", "kernel", "c", "trees", "a", "m", "y", "b")


def test_a_space_knows_the_order_in_which_it_was_written() -> None:
    space = compile_space(SPACE)
    assert space.as_written == WRITTEN
    assert set(space.labels) == set(WRITTEN)


def test_the_order_goes_through_the_log_and_through_pickles() -> None:
    plain = json.loads(json.dumps(to_data(compile_space(SPACE).expression)))
    assert Space.from_data(plain).as_written == WRITTEN
    assert Space(pickle.loads(pickle.dumps(compile_space(SPACE).expression))).as_written == WRITTEN


def test_a_dict_that_is_sorted_already_is_recorded_as_before() -> None:
    assert "written" not in json.dumps(to_data(compile_space({"a": hp.uniform("a", 0, 1), "b": 1}).expression))


def test_trials_have_their_parameters_in_that_order() -> None:
    trials = Trials()
    fmin(lambda _: 0.0, SPACE, algo="rand", max_evals=8, trials=trials, rstate=0, verbose=False)
    for trial in trials.experiment.trials:
        assert list(trial.params) == [label for label in WRITTEN if label in trial.params]


def test_the_points_are_those_of_any_other_order() -> None:
    both = []
    for space in (SPACE, dict(reversed(SPACE.items()))):
        trials = Trials()
        fmin(lambda _: 0.0, space, algo="tpe", max_evals=25, trials=trials, rstate=0, verbose=False)
        both.append([dict(trial.point) for trial in trials.experiment.trials])
    assert both[0] == both[1]
