"""Trials of a warm start count for gp and auto as long as they predict what the search itself finds."""

from collections.abc import Callable

import numpy as np
import pytest

from hstore.engine.algorithms import auto, gp
from hstore.engine.algorithms.earlier import judged
from hstore.engine.algorithms.history import VOID, History
from hstore.engine.space import Point, compile_space, hp

SPACE = compile_space({"x": hp.uniform("x", -5, 5), "y": hp.uniform("y", -5, 5)})
Loss = Callable[[Point], float]


def bowl(point: Point) -> float:
    return float((point["x"] - 1) ** 2 + (point["y"] + 2) ** 2)


def history(loss: Loss, *, n_own: int = 4, n_earlier: int = 20) -> History:
    past, rng = History(SPACE), np.random.default_rng(1)
    for tid in range(n_earlier + n_own):
        point = SPACE.sample(rng)
        past.observe(past.add(point), kind="ok", loss=(loss if tid < n_earlier else bowl)(point))
        if tid < n_earlier:
            past.come_from(tid, 1)
    return past


def test_those_of_the_same_objective_are_kept() -> None:
    past = history(bowl)
    assert judged(SPACE, past) is past


OTHERS: dict[str, Loss] = {
    "another level": lambda point: bowl(point) - 100.0,
    "another scale": lambda point: 1e-3 * bowl(point),
    "turned round": lambda point: -bowl(point),
    "another optimum": lambda point: bowl({"x": -point["x"], "y": -point["y"]}),
    "huge": lambda point: 1e307 * bowl(point),
}


@pytest.mark.parametrize("which", OTHERS)
def test_those_of_another_objective_count_for_nothing(which: str) -> None:
    past = history(OTHERS[which])
    left = judged(SPACE, past)
    assert (left.kinds[:20] == VOID).all()
    assert (left.kinds[20:] == past.kinds[20:]).all()
    alone = gp.choose(SPACE, past.without(np.arange(24) < 20), seed=3)
    assert gp.choose(SPACE, past, seed=3) == auto.choose(SPACE, past, seed=3) == alone
    assert gp.choose(SPACE, past, seed=3, earlier="believed") != alone


def test_without_a_loss_of_its_own_a_search_believes_them() -> None:
    past = history(OTHERS["turned round"], n_own=0)
    assert judged(SPACE, past) is past


def test_each_experiment_is_judged_by_itself() -> None:
    past, rng = history(bowl), np.random.default_rng(2)
    for _ in range(20):
        point = SPACE.sample(rng)
        tid = past.add(point)
        past.come_from(tid, 2)
        past.observe(tid, kind="ok", loss=-bowl(point))
    left = judged(SPACE, past)
    assert (left.kinds[:24] != VOID).all()
    assert (left.kinds[24:] == VOID).all()
