"""The compiled space: what it refuses, what it knows, and that it survives being data."""

import datetime as dt
import json
import math
import random
from typing import Any, cast

import numpy as np
import pytest
from test_same_as_hyperopt import random_space

from hstore.engine.space import Literal, Space, compile_space, hp, scope, space_eval
from hstore.pyll.stochastic import sample
from hstore.store.errors import BadSearchSpace, DuplicateLabel


@pytest.mark.parametrize("seed", range(40))
def test_a_space_survives_being_data(seed: int) -> None:
    ours = random_space(random.Random(seed), hp)
    space = compile_space(ours)
    back = Space.from_data(json.loads(json.dumps(space.to_data())))
    assert back.parameters == space.parameters
    assert space.differences(back) == []
    for draw in range(5):
        point = space.sample(np.random.default_rng(draw))
        assert back.sample(np.random.default_rng(draw)) == point
        assert repr(back.evaluate(point)) == repr(space.evaluate(point))
        assert back.params(point) == space.params(point)


def test_constants_of_every_plain_kind_survive_too() -> None:
    at = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    constants = [None, True, 3, 2**70, 2.5, math.inf, -math.inf, "text", b"\x00\xff", at, (1, [2]), {"k": 1}]
    space = compile_space({"x": hp.uniform("x", 0, 1), "constants": constants, "nan": math.nan})
    back = Space.from_data(json.loads(json.dumps(space.to_data()))).evaluate({"x": 0.5})
    assert back["constants"] == (
        None,
        True,
        3,
        2**70,
        2.5,
        math.inf,
        -math.inf,
        "text",
        b"\x00\xff",
        at,
        (1, (2,)),
        {"k": 1},
    )
    assert math.isnan(back["nan"])


def test_an_object_that_is_no_data_leaves_its_text() -> None:
    space = compile_space(hp.choice("c", [np.sin, object, lambda x: x]))
    back = Space.from_data(json.loads(json.dumps(space.to_data())))
    assert space.evaluate({"c": 1}) is object
    assert "object" in repr(back.evaluate({"c": 1}))
    assert back.params({"c": 1}) == space.params({"c": 1})
    assert back.sample(np.random.default_rng(0)) == space.sample(np.random.default_rng(0))


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: hp.uniform("lr", 5, 0), "lr: low must be less than high"),
        (lambda: hp.uniform("lr", 0, 0), "lr: low must be less than high"),
        (lambda: hp.uniform("lr", 0, math.inf), "lr: high must be finite"),
        (lambda: hp.uniform("lr", math.nan, 1), "lr: low must be finite"),
        (lambda: hp.uniform("lr", "0", 1), "lr: low must be a number"),
        (lambda: hp.uniform("lr", True, 2), "lr: low must be a number"),
        (lambda: hp.uniform("lr", hp.normal("mu", 0, 1), 2), "lr: low depends on another hyperparameter"),
        (lambda: hp.quniform("lr", 0, 1, 0), "lr: q must be positive"),
        (lambda: hp.normal("lr", 0, -1), "lr: sigma must be positive"),
        (lambda: hp.loguniform("lr", 1e-3, 1e-4), "lr: .*logarithms"),
        (lambda: hp.loguniform("lr", 1, 1000), r"lr: exp\(1000\)"),
        (lambda: hp.randint("lr", 0), "lr: low must be less than high"),
        (lambda: hp.randint("lr", 3, 3), "lr: low must be less than high"),
        (lambda: hp.randint("lr", 1.5), "lr: a bound must be a whole number"),
        (lambda: hp.randint("lr"), "lr: randint takes"),
        (lambda: hp.randint("lr", 1, 2, 3), "lr: randint takes"),
        (lambda: hp.randint("lr", 1, upper=3), "lr: randint takes"),
        (lambda: hp.randint("lr", low=3), "lr: randint takes"),
        (lambda: hp.uniform("lr", 0, 10**400), "lr: high must be finite"),
        (lambda: hp.uniform("lr", -1e308, 1e308), "lr: uniform over a range this wide"),
        (lambda: hp.quniform("lr", 0, 1e10, 1e-300), "lr: quniform over a range this wide"),
        (lambda: hp.lognormal("lr", 700, 200), r"lr: exp\(2700\) is not a finite number"),
        (lambda: hp.loguniform("lr", -1000, 0), r"lr: exp\(-1000\) is not a positive number"),
        (lambda: hp.choice("lr", {"a", "b"}), "lr: the options must have an order"),
        (lambda: cast(Any, hp.uniform)("lr", 0), "lr: .*missing a required argument: 'high'"),
        (lambda: cast(Any, hp.uniform)("lr", 0, 1, 2), "lr: .*too many positional arguments"),
        (lambda: cast(Any, hp.normal)("lr", mean=0, sigma=1), "lr: .*mu"),
        (lambda: cast(Any, hp.choice)("lr", options=[1], p=[1]), "lr: .*unexpected keyword argument 'p'"),
        (lambda: hp.pchoice("lr", []), "lr: there are no options"),
        (lambda: hp.choice("lr", (i for i in range(3))), "lr: the options must be a list"),
        (lambda: hp.pchoice("lr", [(0.5, 1), (0.6, 2), (0, 3)]), "lr: the probabilities must add up to 1, not to 1.1"),
        (lambda: hp.pchoice("lr", [(2, 1), (1, 2)]), "lr: the probabilities must add up to 1, not to 3"),
        (lambda: hp.pchoice("lr", [(0.1, 1), (1.5, 2)]), "lr: the probabilities must add up to 1, not to 1.6"),
        (lambda: hp.pchoice("lr", [(0, 1), (0, 2)]), "lr: the probabilities must add up to 1, not to 0"),
        (lambda: hp.pchoice("lr", [(-0.5, 1), (1.5, 2)]), "lr: a probability is negative"),
        (lambda: hp.pchoice("lr", [1, 2]), "lr: pchoice takes"),
        (lambda: hp.uniform(cast(str, 3), 0, 1), "needs a string as its label"),
        (lambda: hp.uniform("", 0, 1), "a label must be printable"),
        (lambda: hp.uniform("a\0", 0, 1), "a label must be printable"),
    ],
)
def test_a_bad_argument_is_refused_where_it_is_written(make: Any, why: str) -> None:
    with pytest.raises(BadSearchSpace, match=why):
        make()


@pytest.mark.parametrize("options", [[], (), {}, "", range(0), np.array([])])
def test_a_choice_of_nothing_can_be_made_and_is_refused_where_it_would_be_searched(options: Any) -> None:
    none = hp.choice("none", options)  # as a program does for each component, and uses those with a choice
    for space in (none, {"x": hp.uniform("x", 0, 1), "n": none}, hp.choice("c", [1, {"n": none}])):
        with pytest.raises(BadSearchSpace, match="none: there are no options"):
            compile_space(space)
    assert space_eval(hp.choice("c", [1, none]), {"c": 0}) == 1, "which is not the option without options"
    sampled = hp.pchoice("c", [(1.0, 1), (0.0, none)])
    assert {sample(sampled, np.random.default_rng(seed)) for seed in range(3)} == {1}


def test_bounds_of_zero_and_arithmetic_on_constants_are_fine() -> None:
    parameter = compile_space(hp.uniform("x", -1, 0)).parameters[0]
    assert (parameter.low, parameter.high) == (-1.0, 0.0)
    parameter = compile_space(hp.uniform("x", scope.log(1.0), Literal(2) * 3)).parameters[0]
    assert (parameter.low, parameter.high) == (0.0, 6.0)


def test_randint_takes_its_bounds_by_name() -> None:
    for made in (hp.randint("r", 3, 9), hp.randint("r", low=3, high=9), hp.randint("r", 9, low=3)):
        parameter = compile_space(made).parameters[0]
        assert (parameter.low, parameter.high) == (3, 9)
    assert compile_space(hp.randint("r", upper=4)).parameters[0].high == 4


def test_two_hyperparameters_of_one_label_are_refused_and_one_used_twice_is_one() -> None:
    with pytest.raises(DuplicateLabel, match="'x'"):
        compile_space(hp.choice("c", [hp.uniform("x", 0, 1), hp.uniform("x", 0, 1)]))
    x = hp.uniform("x", 0, 1)
    space = compile_space([x, x + 1])
    assert space.labels == ("x",)
    assert space.evaluate({"x": 0.5}) == (0.5, 1.5)


def test_a_label_that_every_option_holds_is_always_active() -> None:
    x = hp.uniform("x", 0, 1)
    space = compile_space(hp.choice("c", [x, {"x": x, "y": hp.uniform("y", 0, 1)}]))
    assert space["x"].conditions == ()
    assert space["y"].conditions == ((("c", 1),),)


def test_a_space_too_deep_or_with_itself_inside_is_refused() -> None:
    deep: Any = hp.uniform("x", 0, 1)
    for _ in range(3000):
        deep = [deep]
    with pytest.raises(BadSearchSpace, match="deeper"):
        compile_space(deep)
    itself: list[Any] = []
    itself.append(itself)
    with pytest.raises(BadSearchSpace, match="itself"):
        compile_space(itself)


def test_long_sums_are_no_problem() -> None:
    total: Any = hp.uniform("x", 0, 1)
    for _ in range(5000):
        total = total + 1
    space = compile_space(total)
    assert space.evaluate({"x": 0.25}) == 5000.25
    assert Space.from_data(space.to_data()).labels == ("x",)


def test_nodes_take_arithmetic_indexing_and_calls() -> None:
    x, n = hp.uniform("x", 0, 9), hp.randint("n", 3)
    expressions = {
        "sum": 1 + x - 2,
        "product": 2 * x / 4,
        "floor": x // 2,
        "power": x**2,
        "reverse": 2**n,
        "negative": -x,
        "less": x < 3,
        "indexed": scope.list([10, 20, 30])[n],
        "root": scope.sqrt(x),
        "int": scope.int(x),
        "max": scope.max([x, 3.5]),
    }
    assert space_eval(expressions, {"x": 4.0, "n": 2}) == {
        "sum": 3.0,
        "product": 2.0,
        "floor": 2.0,
        "power": 16.0,
        "reverse": 4,
        "negative": -4.0,
        "less": False,
        "indexed": 30,
        "root": 2.0,
        "int": 4,
        "max": 4.0,
    }


def test_a_node_is_no_truth_and_no_endless_list() -> None:
    x = hp.uniform("x", 0, 1)
    with pytest.raises(TypeError, match="true"):
        bool(x)
    with pytest.raises(TypeError, match="length"):
        list(x)
    assert x != hp.uniform("x", 0, 1)


def test_a_symbol_of_ones_own_is_looked_up_when_it_is_needed() -> None:
    @scope.define
    def doubled_for_a_test(x: float) -> float:
        return 2 * x

    expression = scope.doubled_for_a_test(hp.uniform("x", 0, 1))
    assert space_eval(expression, {"x": 0.5}) == 1.0
    scope.undefine("doubled_for_a_test")
    with pytest.raises(BadSearchSpace, match="doubled_for_a_test"):
        space_eval(expression, {"x": 0.5})
    with pytest.raises(AttributeError, match="nothing_such"):
        scope.nothing_such(1)


@pytest.mark.parametrize(
    ("point", "why"),
    [
        ({"x": 0.5}, "c: has no value"),
        ({"x": 0.5, "c": 0, "y": 1.0}, "y: has a value, but is not active"),
        ({"x": 0.5, "c": 1}, "y: has no value"),
        ({"x": 1.5, "c": 0}, "x=1.5 is out of range"),
        ({"x": 0.5, "c": 2}, "c=2 is out of range"),
        ({"x": 0.5, "c": 0.5}, "c=0.5 is not a value"),
        ({"x": "0.5", "c": 0}, "x='0.5' is not a value"),
        ({"x": math.nan, "c": 0}, "x=nan is not a value"),
        ({"x": 0.5, "c": 0, "z": 1}, "z: the space has no such label"),
    ],
)
def test_a_point_that_is_not_in_the_space_is_refused(point: dict[str, Any], why: str) -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1), "c": hp.choice("c", ["a", hp.normal("y", 0, 1)])})
    with pytest.raises(BadSearchSpace, match=why):
        space.check(point)
    space.check({"x": 0.5, "c": 1, "y": -7.0})


def test_readable_values_are_the_ones_that_were_meant() -> None:
    svm = {"model": "svm", "C": hp.lognormal("C", 0, 1)}
    space = compile_space(
        {
            "m": hp.choice(
                "m", [svm, ("forest", {"n": hp.uniformint("n", 1, 9)}), [64, 64], None, hp.normal("z", 0, 1)]
            ),
            "r": hp.randint("r", 5),
        }
    )
    assert space["m"].options == ("svm", "forest", [64, 64], None, 4)
    assert space.params({"m": 1, "n": 3.0, "r": 2}) == {"m": "forest", "n": 3, "r": 2}
    assert isinstance(space.params({"m": 1, "n": 3.0, "r": 2})["n"], int)
    assert space.describe("C") == "lognormal(0, 1) if m = svm"


def test_each_difference_of_two_spaces_is_named() -> None:
    old = compile_space({"x": hp.uniform("x", 0, 1), "gone": hp.normal("gone", 0, 1), "c": hp.choice("c", [1, 2])})
    new = compile_space({"x": hp.uniform("x", 0, 2), "c": hp.choice("c", [1, 3]), "new": hp.randint("new", 3)})
    assert old.differences(new) == [
        "c: choice(1, 2) is now choice(1, 3)",
        "gone: normal(0, 1) is gone",
        "new: randint(0, 3) is new",
        "x: uniform(0, 1) is now uniform(0, 2)",
    ]


def test_probabilities_a_little_off_are_drawn_from_all_the_same() -> None:
    space = compile_space(hp.pchoice("c", [(0.6, "a"), (0.4000001, "b"), (0, "c")]))
    assert space.sample(np.random.default_rng(0))["c"] in (0, 1)


def test_choices_within_choices_that_share_what_is_below_compile_at_once() -> None:
    node: Any = hp.uniform("x", 0, 1)
    for level in range(200):
        node = hp.choice(f"c{level}", [node, {"again": node}, 0])
    space = compile_space(node)
    assert space["x"].conditions == ((("c0", 0),), (("c0", 1),))
    last_but_one = dict.fromkeys(space.labels, 0) | {"c199": 2}
    assert not space.is_active("x", last_but_one)
    assert space.is_active("x", last_but_one | {"c199": 1})


def test_two_thousand_choices_within_each_other_are_no_problem() -> None:
    node: Any = 0
    for level in range(2000):
        node = hp.choice(f"c{level}", [node, 0])
    space = compile_space(node)
    point = space.sample(np.random.default_rng(1))
    space.check(point)
    assert space.evaluate(point) == 0
    assert Space.from_data(space.to_data()).labels == space.labels


def test_a_switch_may_be_on_a_randint_but_not_hold_hyperparameters_over_a_computed_index() -> None:
    space = compile_space(scope.switch(hp.randint("r", 2), hp.uniform("a", 0, 1), hp.uniform("b", 0, 1)))
    assert space["a"].conditions == ((("r", 0),),)
    assert compile_space(scope.switch(scope.int(hp.uniform("u", 0, 2)), "a", "b")).evaluate({"u": 1.5}) == "b"
    with pytest.raises(BadSearchSpace, match=r"^a: is an option of a switch over a computed index"):
        compile_space(scope.switch(scope.int(hp.uniform("u", 0, 2)), hp.uniform("a", 0, 1)))


def test_a_label_that_has_no_value_is_named() -> None:
    with pytest.raises(BadSearchSpace, match=r"^x: is active at this point but has no value"):
        space_eval({"x": hp.uniform("x", 0, 1)}, {})


def test_a_numpy_number_beside_a_node_makes_a_node() -> None:
    assert space_eval(np.float64(2) * hp.uniform("x", 0, 1), {"x": 0.5}) == 1.0


def test_an_end_of_a_log_range_is_in_it_however_it_was_rounded() -> None:
    space = compile_space(hp.loguniform("lr", np.log(1e-3), np.log(0.1)))
    space.check({"lr": 1e-3})
    space.check({"lr": 0.1})


def test_what_differs_in_the_last_digit_or_the_last_option_is_a_difference() -> None:
    def lines(a: Any, b: Any) -> list[str]:
        return compile_space(a).differences(compile_space(b))

    assert lines(hp.uniform("x", 0, 1), hp.uniform("x", 0, 1 + 1e-12)) == [
        "x: uniform(0, 1) is now uniform(0, 1.000000000001)"
    ]
    assert lines(hp.choice("c", range(20)), hp.choice("c", [*range(19), "z"])) == ["c: option 19 19 is now 'z'"]
    assert lines(hp.pchoice("c", [(0.5, 1), (0.5, 2)]), hp.pchoice("c", [(0.25, 1), (0.75, 2)])) == [
        "c: pchoice(0.5: 1, 0.5: 2) is now pchoice(0.25: 1, 0.75: 2)"
    ]


@pytest.mark.parametrize(
    "p", [[1 / 3] * 3, [0.33] * 3, [0.17] * 6, [0.333] * 3, [0.143] * 7, [0.9999, 0.0], [0.67, 0.34], [1.0]]
)
def test_probabilities_that_were_rounded_are_taken_as_they_are(p: list[float]) -> None:
    space = compile_space(hp.pchoice("c", list(zip(p, "abcdefg", strict=False))))
    parameter = space["c"]
    assert parameter.p == tuple(p)
    assert parameter.probabilities is not None
    assert math.fsum(parameter.probabilities) == pytest.approx(1.0)
    assert parameter.probabilities[:-1] == tuple(p[:-1])
    assert Space.from_data(space.to_data())["c"] == parameter


@pytest.mark.parametrize(
    ("p", "last"),
    [
        ([0.3, 0.3], "0.7 instead of 0.3"),
        ([0.5, 0.5, 0.5], "0 instead of 0.5"),
        ([1, 1], "0 instead of 1"),
        ([0.9, 0.8], "0.1 instead of 0.8"),
        ([0.5, 0.2], "0.5 instead of 0.2"),
        ([0.5, 0.6], "0.5 instead of 0.6"),
    ],
)
def test_probabilities_that_do_not_add_up_warn_of_what_the_last_option_gets(p: list[float], last: str) -> None:
    with pytest.warns(UserWarning, match=f"c: the probabilities add up to .* with probability {last}"):
        space = compile_space(hp.pchoice("c", list(zip(p, "abc", strict=False))))
    rng = np.random.default_rng(0)
    drawn = np.bincount([space.sample(rng)["c"] for _ in range(3000)], minlength=len(p)) / 3000
    assert drawn == pytest.approx(space["c"].probabilities, abs=0.03)


@pytest.mark.parametrize(
    ("options", "what"), [("adam", "letters of a text"), ({"adam": 1, "sgd": 2}, "keys of a dict")]
)
def test_options_that_were_hardly_meant_are_taken_with_a_warning(options: Any, what: str) -> None:
    with pytest.warns(UserWarning, match=f"opt: the options are the {what}: give them as a list") as given:
        space = compile_space(hp.choice("opt", options))
    assert space["opt"].options == tuple(options)
    assert given[0].filename == __file__
