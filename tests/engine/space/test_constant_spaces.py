"""A space with nothing to search is evaluated as hyperopt evaluates it, after a warning that says what was meant."""

import warnings
from typing import Any

import pytest
import scipy.stats

from hstore import fmin, hp
from hstore.engine.space import compile_space
from hstore.engine.space.constant_spaces import searchable


@pytest.mark.parametrize(
    ("space", "meant"),
    [
        ({"x": [1, 2, 3]}, r'did you mean hp.choice\("x", \[1, 2, 3\]\)\?'),
        ({"x": (0, 1)}, r'did you mean hp.float\("x", 0, 1\) by \(0, 1\)\?'),
        ({"x": (1, 64)}, r'did you mean hp.int\("x", 1, 64\)'),
        ({"x": (1e-5, 0.1)}, r'did you mean hp.float\("x", 1e-05, 0.1\)'),
        ({"a": {"x": ["relu", "tanh"]}, "b": 3}, r"did you mean hp.choice\(\"x\", \['relu', 'tanh'\]\)"),
        ({"x": (0, 1), "y": [1, 2]}, r'hp.float\("x", 0, 1\).*; did you mean hp.choice\("y"'),
        ([{"x": (0, 1)}], r'did you mean hp.float\("x", 0, 1\)'),
        ({"x": range(3)}, r'did you mean hp.choice\("x", range\(0, 3\)\)'),
        ({"x": scipy.stats.uniform(0, 1)}, "x is a distribution of scipy.stats"),
        (lambda trial: trial.suggest_float("x", 0, 1), "is a function, which hstore does not call"),
        ({}, r'write a hyperparameter as hp.float\("x", 0, 1\)'),
        ({"x": 3.0}, "every trial evaluates the same configuration"),
    ],
)  # fmt: skip
def test_a_space_with_nothing_to_search_warns_of_what_was_probably_meant(space: Any, meant: str) -> None:
    calls: list[Any] = []

    def objective(config: Any) -> float:
        calls.append(config)
        return 0.0

    with pytest.warns(UserWarning, match=meant) as caught:
        assert fmin(objective, space, algo="rand", max_evals=3, verbose=False) == {}
    assert caught[0].filename == __file__
    assert len(calls) == 3


@pytest.mark.parametrize("algo", ["auto", "gp", "mtpe", "qmc", "rand", "tpe", "anneal"])
def test_every_algorithm_evaluates_it_as_often_as_was_asked_for(algo: Any) -> None:
    calls: list[Any] = []

    def objective(config: Any) -> float:
        calls.append(config)
        return 0.0

    with pytest.warns(UserWarning, match="nothing to search|same configuration"):
        fmin(objective, {"x": 3.0}, algo=algo, max_evals=8, verbose=False)
    assert calls == [{"x": 3.0}] * 8


@pytest.mark.parametrize(
    "space", [{"x": hp.uniform("x", 0, 1), "y": [1, 2]}, hp.choice("c", ["a"]), [hp.int("n", 1, 2), (0, 1)]]
)
def test_a_space_with_a_hyperparameter_does_not_warn(space: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fmin(lambda _: 0.0, space, algo="rand", max_evals=1, verbose=False)


def test_what_was_meant_is_said_of_a_space_that_is_compiled_already() -> None:
    with pytest.warns(UserWarning, match=r"did you mean hp\.choice\(\"C\", \(0\.1, 1, 10\)\)"):
        searchable(compile_space({"C": (0.1, 1, 10)}), stacklevel=1)
