"""No algorithm of ours evaluates a finished point again: a deterministic objective would return the same."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from hstore.engine.algorithms import ALGORITHMS, Algorithm, choose_recorded, why_unknown
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import new_point
from hstore.engine.algorithms.repeated import point_of
from hstore.engine.space import Point, Space, compile_space, hp

HYPEROPTS = {"rand", "tpe", "anneal", "mix"}
"""Equal to hyperopt's at the same seed, which repeats points of grids; they take what is drawn."""
OURS = sorted(set(ALGORITHMS) - HYPEROPTS - {"grid"})
SPACES: dict[str, tuple[Any, Callable[[Point], float]]] = {
    "a corner of a cube": (
        {label: hp.uniform(label, 0, 1) for label in "xyz"}, lambda p: p["x"] + p["y"] - p["z"],
    ),
    "one bound": ({"x": hp.uniform("x", -5, 5)}, lambda p: p["x"]),
    "a bound on a logarithmic scale": ({"x": hp.loguniform("x", -9, 0)}, lambda p: -math.log(p["x"])),
    "a grid beside a continuum": (
        {"n": hp.quniform("n", 0, 10, 5), "x": hp.uniform("x", 0, 1)}, lambda p: p["n"] + p["x"],
    ),
    "a grid without ends": ({"n": hp.qnormal("n", 0, 1.6, 1)}, lambda p: abs(p["n"])),
    "a corner below a choice": (
        {"a": hp.choice("a", [{"x": hp.uniform("x", 0, 1)}, {"y": hp.uniform("y", 0, 1), "z": hp.uniform("z", 0, 1)}])},
        lambda p: p.get("x", 0.5) + p.get("y", 0.0) + p.get("z", 0.0),
    ),
}  # fmt: skip


def searched(algorithm: Algorithm, space: Space, loss: Callable[[Point], float], n: int) -> Counter[tuple[Any, ...]]:
    history = History(space)
    for seed in range(n):
        point = algorithm.choose(space, history, seed=seed)
        history.observe(history.add(point), kind="ok", loss=loss(point))
    columns = [tuple(float(history.column(label)[k]) for label in space.labels) for k in range(n)]
    return Counter(tuple("" if math.isnan(x) else x for x in column) for column in columns)


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("where", SPACES)
def test_a_finished_point_is_not_tried_again(name: str, where: str) -> None:
    expression, loss = SPACES[where]
    space = compile_space(expression)
    algorithm = ALGORITHMS[name]
    assert isinstance(algorithm, Algorithm)
    settings = {"categorical": "random"} if name == "cmaes" else {}
    if settings:
        choose = algorithm.choose
        algorithm = Algorithm(
            name=name, version=1, is_portable=False,
            choose=lambda space, history, *, seed: choose(space, history, seed=seed, **settings),
        )  # fmt: skip
    n = 15 if where == "a grid without ends" else 24 if name in ("gp", "auto") else 40
    ((point, times),) = searched(algorithm, space, loss, n).most_common(1)
    assert times == 1, f"{point} was evaluated {times} times"


def test_where_all_that_is_drawn_was_tried_the_search_goes_on() -> None:
    space = compile_space({"n": hp.qnormal("n", 0, 1e-9, 1)})  # in effect always 0, though the space has no ends
    history = History(space)
    history.observe(history.add({"n": 0.0}), kind="ok", loss=1.0)
    assert new_point(space, history, [{"n": 0.0}], seed=1) == {"n": 0.0}


@pytest.mark.parametrize(
    ("expression", "in_reach"),
    [
        (hp.qnormal("n", 10, 2, 1), set(range(1, 20))),
        (hp.qlognormal("n", 0, 0.5, 1), set(range(10))),  # exp(4.5 * 0.5) is 9.49
    ],
)
def test_all_values_in_reach_are_tried_before_one_is_repeated_the_likeliest_first(
    expression: Any, in_reach: set[int]
) -> None:
    space = compile_space(expression)
    history = History(space)
    found = [float(max(in_reach))]
    while found[-1] not in found[:-1]:
        history.add({"n": found[-1]})
        found.append(float(new_point(space, history, [{"n": found[0]}], seed=len(found))["n"]))
    assert set(found) == in_reach
    assert len(found) == len(in_reach) + 1


@pytest.mark.long
def test_points_of_several_grids_are_all_tried_as_well() -> None:
    grids = [hp.choice("c", [hp.qnormal("n", 0, 0.1, 1), hp.qnormal("m", 0, 0.4, 1)])]
    space = compile_space([*grids, hp.qnormal("k", 0, 9, 0.01)])  # 8,101 values of k, for each of six of the others
    history = History(space)
    for k in range(300):
        point = new_point(space, history, [], seed=0)
        assert k == 0 or point != point_of(space, history, k - 1)
        history.add(point)
    assert len({tuple(sorted(point_of(space, history, k).items())) for k in range(300)}) == 300


def test_repeats_are_there_for_those_who_want_them() -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1)})
    history = History(space)
    history.observe(history.add({"x": 0.5}), kind="ok", loss=1.0)
    proposals = [{"x": 0.5}, {"x": 0.75}]
    assert new_point(space, history, proposals, seed=1) == {"x": 0.75}
    assert new_point(space, history, proposals, seed=1, repeats=True) == {"x": 0.5}
    assert new_point(space, history, proposals, seed=1, repeats="endless") == {"x": 0.5}
    assert new_point(space, history, proposals, seed=1, repeats="drawn") == {"x": 0.75}


def test_a_decision_of_an_earlier_version_is_made_again_as_it_was() -> None:
    expression, loss = SPACES["a corner of a cube"]
    space, auto = compile_space(expression), ALGORITHMS["auto"]
    assert (auto.version, set(auto.older)) == (5, {2, 3, 4})
    history, differing = History(space), 0
    for seed in range(60):
        before = auto.choose(space, history, seed=seed, repeats="endless")
        recorded = {"name": "auto", "version": 2, "settings": {}}
        again = choose_recorded(auto, space, history, seed=seed, settings={}, recorded=recorded)
        assert again.points == [before]
        now = choose_recorded(auto, space, history, seed=seed, settings={}, recorded={**recorded, "version": 3})
        differing += now.points != again.points
        history.observe(history.add(before), kind="ok", loss=loss(before))
    assert differing > 0
    assert why_unknown({"name": "auto", "version": 2, "settings": {}}) is None
    assert why_unknown({"name": "auto", "version": 1, "settings": {}}) == "auto 1, this hstore has auto 5"


def test_a_mix_makes_decisions_again_with_earlier_versions_of_its_parts() -> None:
    space, mix = compile_space(hp.qnormal("n", 0, 0.5, 1)), ALGORITHMS["mix"]
    history = History(space)
    for n in (-1.0, 0.0, 1.0):
        history.add({"n": n})

    def chosen(version: int) -> set[float]:
        parts = [[1.0, {"name": "qmc", "version": version, "settings": {}}]]
        return {abs(mix.choose(space, history, seed=seed, p_suggest=parts)["n"]) for seed in range(5)}

    assert chosen(2) <= {0.0, 1.0}
    assert chosen(3) == {2.0}
    described = {"p_suggest": [[1.0, {"name": "qmc", "version": 2, "settings": {}}]]}
    assert why_unknown({"name": "mix", "version": 1, "settings": described}) is None
