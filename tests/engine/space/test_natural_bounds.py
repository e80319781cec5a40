"""hp.log, hp.int and hp.float take the least and the greatest value; hp.loguniform warns of what looks like values."""

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from hstore import fmin, hp, space_eval
from hstore.engine.algorithms import ALGORITHMS, Exhausted
from hstore.engine.algorithms.history import History
from hstore.engine.space import Space, compile_space
from hstore.engine.space.reading import PointReader
from hstore.store.errors import BadSearchSpace, WrongArgument


def drawn(expression: Any, n: int = 4000) -> list[Any]:
    space, rng = compile_space(expression), np.random.default_rng(0)
    return [space_eval(space, space.sample(rng)) for _ in range(n)]


def test_log_is_uniform_on_a_logarithmic_scale_between_the_values_given() -> None:
    values = np.array(drawn(hp.log("lr", 1e-5, 1e-1)))
    assert values.min() >= 1e-5 * (1 - 1e-9)
    assert values.max() <= 1e-1 * (1 + 1e-9)
    assert np.mean(values < 1e-3) == pytest.approx(0.5, abs=0.03)
    same = compile_space(hp.loguniform("lr", math.log(1e-5), math.log(1e-1)))["lr"]
    assert compile_space(hp.log("lr", 1e-5, 1e-1))["lr"] == same


@pytest.mark.parametrize(("low", "high"), [(1, 8), (0, 1), (-3, 3), (10, 11), (np.int64(2), 5.0)])
def test_int_draws_each_whole_number_between_and_the_ends_as_often(low: Any, high: Any) -> None:
    counts = Counter(drawn(hp.int("n", low, high)))
    assert sorted(counts) == list(range(int(low), int(high) + 1))
    assert all(type(value) is int for value in counts)
    share = 4000 / len(counts)
    assert all(abs(count - share) < 5 * math.sqrt(share) for count in counts.values())


@pytest.mark.parametrize(
    ("low", "high", "step", "values"),
    [(0, 1, 0.25, 5), (0, 1, 0.1, 11), (-1, 1, 0.5, 5), (0.1, 0.3, 0.1, 3), (10, 100, 10, 10), (1e-3, 5e-3, 1e-3, 5)],
)  # fmt: skip
def test_float_with_a_step_draws_its_multiples_and_the_ends_as_often(
    low: float, high: float, step: float, values: int
) -> None:
    counts = Counter(round(value / step) for value in drawn(hp.float("x", low, high, step=step)))
    assert sorted(counts) == list(range(round(low / step), round(high / step) + 1))
    assert len(counts) == values
    share = 4000 / values
    assert all(abs(count - share) < 5 * math.sqrt(share) for count in counts.values())


def test_float_without_a_step_is_uniform() -> None:
    assert compile_space(hp.float("x", -1, 2))["x"] == compile_space(hp.uniform("x", -1, 2))["x"]


MAKERS: list[tuple[Callable[[], Any], str]] = [
    (lambda: hp.log("x", 0, 1), "x: low must be positive on a logarithmic scale, not 0"),
    (lambda: hp.log("x", -1, 1), "x: low must be positive"),
    (lambda: hp.log("x", 1, 1), "x: low must be less than high"),
    (lambda: hp.log("x", 1e-3, math.inf), "x: high must be finite"),
    (lambda: hp.int("x", 1, 8.5), "x: high must be a whole number, not 8.5"),
    (lambda: hp.int("x", 8, 1), "x: low must be less than high"),
    (lambda: hp.float("x", 1, 10, step=2), "x: low must be a multiple of step 2, not 1"),
    (lambda: hp.float("x", 0, 1, step=0.3), "x: high must be a multiple of step 0.3, not 1"),
    (lambda: hp.float("x", 0, 1, step=0), "x: step must be positive, not 0"),
    (lambda: hp.float("x", hp.uniform("y", 0, 1), 2), "x: low depends on another hyperparameter"),
]


@pytest.mark.parametrize(("make", "why"), MAKERS)
def test_bounds_that_cannot_be_are_refused_where_they_are_written(make: Callable[[], Any], why: str) -> None:
    with pytest.raises(BadSearchSpace, match=f"^{why}"):
        make()


def test_wrong_arguments_name_the_label_and_the_function() -> None:
    with pytest.raises(WrongArgument, match=r"^n: hp.int\(label, low, high\)"):
        hp.int("n", 1)  # type: ignore[call-arg]
    with pytest.raises(WrongArgument, match="n: low must be a number, not '1'"):
        hp.int("n", "1", 8)


SPACE = {"lr": hp.log("lr", 1e-4, 1.0), "n": hp.int("n", 1, 5), "x": hp.float("x", 0, 1, step=0.25)}


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "grid"])
def test_every_algorithm_stays_within_the_bounds(name: str) -> None:
    space = compile_space(SPACE)
    history = History(space)
    for seed in range(24):
        point = ALGORITHMS[name].choose(space, history, seed=seed)
        space.check(point)
        config = space_eval(space, point)
        assert 1 <= config["n"] <= 5
        assert config["x"] in (0, 0.25, 0.5, 0.75, 1)
        history.observe(history.add(point), kind="ok", loss=config["lr"] - config["n"] + config["x"])


def test_a_grid_of_them_has_each_value_once() -> None:
    space = compile_space({"n": hp.int("n", -1, 2), "x": hp.float("x", 0, 1, step=0.5)})
    history, points = History(space), []
    for _ in range(12):
        points.append(ALGORITHMS["grid"].choose(space, history, seed=0))
        history.add(points[-1])
    assert {(p["n"], p["x"]) for p in points} == {(n, x) for n in (-1, 0, 1, 2) for x in (0, 0.5, 1)}
    with pytest.raises(Exhausted):
        ALGORITHMS["grid"].choose(space, history, seed=0)


def test_they_are_shown_as_they_were_written_survive_a_log_and_read_points() -> None:
    space = compile_space(SPACE)
    back = Space.from_data(space.to_data())
    for each in (space, back):
        assert each["n"].describe() == "int(1, 5)"
        assert each["x"].describe() == "float(0, 1, step=0.25)"
        assert PointReader(each).read({"lr": 0.1, "n": 5, "x": 1}) == {"lr": 0.1, "n": 5.0, "x": 1.0}
    assert compile_space(hp.quniform("x", 0.5, 8.5, 1))["x"].describe() == "quniform(0.5, 8.5, 1)"
    assert compile_space(hp.log("x", 1e-4, 32))["x"].describe() == "log(0.0001, 32)"
    assert compile_space(hp.loguniform("x", -3, 0))["x"].describe() == "loguniform(-3, 0)"
    one, other = compile_space(hp.log("x", 1e-2, 1)), compile_space(hp.loguniform("x", np.log(1e-2), 0))
    assert one["x"].describe() == other["x"].describe() == "log(0.01, 1)"
    assert one.differences(other) in (
        [],
        ["x: loguniform(-4.605170185988092, 0) is now loguniform(-4.605170185988091, 0)"],
    )
    best = fmin(lambda c: -c["n"] + c["x"], SPACE, algo="mtpe", max_evals=40, rstate=0, verbose=False)
    assert (best["n"], best["x"]) == (5, 0)


@pytest.mark.parametrize(
    ("make", "meant"),
    [
        (lambda: hp.loguniform("lr", 1e-5, 1e-1), r'from 1.00001 to 1.10517; for values .* hp.log\("lr", 1e-05, 0.1\)'),
        (lambda: hp.loguniform("lr", 0.1, 1), r'write hp.log\("lr", 0.1, 1\)'),
        (lambda: hp.loguniform("C", 0.01, 100), r'write hp.log\("C", 0.01, 100\)'),
        (lambda: hp.loguniform("n", 1, 500), r'write hp.log\("n", 1, 500\)'),
        (lambda: hp.qloguniform("n", 1, 128, 1), r'the bounds of qloguniform are logarithms'),
    ],
)  # fmt: skip
def test_bounds_of_a_log_kind_that_look_like_values_warn(make: Callable[[], Any], meant: str) -> None:
    with pytest.warns(UserWarning, match=meant) as caught:
        make()
    assert caught[0].filename == __file__


@pytest.mark.parametrize(("low", "high"), [(-7, 0), (0, 5), (1, 5), (-20, -2), (math.log(1e-5), math.log(0.1)), (2, 7)])
def test_bounds_that_are_logarithms_do_not_warn(low: float, high: float) -> None:
    hp.loguniform("x", low, high)
    hp.qloguniform("y", low, high, 1)
