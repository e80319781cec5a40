"""What a person may write for a point, and what is said of the rest."""

import math
from typing import Any

import numpy as np
import pytest

from hstore import hp
from hstore.engine.space import Space, compile_space, scope, space_eval
from hstore.engine.space.reading import Ints, PointReader
from hstore.store.errors import InvalidPoint


class Estimator:
    """Something that no JSON can say."""


SPACE = compile_space(
    {
        "lr": hp.loguniform("lr", -7, 0),
        "units": hp.choice("units", [32, 64, 128]),
        "layers": hp.choice("layers", [1, 2, 3]),
        "depth": scope.int(hp.quniform("depth", 2, 10, 2)),
        "model": hp.choice(
            "model",
            [
                "tree",
                {"name": "svm", "C": hp.lognormal("C", 0, 1), "kernel": hp.choice("kernel", ["rbf", ["poly", 3]])},
                None,
                True,
                Estimator,
            ],
        ),
    }
)
POINT: dict[str, Any] = {"lr": 0.1, "units": 0, "layers": 0, "depth": 4, "model": 0}


def read(given: Any, ints: Ints = "index", space: Space = SPACE) -> dict[str, Any]:
    return PointReader(space, ints=ints).read(given)


def why(given: Any, ints: Ints = "index", space: Space = SPACE) -> str:
    with pytest.raises(InvalidPoint) as refused:
        read(given, ints, space)
    assert "\n" not in str(refused.value) + refused.value.hint
    return f"{refused.value} ({refused.value.hint})"


@pytest.mark.parametrize(
    ("given", "raw"),
    [
        ({"units": 1}, 1),  # an index, as in hyperopt
        ({"units": 128}, 2),
        ({"units": 64.0}, 1),  # of a table with holes
        ({"units": np.int64(64)}, 1),
        ({"layers": 1}, 1),  # an index, although 1 is an option
        ({"layers": {"index": 1}}, 1),
        ({"layers": {"value": 1}}, 0),
        ({"layers": {"value": 3}}, 2),
        ({"model": "tree"}, 0),
        ({"model": None}, 2),
        ({"model": True}, 3),
        ({"model": Estimator}, 4),
        ({"model": f"{__name__}.Estimator"}, 4),  # as tables show it
    ],
)
def test_a_choice_takes_an_index_or_an_option(given: dict[str, Any], raw: int) -> None:
    (label,) = given
    point = read(POINT | given)
    assert (point[label], type(point[label])) == (raw, int)
    SPACE.check(point)


@pytest.mark.parametrize(
    ("ints", "given", "raw"),
    [("ask", 3, 2), ("ask", 0, 0), ("value", 1, 0), ("value", 3, 2), ("value", 0, 0), ("ask", {"value": 1}, 0)],
)
def test_an_int_that_could_be_both_is_what_was_asked_for(ints: Ints, given: Any, raw: int) -> None:
    assert read(POINT | {"layers": given}, ints)["layers"] == raw


def test_an_int_that_could_be_both_can_be_refused() -> None:
    found = 'layers: 1 may be the option 1, or the index of the option 2 (write {"value": 1} or {"index": 1})'
    assert why(POINT | {"layers": 1}, "ask") == found


def test_where_options_are_their_own_indices_there_is_nothing_to_ask() -> None:
    assert read({"n": 2}, "ask", compile_space(hp.choice("n", [0, 1, 2]))) == {"n": 2}


def test_numbers_become_what_the_search_itself_draws() -> None:
    point = read(POINT | {"lr": 1, "depth": np.int32(4)})
    assert (point["lr"], type(point["lr"])) == (1.0, float)
    assert (point["depth"], type(point["depth"])) == (4.0, float)
    assert SPACE.params(point)["depth"] == 4
    assert isinstance(SPACE.params(point)["depth"], int)


def test_an_option_gives_the_values_of_what_is_in_it() -> None:
    flat = read(POINT | {"model": 1, "C": 10, "kernel": "rbf"})
    assert read(POINT | {"model": {"name": "svm", "C": 10, "kernel": "rbf"}}) == flat
    nested = read(POINT | {"model": {"name": "svm", "C": 10, "kernel": ["poly", 3]}})
    assert (nested["model"], nested["C"], nested["kernel"]) == (1, 10.0, 1)


def test_a_point_as_the_objective_is_handed_it_is_read_back() -> None:
    renamed = compile_space(
        {
            "rate": hp.uniform("lr", 0, 1),
            "net": [hp.choice("n", [1, 2]), {"act": hp.choice("a", ["x", hp.randint("r", 3)])}],
        }
    )
    rng = np.random.default_rng(0)
    for point in (renamed.sample(rng) for _ in range(20)):
        assert read(space_eval(renamed, point), space=renamed) == point


def test_every_draw_of_a_space_and_its_readable_values_are_points_of_it() -> None:
    rng = np.random.default_rng(1)
    for point in (SPACE.sample(rng) for _ in range(50)):
        assert read(point) == point
        assert read(SPACE.params(point), "value") == point


def test_a_space_that_came_back_from_a_log_reads_the_same() -> None:
    stored = Space.from_data(SPACE.to_data())
    models: list[Any] = ["tree", None, True, f"{__name__}.Estimator", {"name": "svm", "C": 10, "kernel": ["poly", 3]}]
    for model in models:
        point = read(POINT | {"model": model})
        assert read(POINT | {"model": model}, space=stored) == point
        assert repr(stored.params(point)) == repr(SPACE.params(point))


def test_what_is_said_of_inactive_labels_counts_for_nothing() -> None:
    assert read(POINT | {"C": 3.0, "kernel": 1}) == read(POINT)


@pytest.mark.parametrize(
    ("given", "reported"),
    [
        ({"lr": "0.1"}, "lr='0.1' is not a number; lr takes a number from 0.000911882 to 1: loguniform(-7, 0)"),
        ({"lr": 2}, "lr=2 is out of range"),
        ({"lr": math.nan}, "lr=nan is"),
        ({"lr": True}, "lr=True is not a number"),
        ({"lr": 10**400}, "lr=1000"),
        (
            {"depth": 4.5},
            "depth=4.5 is not a whole number; depth takes a whole number from 4 to 10: quniform(2, 10, 2)",
        ),
        ({"units": "64"}, "units='64' is not an option; units takes an option of choice(32, 64, 128), or its index"),
        ({"units": 3}, "units=3 is not an option"),
        ({"units": True}, "units=True is not an option"),
        ({"units": {"index": 5}}, "units=5 is not an option"),
        ({"layers": 3}, "layers: 3 is not an index of choice(1, 2, 3), whose options look like indices"),
        ({"layers": 2.0}, "layers: 2.0 may be an index of choice(1, 2, 3)"),
        ({"model": "tre"}, "did you mean 'tree'?"),
        ({"model": {"name": "svm", "C": 1.0}}, "model={'name': 'svm', 'C': 1.0} is not an option"),
        ({"model": 1, "kernel": 0}, "C: has no value, but is active at this point"),
        ({"model": "svm"}, "kernel: has no value, but is active at this point; nor has C (kernel takes an option of"),
        ({"model": {"name": "svm", "C": 1, "kernel": "rbf"}, "C": 2}, "C: is given twice, as 2 and within model"),
        ({"lrr": 1}, "lrr: the space has no such label; it has C, depth, kernel, layers, lr, model, units (did you"),
        ({7: 1}, "7: the space has no such label"),
    ],
)
def test_what_is_no_point_is_named_with_what_would_be_one(given: dict[Any, Any], reported: str) -> None:
    assert reported.replace("from 4 to", "from 2 to") in why(POINT | given)


@pytest.mark.parametrize("given", [None, 3, "lr=3", [1, 2]])
def test_a_point_is_a_mapping(given: Any) -> None:
    assert "a point is {label: value}, not" in why(given)


def test_options_that_look_alike_are_chosen_by_index() -> None:
    space = compile_space(
        hp.choice("c", [{"k": "a", "x": hp.uniform("x", 0, 1)}, {"k": "a", "y": hp.uniform("y", 0, 1)}])
    )
    assert why({"c": "a"}, space=space) == "c: 'a' is several of its options (give the index of one: 0, 1)"
    assert read({"c": {"k": "a", "y": 0.5}}, space=space) == {"c": 1, "y": 0.5}


RANGES = {
    "apart": lambda: hp.choice("c", [hp.uniform("a", 0, 1), hp.uniform("b", 10, 20)]),
    "a constant outside a range": lambda: hp.choice("c", [0.0, hp.loguniform("a", -7, 4)]),
    "no limit or one": lambda: hp.choice("c", [-1, hp.uniformint("a", 1, 9)]),
    "whole or not": lambda: hp.choice("c", [hp.uniformint("a", 4, 9), hp.uniform("b", 0, 3), hp.randint("r", 20, 30)]),
    "within an option": lambda: hp.choice(
        "c", [{"k": "u", "x": hp.uniform("a", 0, 1)}, {"k": "u", "x": hp.uniform("b", 10, 20)}]
    ),
    "within a list": lambda: hp.choice(
        "c", [[hp.normal("a", 0, 1), hp.uniform("b", 0, 1)], [1, hp.uniform("d", 2, 3)]]
    ),
    "within another choice": lambda: hp.choice(
        "c", [hp.choice("e", [hp.uniform("a", 0, 1), hp.uniform("b", 2, 3)]), hp.quniform("d", 10, 20, 5)]
    ),
    "weighted": lambda: hp.pchoice("c", [(0.5, hp.uniform("a", 0, 1)), (0.5, hp.lognormal("b", 0, 1))]),
}


@pytest.mark.parametrize(
    ("ranges", "given", "wanted"),
    [
        ("apart", 15.0, {"c": 1, "b": 15.0}),
        ("apart", 15, {"c": 1, "b": 15.0}),
        ("apart", np.float32(0.5), {"c": 0, "a": 0.5}),
        ("apart", 10.0, {"c": 1, "b": 10.0}),
        ("a constant outside a range", 0.0, {"c": 0}),
        ("a constant outside a range", 3.5, {"c": 1, "a": 3.5}),
        ("no limit or one", -1, {"c": 0}),
        ("no limit or one", 7, {"c": 1, "a": 7.0}),
        ("whole or not", 2.5, {"c": 1, "b": 2.5}),
        ("whole or not", 6.0, {"c": 0, "a": 6.0}),
        ("whole or not", 25, {"c": 2, "r": 25}),
        ("within an option", {"k": "u", "x": 12.0}, {"c": 1, "b": 12.0}),
        ("within a list", [1, 2.5], {"c": 1, "d": 2.5}),
        ("within a list", [1, 0.5], {"c": 0, "a": 1.0, "b": 0.5}),
        ("within another choice", 2.5, {"c": 0, "e": 1, "b": 2.5}),
        ("within another choice", 15.0, {"c": 1, "d": 15.0}),
        ("weighted", 7.0, {"c": 1, "b": 7.0}),
    ],
)
def test_a_value_for_a_choice_between_ranges_finds_the_range_it_lies_in(ranges: str, given: Any, wanted: Any) -> None:
    assert read({"c": given}, space=compile_space(RANGES[ranges]())) == wanted


def test_a_value_in_several_ranges_is_asked_about_and_one_in_none_is_out_of_range() -> None:
    overlapping = compile_space(hp.choice("c", [hp.uniform("a", 0, 5), hp.uniform("b", 3, 9)]))
    assert read({"c": 2.0}, space=overlapping) == {"c": 0, "a": 2.0}
    assert why({"c": 4.0}, space=overlapping) == "c: 4.0 is several of its options (give the index of one: 0, 1)"
    alone = compile_space(hp.choice("c", ["none", hp.uniform("a", 0, 5)]))
    assert why({"c": 7.0}, space=alone).startswith("a=7.0 is out of range")


def test_a_whole_point_with_two_choices_between_ranges_is_read_back() -> None:
    space = compile_space(
        {
            "m": hp.choice("c", [hp.uniform("a", 0, 1), hp.uniform("b", 10, 20)]),
            "n": [hp.choice("e", [3.0, hp.uniform("f", 0, 1)])],
        }
    )
    rng = np.random.default_rng(2)
    for point in (space.sample(rng) for _ in range(20)):
        assert read(space_eval(space, point), space=space) == point


def test_a_draw_that_the_space_rounds_to_an_int_need_not_be_whole() -> None:
    space = compile_space(scope.int(hp.uniform("n", 0, 9)))
    point = read({"n": 3.7}, space=space)
    assert point == {"n": 3.7}
    assert space.params(point) == {"n": 3}
