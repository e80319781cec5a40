"""The acquisition function: its slopes are those of its values, and the exploration weight scales deviations."""

import math

import numpy as np
import pytest

from hstore.engine.algorithms.acquisition import Criterion
from hstore.engine.algorithms.encoding import MIDDLE, encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.surrogate import Surrogate, known, surrogate
from hstore.engine.space import compile_space, hp

SPACE = compile_space({name: hp.uniform(name, 0, 1) for name in ("x", "y")})


def rugged(n: int, *, n_failed: int = 0) -> Surrogate:
    given, rng = History(SPACE), np.random.default_rng(0)
    for tid in range(n):
        point = SPACE.sample(rng)
        row = given.add(point)
        if tid < n_failed:
            given.observe(row, kind="fail")
        else:
            given.observe(row, kind="ok", loss=math.sin(9 * point["x"]) + math.cos(7 * point["y"]))
    code = encoding(SPACE)
    model = surrogate(code, code.rows(given), known(given))
    assert model is not None
    return model


@pytest.mark.parametrize("n_failed", [0, 3])
@pytest.mark.parametrize("exploration_weight", [1.0, 0.6])
def test_the_slopes_of_the_criterion_are_those_of_its_values(exploration_weight: float, n_failed: int) -> None:
    model = rugged(12, n_failed=n_failed)
    criterion = Criterion(model, model.best, exploration_weight=exploration_weight)
    rows = np.random.default_rng(1).random((6, 2))
    values, slopes = criterion.slopes(rows - MIDDLE)
    assert values == pytest.approx(criterion.at(rows))
    step = 1e-6
    for j in range(2):
        aside = np.eye(2)[j] * step
        numeric = (criterion.at(rows + aside) - criterion.at(rows - aside)) / (2 * step)
        assert slopes[:, j] == pytest.approx(numeric, rel=1e-3, abs=1e-4)


def test_a_smaller_exploration_weight_chooses_by_the_mean() -> None:
    model = rugged(8)
    rows = np.random.default_rng(2).random((2000, 2))
    mean, sigma = model.posterior.predict(model.features.of(rows))
    chosen = [
        int(np.argmax(Criterion(model, model.best, exploration_weight=exploration_weight).at(rows)))
        for exploration_weight in (0.3, 1.0, 3.0)
    ]
    assert list(mean[chosen]) == sorted(mean[chosen])
    assert list(sigma[chosen]) == sorted(sigma[chosen])
    assert sigma[chosen[0]] < sigma[chosen[2]]
