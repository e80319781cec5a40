"""Algorithms are found by name, module or partial, and refuse settings that they do not have."""

import inspect
import json
import math
import pydoc
from functools import partial
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tests.offering import offer

from hstore.engine.algorithms import (
    ALGORITHMS,
    Algorithm,
    anneal,
    describe_algorithm,
    known_algorithms,
    mix,
    named,
    rand,
    resolve,
    tpe,
    why_unknown,
)
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.known_algorithms import PLUG_INS
from hstore.engine.space import compile_space, hp
from hstore.store.errors import InvalidValue

SPACE = compile_space({"x": hp.uniform("x", 0, 1), "n": hp.randint("n", 5)})


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_algorithm_is_found_by_its_name(name: str) -> None:
    assert named(name) is ALGORITHMS[name]
    assert ALGORITHMS[name].name == name


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
    with pytest.raises(InvalidValue, match="the settings of an algorithm are"):
        resolve({"name": "tpe", "settings": 5})
    with pytest.raises(InvalidValue, match="is not an algorithm"):
        resolve(3)


def test_the_settings_of_tpe_are_hyperopts_and_behind_them_how_it_orders_what_is_equal() -> None:
    assert list(tpe.suggest.defaults.items()) == [
        ("prior_weight", 1.0),
        ("n_startup_jobs", 20),
        ("n_EI_candidates", 24),
        ("gamma", 0.25),
        ("verbose", True),
        ("ties", "stable"),
    ]


def mine(new_ids: Any, domain: Any, trials: Any, seed: int, **settings: Any) -> list[Any]:
    return [{"tid": tid, "seed": seed, **settings} for tid in new_ids]


RAND = {"name": "rand", "version": 1, "settings": {}}
TPE = {"name": "tpe", "version": 1, "settings": {"gamma": 0.5}}


def test_a_mix_is_plain_data_that_stands_for_itself() -> None:
    algorithm, settings = resolve(
        partial(mix.suggest, p_suggest=[(0.25, rand.suggest), (0.75, partial(tpe.suggest, gamma=0.5))])
    )
    assert algorithm is mix.suggest
    assert settings == {"p_suggest": [[0.25, RAND], [0.75, TPE]]}
    described = describe_algorithm(algorithm, settings)
    assert described == {"name": "mix", "version": 1, "settings": settings}
    assert json.loads(json.dumps(described)) == described
    assert resolve(described) == (algorithm, settings)


def test_a_mix_may_hold_names_and_modules_and_mixes() -> None:
    inner = partial(mix.suggest, p_suggest=[(1, "rand")])
    _, settings = resolve(partial(mix.suggest, p_suggest=((np.float64(0.5), tpe), (0.5, inner))))
    (_, first), (_, second) = settings["p_suggest"]
    assert first == TPE | {"settings": {}}
    assert second == {"name": "mix", "version": 1, "settings": {"p_suggest": [[1.0, RAND]]}}


def test_a_mix_says_what_it_is_made_of_by_default() -> None:
    _, settings = resolve("mix")
    assert [(p, part["name"]) for p, part in settings["p_suggest"]] == [(0.1, "rand"), (0.2, "anneal"), (0.7, "tpe")]


@pytest.mark.parametrize(
    ("p_suggest", "message"),
    [
        ([(0.5, "rand"), (0.4, "tpe")], "Probabilities should sum to 1"),
        ([(1.5, "rand"), (-0.5, "tpe")], "Probabilities should sum to 1, and be positive"),
        ([(math.nan, "rand")], "Probabilities should sum to 1"),
        ([], "Probabilities should sum to 1"),
        ([("rand", 1.0)], "must be a list of pairs"),
        (["rand", "tpe"], "must be a list of pairs"),
        (None, "must be a list of pairs"),
        ([(1.0, "tpee")], "no algorithm is called 'tpee'"),
        ([(1.0, 3)], "3 is not an algorithm"),
        ([(1.0, partial(tpe.suggest, gama=1))], "tpe has no setting 'gama'"),
    ],
)
def test_a_mix_that_cannot_be_meant_is_refused(p_suggest: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        resolve(partial(mix.suggest, p_suggest=p_suggest))


def test_a_mix_with_a_function_of_ones_own_is_one_of_ones_own() -> None:
    algorithm, settings = resolve(partial(mix.suggest, p_suggest=[(0.5, partial(mine, flavour=1)), (0.5, "rand")]))
    assert not isinstance(algorithm, Algorithm)
    assert settings == {}
    described = describe_algorithm(algorithm, settings)
    assert described["settings"]["p_suggest"][0] == [0.5, {"name": f"{__name__}:mine", "version": None, "settings": {}}]
    assert why_unknown(described) == f"mix with {__name__}:mine, which is not part of this hstore"
    seeds = set()
    for seed in range(20):
        for document in algorithm([3], SimpleNamespace(space=SPACE), SimpleNamespace(trials=[]), seed):
            assert document.get("flavour", 1) == 1
            seeds.add(document.get("seed"))
    assert None in seeds  # of a document by rand
    assert len(seeds) > 5
    with pytest.raises(InvalidValue, match="mine is not part of hstore"):
        mix.choose(SPACE, History(SPACE), seed=0, p_suggest=[(1.0, mine)])


def test_a_part_of_another_version_is_named() -> None:
    described = {"name": "mix", "version": 1, "settings": {"p_suggest": [[0.5, RAND], [0.5, TPE | {"version": 7}]]}}
    assert why_unknown(described) == "mix with tpe 7, this hstore has tpe 1"
    assert why_unknown(RAND) is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"avg_best_idx": 0.5}, "avg_best_idx must be a number of at least 1"),
        ({"avg_best_idx": math.nan}, "avg_best_idx must be a number of at least 1"),
        ({"avg_best_idx": "two"}, "avg_best_idx must be a number of at least 1, not 'two'"),
        ({"shrink_coef": -0.1}, "shrink_coef must be a number of at least 0"),
        ({"shrink_coef": True}, "shrink_coef must be a number of at least 0, not True"),
    ],
)
def test_anneal_refuses_settings_that_lead_out_of_the_space(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        resolve(partial(anneal.suggest, **settings))


def test_settings_may_be_given_by_position_as_in_hyperopt() -> None:
    history = History(SPACE)
    trials = SimpleNamespace(history=lambda _: history)
    for tid in range(9):
        history.observe(history.add({"x": tid / 10, "n": tid % 5}), kind="ok", loss=float(tid))
    arguments = ([9], SimpleNamespace(space=SPACE), trials, 3)
    assert anneal.suggest(*arguments, 1.0, 5.0) == anneal.suggest(*arguments, avg_best_idx=1.0, shrink_coef=5.0)
    assert anneal.suggest(*arguments, 1.0, 5.0) != anneal.suggest(*arguments)
    with pytest.raises(InvalidValue, match="anneal has 3 settings, not 4: avg_best_idx, shrink_coef, ties"):
        anneal.suggest(*arguments, 1.0, 5.0, "stable", 3.0)


def test_anneal_adds_the_id_of_the_trial_to_its_seed() -> None:
    def chosen(tid: int, seed: int) -> Any:
        (document,) = anneal.suggest([tid, tid + 1], SimpleNamespace(space=SPACE), SimpleNamespace(trials=[]), seed)
        return document["misc"]["vals"]

    assert chosen(3, 4) == chosen(0, 7) != chosen(0, 4)


@pytest.mark.parametrize(
    ("algo", "message"),
    [
        (partial(tpe.suggest, n_EI_candidates=0), "tpe: n_EI_candidates must be a whole number of at least 1, not 0"),
        (partial(tpe.suggest, n_startup_jobs=2.5), "tpe: n_startup_jobs must be a whole number of at least 0, not 2.5"),
        (partial(tpe.suggest, prior_weight=math.nan), "tpe: prior_weight must be a number of at least 0, not nan"),
        ({"name": "mtpe", "settings": {"gamma": 2}}, "mtpe: gamma must be a number between 0 and 1, not 2"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_in_one_line(algo: Any, message: str) -> None:
    with pytest.raises(InvalidValue, match=message):
        resolve(algo)


def test_a_whole_number_may_be_written_as_a_float() -> None:
    _, settings = resolve(partial(tpe.suggest, n_startup_jobs=5.0, n_EI_candidates=np.int64(7), gamma=1))
    assert settings == {"n_startup_jobs": 5, "n_EI_candidates": 7, "gamma": 1}
    assert [type(value) for value in settings.values()] == [int, int, int]


def test_a_mix_is_portable_if_all_that_is_in_it_are() -> None:
    def with_part(part: Any) -> bool:
        return mix.suggest.is_portable_with({"p_suggest": [(0.5, "rand"), (0.5, part)]})

    same_machine = Algorithm(name="rand", version=1, is_portable=False, choose=rand.choose)
    assert mix.suggest.is_portable_with({})
    assert with_part(partial(tpe.suggest, gamma=0.5))
    assert not with_part(same_machine)
    assert not with_part(partial(mix.suggest, p_suggest=[(1, mine)]))
    assert not with_part(mine)


OF_OUR_SHAPE = """
from hstore.engine.algorithms import Algorithm
def choose(space, history, *, seed, step=0.5):
    return {"x": step, "n": 1}
suggest = Algorithm(name="steady", version=3, is_portable=True, choose=choose)
"""


def test_a_plug_in_is_found_by_its_name_and_replayed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    offer(monkeypatch, tmp_path, PLUG_INS, "steady", OF_OUR_SHAPE)
    monkeypatch.setattr(known_algorithms, "_table", dict(ALGORITHMS))
    monkeypatch.setattr(known_algorithms, "ALGORITHMS", known_algorithms._table)
    algorithm, settings = resolve({"name": "steady", "settings": {"step": 0.25}})
    assert isinstance(algorithm, Algorithm)
    assert (algorithm.version, settings) == (3, {"step": 0.25})
    assert why_unknown(describe_algorithm(algorithm, settings)) is None
    assert algorithm.choose(SPACE, History(SPACE), seed=0, **settings) == {"x": 0.25, "n": 1}


def test_a_plug_in_may_be_a_function_in_hyperopts_shape(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    code = "def suggest(new_ids, domain, trials, seed):\n    return []\n"
    offer(monkeypatch, tmp_path, PLUG_INS, "own", code, attribute=":suggest")
    algorithm, settings = resolve("own")
    assert (algorithm([1], None, None, 0), settings) == ([], {})
    assert describe_algorithm(algorithm, settings)["name"] == "plug_in_own:suggest"


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("torn", "1 / 0", r"plug-in torn = plug_in_torn \(of plug_in_torn 1.0\) cannot be loaded: ZeroDivisionError"),
        ("empty", "", "plug-in empty = plug_in_empty .* is not an algorithm: <module"),
        ("other", OF_OUR_SHAPE, "plug-in other = plug_in_other .* is called 'steady'"),
    ],
)
def test_a_broken_plug_in_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, code: str, message: str
) -> None:
    offer(monkeypatch, tmp_path, PLUG_INS, name, code)
    with pytest.raises(InvalidValue, match=message):
        resolve(name)
    with pytest.raises(InvalidValue, match=f"no algorithm is called 'nope'; there are: rand, .*, {name}"):
        resolve("nope")


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=list(ALGORITHMS))
def test_help_of_an_algorithm_says_what_it_does_and_which_settings_it_has(algorithm: Algorithm) -> None:
    shown = pydoc.plain(pydoc.render_doc(algorithm))
    first_line = (inspect.getdoc(algorithm.choose) or "").splitlines()[0]
    assert first_line in shown
    for setting in algorithm.defaults:
        assert f"{setting}=" in shown
    assert "Methods defined here" not in shown


def test_help_of_auto_says_that_it_is_a_portfolio() -> None:
    shown = pydoc.plain(pydoc.render_doc(ALGORITHMS["auto"]))
    assert "Portfolio: a Gaussian process by default, others when it stalls." in shown
