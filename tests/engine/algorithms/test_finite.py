"""Finite spaces are counted and numbered without listing them, and no point of them is tried twice."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hstore.engine.algorithms import ALGORITHMS, Exhausted
from hstore.engine.algorithms.finite import Finite, endless
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Tried, new_point
from hstore.engine.space import Space, compile_space, hp

SHARED = hp.quniform("shared", 0, 1, 0.5)
SPACES: dict[str, tuple[Any, int]] = {
    "nothing": ({}, 1),
    "one label": (hp.choice("a", [0, 1, 2]), 3),
    "numbers": (
        {"i": hp.uniformint("i", 1, 4), "q": hp.quniform("q", -1, 1, 0.5), "r": hp.randint("r", 3, 5)},
        4 * 5 * 2,
    ),
    "a q larger than the range": (hp.quniform("q", 0, 1, 5), 1),
    "logarithms": (hp.qloguniform("n", np.log(0.5001), np.log(4.4999), 1), 4),
    "what is never drawn": (hp.pchoice("p", [(0.5, "a"), (0.0, "b"), (0.5, "c")]), 2),
    "conditions": (
        {
            "m": hp.choice(
                "m", [0, {"d": hp.uniformint("d", 1, 3)}, {"k": hp.choice("k", [0, {"e": hp.randint("e", 4)}])}]
            ),
            "z": hp.choice("z", [0, 1]),
        },
        (1 + 3 + (1 + 4)) * 2,
    ),
    "a label under two choices": (
        {"a": hp.choice("a", [SHARED, 1]), "b": hp.choice("b", [SHARED, 1, 2])},
        3 + 2 * 3 + 1 * 3 + 2,
    ),
    "ten choices with something below": (
        {f"c{i}": hp.choice(f"c{i}", [{"x": hp.randint(f"x{i}", 3)}, 1]) for i in range(10)},
        4**10,
    ),
    "more labels than calls may be nested": ({f"x{i}": hp.randint(f"x{i}", 2) for i in range(1_200)}, 2**1_200),
    "one of very many": (hp.randint("seed", 2**31), 2**31),
}


@pytest.mark.parametrize(("expression", "size"), SPACES.values(), ids=SPACES)
def test_points_are_counted_and_numbered(expression: Any, size: int) -> None:
    space = compile_space(expression)
    assert endless(space) is None
    points = Finite(space)
    assert points.size == (size if "shared" not in space else len(brute_force(space)))
    numbers = range(size) if size < 1_000 else [(7**900 * k) % size for k in range(20)]
    listed = [points[number] for number in numbers if number < points.size]
    for point in listed:
        space.check(point)
        assert list(point) == [label for label in space.labels if label in point]
    assert len({frozenset(point.items()) for point in listed}) == len(listed)
    if size < 1_000:
        assert {frozenset(point.items()) for point in listed} == brute_force(space)


def brute_force(space: Space) -> set[frozenset[tuple[str, float]]]:
    rng = np.random.default_rng(0)
    return {frozenset(space.sample(rng).items()) for _ in range(3_000)}


@pytest.mark.parametrize(
    "expression",
    [hp.uniform("x", 0, 1), hp.qnormal("x", 0, 1, 1), hp.qlognormal("x", 0, 1, 1), hp.loguniform("x", 0, 1)],
)
def test_a_label_without_a_last_value_is_named(expression: Any) -> None:
    parameter = endless(compile_space({"x": expression, "c": hp.choice("c", [1, 2])}))
    assert parameter is not None
    assert parameter.label == "x"


@pytest.mark.parametrize("name", ["mtpe", "qmc", "grid"])
def test_every_point_of_a_finite_space_is_tried_once_and_then_the_search_is_over(name: str) -> None:
    space = compile_space(SPACES["conditions"][0])
    history, seen = History(space), set()
    for seed in range(18):
        point = ALGORITHMS[name].choose(space, history, seed=seed)
        space.check(point)
        seen.add(frozenset(point.items()))
        tid = history.add(point)
        kind = ("ok", "ok", "fail", "error", "pending")[tid % 5]
        history.observe(tid, kind=kind, loss=float(tid) if kind == "ok" else None)
    assert len(seen) == 18
    with pytest.raises(Exhausted, match="all 18 points of the space were tried"):
        ALGORITHMS[name].choose(space, history, seed=99)
    history.observe(7, kind="void")  # it does not count, so its point is to be tried again
    voided = {label: history.column(label)[7] for label in space.labels if not np.isnan(history.column(label)[7])}
    assert ALGORITHMS[name].choose(space, history, seed=99) == voided


@pytest.mark.parametrize("name", ["mtpe", "qmc"])
def test_points_are_tried_again_if_asked_for(name: str) -> None:
    space = compile_space(hp.choice("a", [0, 1]))
    history = History(space)
    for seed in range(20):
        history.observe(
            history.add(ALGORITHMS[name].choose(space, history, seed=seed, repeats=True)), kind="ok", loss=1.0
        )
    assert set(history.column("a")) == {0.0, 1.0}


def test_a_proposal_that_was_tried_gives_way_to_the_next_and_at_last_to_any() -> None:
    space = compile_space(hp.randint("n", 100))
    history = History(space)
    history.add({"n": 3})
    assert new_point(space, history, [{"n": 3}, {"n": 5}, {"n": 7}], seed=0) == {"n": 5}
    assert new_point(space, history, [{"n": 3}] * 70, seed=0) not in Tried(space, history)
    assert new_point(space, history, [{"n": 3}], seed=0, repeats=True) == {"n": 3}
    endless_space = compile_space(hp.uniform("n", 0, 1))
    assert new_point(endless_space, History(endless_space), [{"n": 0.5}], seed=0) == {"n": 0.5}


def test_in_hyperopts_shape_a_used_up_space_gives_an_empty_list() -> None:
    space = compile_space(hp.choice("a", [0, 1]))
    history = History(space)
    history.add({"a": 0})
    trials = SimpleNamespace(history=lambda _: history)
    (document,) = ALGORITHMS["grid"]([1], SimpleNamespace(space=space), trials, 0)
    assert document["misc"]["vals"] == {"a": [1]}
    history.add({"a": 1})
    assert ALGORITHMS["grid"]([2], SimpleNamespace(space=space), trials, 0) == []
