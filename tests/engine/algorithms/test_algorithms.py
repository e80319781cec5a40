"""Algorithms are found by name, module or partial, and refuse settings that they do not have."""

from functools import partial
from types import ModuleType
from typing import Any

import pytest

from hstore.engine.algorithms import ALGORITHMS, named, rand, resolve, tpe
from hstore.store.errors import InvalidValue


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_found_by_its_name(name: str) -> None:
    assert named(name).name == name


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(InvalidValue, match="no algorithm is called 'tpee'; there are: rand, tpe"):
        named("tpee")


@pytest.mark.parametrize("algo", [tpe.suggest, "tpe", tpe, partial(tpe.suggest)], ids=str)
def test_whatever_stands_for_tpe_is_tpe(algo: Any) -> None:
    assert resolve(algo) == (tpe.suggest, {})


def test_the_settings_of_partials_are_gathered_and_the_outer_ones_win() -> None:
    class Outer(partial[Any]):  # one that Python does not flatten
        pass

    inner = partial(tpe.suggest, gamma=0.5, n_startup_jobs=5)
    assert resolve(partial(inner, gamma=0.7)) == (tpe.suggest, {"gamma": 0.7, "n_startup_jobs": 5})
    assert resolve(Outer(inner, gamma=0.7)) == (tpe.suggest, {"gamma": 0.7, "n_startup_jobs": 5})


@pytest.mark.parametrize(
    ("algo", "message"),
    [
        (partial(tpe.suggest, gama=1), "tpe has no setting 'gama'; it has: prior_weight, n_startup_jobs"),
        (partial(rand.suggest, gamma=1), "rand has no setting 'gamma'; it has: none"),
    ],
)
def test_an_unknown_setting_is_refused(algo: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        resolve(algo)


def test_a_function_of_ones_own_comes_back_as_it_is() -> None:
    def suggest(new_ids: Any, domain: Any, trials: Any, seed: int, flavour: str = "") -> list[Any]:
        return []

    mine = partial(suggest, flavour="sweet")
    assert resolve(mine) == (mine, {})
    module = ModuleType("mine")
    module.suggest = suggest  # type: ignore[attr-defined]
    assert resolve(module) == (suggest, {})


def test_what_is_no_algorithm_is_refused() -> None:
    with pytest.raises(InvalidValue, match="is no algorithm"):
        resolve(3)


def test_the_settings_of_tpe_are_hyperopts() -> None:
    assert dict(tpe.suggest.defaults) == {
        "prior_weight": 1.0,
        "n_startup_jobs": 20,
        "n_EI_candidates": 24,
        "gamma": 0.25,
        "verbose": True,
    }
