"""Spaces of hundreds of hyperparameters, of a thousand options, and of more integers than fit into memory."""

from typing import Any

import numpy as np
import pytest
from bench.convolutional import LABELS, make_space

from hstore import Trials, fmin, hp, pyll, tpe
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.known_algorithms import ALGORITHMS
from hstore.engine.space import Space, compile_space
from hstore.store.digest import canonical

HUGE = 10**9


def test_a_convolutional_space_compiles_and_every_draw_of_it_can_be_evaluated() -> None:
    space = compile_space(make_space(hp, pyll.scope))
    assert len(space) == LABELS == 238
    rng = np.random.default_rng(0)
    for _ in range(20):
        point = space.sample(rng)
        space.check(point)
        value = space.evaluate(point)
        assert len(value["layers"]) == point["layers"] + 1
        assert all(isinstance(layer["n_filters"], int) for layer in value["layers"])
    assert pyll.stochastic.sample(make_space(hp, pyll.scope), 0).keys() == value.keys()


def test_a_convolutional_space_is_searched_and_takes_little_room_in_the_log() -> None:
    trials = Trials()
    space = make_space(hp, pyll.scope)
    fmin(
        lambda value: value["trigger"], space, algo=tpe.suggest, max_evals=24, trials=trials, show_progressbar=False,
        rstate=np.random.default_rng(0),
    )  # fmt: skip
    sizes: dict[str, list[int]] = {}
    for document in trials.experiment.documents():
        sizes.setdefault(document["type"], []).append(len(canonical(document)))
    assert max(sizes["created"]) < 150_000
    assert max(sizes["queued"]) < 10_000


@pytest.mark.parametrize("algorithm", ["rand", "tpe", "anneal"])
@pytest.mark.parametrize(
    "made",
    [
        {"r": hp.randint("r", HUGE), "wide": hp.randint("wide", -5, 2**53)},
        {"c": hp.choice("c", [{"x": hp.uniform(f"x{i}", 0, 1)} if i % 2 else i for i in range(1000)])},
    ],
    ids=["integers", "options"],
)
def test_what_is_learnt_of_large_ranges_and_long_lists_stays_inside(made: Any, algorithm: str) -> None:
    space = Space.from_data(compile_space(made).to_data())
    grown(space, algorithm, n=40)


@pytest.mark.parametrize("algorithm", ["tpe", "anneal"])
def test_a_randint_over_a_huge_range_is_searched_as_numbers_in_order(algorithm: str) -> None:
    history = grown(compile_space(hp.randint("r", HUGE)), algorithm, n=80)
    best = np.abs(history.column("r")[60:] - HUGE // 3)
    assert np.median(best) < HUGE / 8  # of draws from the prior about a third of the range


def grown(space: Space, algorithm: str, n: int) -> History:
    """Return the history of a search for the values nearest to a third of a huge range; all points are of the space."""
    history = History(space)
    for seed in range(n):
        point = ALGORITHMS[algorithm].choose(space, history, seed=seed)
        space.check(point)
        history.observe(history.add(point), kind="ok", loss=sum(abs(value - HUGE // 3) for value in point.values()))
    return history
