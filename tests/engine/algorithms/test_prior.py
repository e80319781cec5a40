"""Quantiles of the prior: what is drawn at random and what is spread out have one distribution."""

import numpy as np
import pytest

from hstore.engine.algorithms import prior
from hstore.engine.algorithms.history import History
from hstore.engine.space import compile_space, hp

SPACES = {
    "uniform": hp.uniform("x", -2, 3),
    "loguniform": hp.loguniform("x", -9, 1),
    "quniform": hp.quniform("x", 0, 10, 2.5),
    "uniformint": hp.uniformint("x", 0, 3),
    "qloguniform": hp.qloguniform("x", 0, 3, 1),
    "normal": hp.normal("x", 1, 2),
    "lognormal": hp.lognormal("x", 0, 1),
    "qnormal": hp.qnormal("x", 0, 3, 1),
    "randint": hp.randint("x", 3, 8),
    "choice": hp.choice("x", ["a", "b", "c"]),
    "pchoice": hp.pchoice("x", [(0.1, 0), (0.6, 1), (0.3, 2)]),
}


@pytest.mark.parametrize("expression", SPACES.values(), ids=SPACES)
def test_quantiles_and_draws_agree(expression: object) -> None:
    space = compile_space(expression)
    (parameter,) = space.parameters
    rng = np.random.default_rng(0)
    drawn = np.sort([parameter.draw(rng) for _ in range(4_000)])
    at = np.array([prior.value_at(parameter, (i + 0.5) / 4_000) for i in range(4_000)])
    for value in at:
        space.check({"x": value.item()})
    both = np.concatenate((drawn, at))
    gaps = np.searchsorted(drawn, both, side="right") - np.searchsorted(at, both, side="right")
    assert abs(gaps).max() / 4_000 < 0.03  # Kolmogorov and Smirnov: 0.026 happens once in a hundred times


def test_the_points_of_a_search_are_of_one_sequence_that_its_first_one_chooses() -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1), "y": hp.choice("y", [0, {"z": hp.normal("z", 0, 1)}])})

    def begun(seeds: list[int]) -> History:
        history = History(space)
        for seed in seeds:
            history.add(next(prior.spread_points(space, history, seed)))
        return history

    one, two, other = begun([1, 2, 3, 4]), begun([1, 7, 8, 9]), begun([5, 2, 3, 4])
    np.testing.assert_array_equal(one.column("x"), two.column("x"))
    assert not set(one.column("x")) & set(other.column("x"))
