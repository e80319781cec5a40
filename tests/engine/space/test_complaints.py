"""What users of hyperopt complain of about spaces, and what becomes of it here: one test each, named after it."""

import math
from typing import Any, cast

import numpy as np
import pytest

from hstore import Trials, anneal, fmin, hp, mix, pyll, pyll_utils, rand, space_eval, tpe
from hstore.engine.space import compile_space
from hstore.store.errors import BadSearchSpace, DuplicateLabel

MIX = {"p_suggest": [(0.5, rand.suggest), (0.5, anneal.suggest)]}


@pytest.mark.covers("hp.randint", "pyll_utils.hp_randint")
@pytest.mark.parametrize(
    ("suggest", "settings"),
    [(rand.suggest, {}), (tpe.suggest, {"n_startup_jobs": 4}), (anneal.suggest, {}), (mix.suggest, MIX)],
    ids=["rand", "tpe", "anneal", "mix"],
)
def test_randint_with_keywords_works_in_every_algorithm(suggest: Any, settings: dict[str, Any]) -> None:
    from functools import partial

    def searched(space: Any) -> list[int]:
        trials = Trials()
        algo = partial(suggest, **settings)
        fmin(
            lambda r: abs(r - 104), space, algo=algo, max_evals=12, trials=trials, rstate=np.random.default_rng(1),
            show_progressbar=False,
        )  # fmt: skip
        return [int(value) for value in trials.vals["r"]]

    drawn = searched(hp.randint("r", low=100, high=110))
    assert drawn == searched(hp.randint("r", 100, 110))
    assert all(100 <= r < 110 for r in drawn)


@pytest.mark.covers("hp.uniform", "hp.quniform", "hp.loguniform", "hp.qloguniform", "hp.uniformint")
@pytest.mark.parametrize("kind", ["uniform", "quniform", "uniformint", "loguniform", "qloguniform"])
@pytest.mark.parametrize(("low", "high"), [(0, 0), (5, 0), (0, -1)])
def test_low_equal_to_high_is_refused_even_at_zero(kind: str, low: float, high: float) -> None:
    q = [1] if kind in ("quniform", "qloguniform") else []
    with pytest.raises(ValueError, match=r"^x: low must be less than high"):
        getattr(hp, kind)("x", low, high, *q)
    with pytest.raises(ValueError, match="x: low must be less than high"):
        pyll_utils.validate_distribution_range(lambda *_: None)("x", low, high)


def test_bounds_that_should_be_logarithms_are_named() -> None:
    with pytest.raises(
        BadSearchSpace, match=r"lr: .*the bounds of a log kind are logarithms: np.log\(1e-3\), not 1e-3"
    ):
        hp.loguniform("lr", 1, 10_000)


def test_a_bound_that_depends_on_another_hyperparameter_is_refused_by_name_with_a_way_out() -> None:
    with pytest.raises(BadSearchSpace, match=r"^n: high depends on another hyperparameter") as refused:
        hp.uniform("n", 0, hp.uniform("top", 1, 2))
    assert "low + (high - low) * hp.uniform" in refused.value.hint
    top = hp.uniform("top", 1, 2)
    assert space_eval({"top": top, "n": top * hp.uniform("part", 0, 1)}, {"top": 1.5, "part": 0.5})["n"] == 0.75


def test_a_bound_that_is_arithmetic_on_constants_works() -> None:
    space = compile_space(hp.uniform("x", -pyll.scope.sqrt(4), pyll.as_apply(1) + 1))
    assert space.describe("x") == "uniform(-2, 2)"


def test_a_node_in_the_place_of_a_bound_is_refused_when_the_space_is_compiled() -> None:
    drawn = pyll.scope.normal(hp.uniform("mu", 0, 1), 1)  # as hp does it, but by hand
    with pytest.raises(BadSearchSpace, match=r"^x: the arguments of normal must be constants"):
        compile_space(pyll.scope.hyperopt_param("x", drawn))


def test_iterating_over_a_node_of_unknown_length_ends() -> None:
    with pytest.raises(TypeError, match="length"):
        list(hp.uniform("x", 0, 1))
    with pytest.raises(TypeError, match="length"):
        pyll.stochastic.choice(hp.choice("c", [[1], [2]]))


def test_a_choice_tells_its_option_not_its_index_and_integers_stay_integers() -> None:
    space = compile_space(
        [hp.choice("c", ["a", "b"]), pyll.scope.int(hp.quniform("n", 1, 9, 1)), hp.uniformint("m", 1, 9)]
    )
    params = space.params({"c": 1, "n": 3.0, "m": 4.0})
    assert params == {"c": "b", "n": 3, "m": 4}
    assert [type(params[label]) for label in "nm"] == [int, int]


def test_a_dict_whose_keys_have_no_order_is_a_space() -> None:
    assert space_eval({2: hp.uniform("x", 0, 1), "a": 1}, {"x": 0.5}) == {2: 0.5, "a": 1}


def test_probabilities_that_hyperopt_cannot_draw_either_are_refused() -> None:
    for pairs in ([(0.9, "a"), (0.8, "b"), (0.1, "c")], [(1.5, "a"), (0.2, "b")], [(-0.5, "a"), (1.5, "b")]):
        with pytest.raises(ValueError, match=r"^c: "):
            hp.pchoice("c", pairs)


@pytest.mark.parametrize(
    "make",
    [
        lambda: cast(Any, hp.uniform)("x", lower=0, upper=1),
        lambda: cast(Any, hp.uniformint)("x", 0, 10, 2),
        lambda: cast(Any, hp.normal)("x", 0),
        lambda: hp.choice("x", 3),
        lambda: hp.uniform(cast(str, 3), 0, 1),
        lambda: hp.randint("x"),
        lambda: hp.pchoice("x", 3),
    ],
)
def test_arguments_of_a_wrong_kind_are_refused_where_they_are_written(make: Any) -> None:
    with pytest.raises(TypeError):  # what hyperopt raises, some of it at the first draw
        make()
    with pytest.raises(BadSearchSpace):
        make()


@pytest.mark.parametrize(
    "make", [lambda: hp.pchoice("x", []), lambda: hp.randint("x", 0), lambda: hp.randint("x", 3, 3)]
)
def test_choices_and_ranges_of_nothing_are_refused_where_they_are_written(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: "):
        make()


@pytest.mark.covers("fmin.space_eval", "space_eval")
def test_a_point_without_an_active_label_is_refused_by_its_name() -> None:
    space = hp.choice("c", [1, hp.uniform("x", 0, 1)])
    assert space_eval(space, {"c": 0, "unknown": 3}) == 1
    with pytest.raises(AttributeError, match=r"^x: is active at this point but has no value"):
        space_eval(space, {"c": 1})
    for index, kind in [(5, IndexError), (-1, ValueError), ([1], TypeError), (1.0, TypeError), (None, TypeError)]:
        with pytest.raises(kind):
            space_eval(space, {"c": index})


def test_a_distribution_without_a_generator_says_what_it_needs() -> None:
    for node in (pyll.scope.uniform(0, 1), pyll.scope.one_of(1, 2)):
        with pytest.raises(AttributeError, match=r"pyll.stochastic.sample"):
            pyll.rec_eval(node)
    with pytest.raises(AttributeError, match=r"^x: is active"):
        pyll.rec_eval(hp.uniform("x", 0, 1))


@pytest.mark.covers("pyll.stochastic.sample", "pyll.stochastic.randint")
def test_a_sample_is_drawn_with_a_seed_a_generator_a_random_state_or_nothing() -> None:
    space = [hp.randint("r", 9), hp.uniform("x", 0, 1)]
    with_seed = pyll.stochastic.sample(space, 7)
    assert with_seed == pyll.stochastic.sample(space, np.random.default_rng(7))
    legacy = pyll.stochastic.sample(space, np.random.RandomState(7))
    assert legacy[1] == np.random.RandomState(7).uniform(0, 1)
    assert 0 <= pyll.stochastic.sample(space)[0] < 9


@pytest.mark.covers("pyll_utils.expr_to_config", "pyll_utils.DuplicateLabel")
def test_the_conditions_of_a_weighted_choice_are_known_and_a_label_used_twice_is_named() -> None:
    hps: dict[str, Any] = {}
    pyll_utils.expr_to_config(hp.pchoice("p", [(0.5, 1), (0.5, hp.uniform("x", 0, 1))]), None, hps)
    assert hps["x"]["conditions"] == {(pyll_utils.EQ("p", 1),)}
    with pytest.raises(DuplicateLabel, match="'x'"):
        pyll_utils.expr_to_config([hp.uniform("x", 0, 1), hp.uniform("x", 0, 1)], (), {})
    with pytest.raises(BadSearchSpace, match="computed index"):
        pyll_utils.expr_to_config(
            pyll.scope.switch(pyll.scope.int(hp.uniform("u", 0, 2)), hp.normal("y", 0, 1)), (), {}
        )


@pytest.mark.covers("pyll_utils.expr_to_config")
def test_conditions_by_the_million_are_refused_not_listed_for_ever() -> None:
    node: Any = hp.uniform("x", 0, 1)
    for level in range(60):
        node = hp.choice(f"c{level}", [node, {"again": node}])
    with pytest.raises(BadSearchSpace, match="too many ways"):
        pyll_utils.expr_to_config(node, (), {})


@pytest.mark.covers("pyll.base.SymbolTable.undefine", "pyll.base.SymbolTable.define")
def test_a_symbol_may_be_defined_twice_by_the_same_function_and_those_of_the_house_stay() -> None:
    def same_for_a_test(x: Any) -> Any:
        return x

    try:
        assert pyll.scope.define(same_for_a_test) is pyll.scope.define(same_for_a_test)
    finally:
        pyll.scope.undefine(same_for_a_test)
    with pytest.raises(ValueError, match="part of hstore"):
        pyll.scope.undefine("add")


def test_a_symbol_that_this_process_does_not_define_is_named() -> None:
    with pytest.raises(BadSearchSpace, match=r"scope\.nothing_such, which this process does not define"):
        pyll.rec_eval(pyll.base.apply("nothing_such", 1))


@pytest.mark.covers("pyll.base.Lambda", "pyll.base.SymbolTable.map", "pyll.base.partial")
def test_functions_of_expressions_take_names_and_defaults_and_are_mapped() -> None:
    base, scope = pyll.base, pyll.scope
    difference = base.Lambda("difference", [("a", base.p0), ("b", base.p1, 5)], base.p0 - base.p1)
    assert [pyll.rec_eval(node) for node in (difference(3), difference(b=1, a=9))] == [-2, 8]
    for args, kwargs in [((), {}), ((1,), {"c": 3}), ((1,), {"a": 3}), ((1, 2, 3), {})]:
        with pytest.raises(TypeError, match="difference"):
            difference(*args, **cast(Any, kwargs))
    assert pyll.rec_eval(scope.map(scope.partial("add", 10), [1, 2])) == (11, 12)
    assert pyll.rec_eval(scope.map(abs, [1, -2])) == [1, 2]
    assert pyll.rec_eval(scope.callpipe1([scope.partial("add", 1), abs, str], -4)) == "3"


@pytest.mark.covers("pyll.base.toposort", "pyll.dfs")
def test_a_cycle_is_refused_not_walked_for_ever() -> None:
    node = pyll.scope.identity(1)
    node.pos_args[0] = pyll.scope.identity(node)
    with pytest.raises(BadSearchSpace, match="cycle"):
        pyll.toposort(node)
    with pytest.raises(RuntimeError, match="infinite loop"):
        pyll.rec_eval(node, max_program_len=1000)


@pytest.mark.covers("pyll.base.Apply.arg", "pyll.base.Apply.eval")
def test_arguments_are_named_of_functions_with_stars_and_of_those_by_keyword_only() -> None:
    def starred_for_a_test(a: Any, *rest: Any, flag: bool = False, **more: Any) -> Any:
        return a, rest, flag, more

    with_scope = pyll.scope.define(starred_for_a_test)
    try:
        arg = pyll.scope.starred_for_a_test(1, 2, 3, flag=True, other=4).arg
        assert (arg["a"].obj, [node.obj for node in arg["rest"]], arg["flag"].obj) == (1, [2, 3], True)
        assert arg["more"]["other"].obj == 4
    finally:
        pyll.scope.undefine(with_scope)
    x = pyll.scope.identity(2)
    assert (x + 1).eval({x: 5}) == 6
    assert pyll.scope.switch(1, pyll.scope.Raise(ValueError), "lazy").eval() == "lazy"


@pytest.mark.parametrize(
    "make",
    [lambda: hp.normal("x", 0, 0), lambda: hp.quniform("x", 0, 1, 0), lambda: hp.uniform("x", 0, math.inf)],
)
def test_zero_and_infinity_are_no_ranges(make: Any) -> None:
    with pytest.raises(ValueError, match=r"^x: "):
        make()
