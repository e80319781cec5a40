"""The recommended point is that of the lowest loss, unless there is evidence of noise."""

import math

import numpy as np
import pytest

from hstore import hp
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.lowest_expected import Recommended, recommended
from hstore.engine.space import compile_space

SPACE = compile_space({"x": hp.uniform("x", -5, 5)})


def history_of(xs: list[float], losses: list[float]) -> History:
    history = History(SPACE)
    for x, loss in zip(xs, losses, strict=True):
        history.observe(history.add({"x": x}), kind="ok", loss=loss)
    return history


def ask(xs: list[float], losses: list[float], variance: float = math.nan) -> Recommended:
    found = recommended(SPACE, history_of(xs, losses), np.full(len(xs), variance))
    assert found is not None
    return found


def test_ruggedness_is_not_taken_for_noise() -> None:
    xs = np.random.default_rng(0).uniform(-5, 5, 40).tolist()
    losses = [x**2 + 8 * math.cos(40 * x) for x in xs]
    found = ask(xs, losses)
    assert found == ([int(np.argmin(losses))], min(losses), 0.0, 0.0)


def test_a_lucky_loss_is_not_recommended_once_noise_is_known() -> None:
    rng = np.random.default_rng(1)
    xs = [*rng.uniform(-5, 5, 30).tolist(), 4.5]
    losses = [0.2 * x**2 + 0.3 * rng.normal() for x in xs[:-1]] + [-1.0]
    assert ask(xs, losses).tids == [30]  # it might be a narrow valley
    for found in (ask(xs, losses, variance=0.09), ask([*xs, 4.5], [*losses, 4.2])):
        x = xs[found.tids[0]]
        assert abs(x) < 2.5
        assert abs(found.expected - 0.2 * x**2) < 4 * found.deviation + 0.1
        assert found.noise > 0


def test_of_a_few_trials_the_lowest_mean_is_recommended() -> None:
    found = ask([0.0, 1.0, 1.0], [1.0, 0.5, 3.5])
    assert (found.tids, found.expected) == ([0], 1.0)


@pytest.mark.parametrize("n", [0, 3])
def test_without_a_ranked_trial_nothing_is_recommended(n: int) -> None:
    history = History(SPACE)
    for x in range(n):
        history.observe(history.add({"x": float(x)}), kind="void")
    assert recommended(SPACE, history, np.full(n, math.nan)) is None


def test_losses_beyond_all_measure_are_no_error() -> None:
    assert ask([0.0, 0.0, 1.0, 2.0, 3.0], [1e300, -1e300, 5.0, 6.0, 1.0]).tids
    assert ask([0.0, 1.0, 2.0], [3.0, 1.0, 2.0], variance=1e308).noise == pytest.approx(1e154)
