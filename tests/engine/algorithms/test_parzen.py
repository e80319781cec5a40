"""The parts of the Parzen estimator, against numpy and against sums written out."""

import math

import numpy as np
import pytest

from hstore.engine.algorithms import parzen
from hstore.engine.algorithms.parzen import Mixture


def random_weights(rng: np.random.Generator) -> np.ndarray:
    weights = rng.random(rng.integers(1, 30)) ** rng.integers(0, 20)
    weights[rng.random(len(weights)) < 0.2] = 0.0
    weights[rng.integers(len(weights))] += 0.1
    return np.asarray(weights / weights.sum())


def test_components_are_those_of_numpys_multinomial_and_leave_its_state() -> None:
    weights_rng = np.random.default_rng(0)
    ours, numpys = np.random.default_rng(1), np.random.default_rng(1)
    for _ in range(5_000):
        weights = random_weights(weights_rng)
        expected = numpys.multinomial(1, weights, size=24).argmax(axis=1)
        assert parzen.draw_components(ours, weights, 24) == expected.tolist()
    assert ours.bit_generator.state == numpys.bit_generator.state


def test_many_categories_are_drawn_from_the_same_stream() -> None:
    weights = np.full(1_200, 1 / 1_200)
    expected = np.random.default_rng(2).multinomial(1, weights, size=5).argmax(axis=1)
    assert parzen.draw_components(np.random.default_rng(2), weights, 5) == expected.tolist()


@pytest.mark.parametrize("weights", [[1.0], [1.0, 0.0], [0.0, 1.0], [0.0, 0.0, 1.0], [0.5, 0.5], [0.5, 0.5, 0.0]])
def test_certain_and_impossible_components_take_as_many_draws_as_numpys(weights: list[float]) -> None:
    ours, numpys = np.random.default_rng(3), np.random.default_rng(3)
    expected = numpys.multinomial(1, weights, size=50).argmax(axis=1)
    assert parzen.draw_components(ours, np.array(weights), 50) == expected.tolist()
    assert ours.bit_generator.state == numpys.bit_generator.state


def test_only_old_observations_are_forgotten() -> None:
    assert parzen.forgetting_weights(25).tolist() == [1.0] * 25
    weights = parzen.forgetting_weights(40)
    assert weights[0] == 1 / 40
    assert (np.diff(weights) >= 0).all()
    assert (weights[14:] == 1).all()


@pytest.mark.parametrize(
    ("centres", "means", "sigmas"),
    [
        ([], [0.5], [1]),
        ([0.2], [0.2, 0.5], [0.5, 1]),
        ([0.6], [0.5, 0.6], [1, 0.5]),
        ([0.5], [0.5, 0.5], [0.5, 1]),
        ([0.2, 0.3], [0.2, 0.3, 0.5], [0.25, 0.25, 1]),
        ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5, 0.5], [1, 0.2, 0.2, 0.2]),
    ],
)
def test_components_are_as_wide_as_their_gaps(centres: list[float], means: list[float], sigmas: list[float]) -> None:
    estimate = parzen.mixture(np.array(centres), np.ones(len(centres)), mu=0.5, sigma=1.0, prior_weight=1.0)
    assert estimate.means.tolist() == means
    assert estimate.sigmas == pytest.approx(sigmas)
    assert estimate.weights == pytest.approx(np.full(len(means), 1 / len(means)))


def some_mixture(n: int) -> Mixture:
    rng = np.random.default_rng(4)
    weights = rng.random(n)
    return Mixture(np.sort(np.round(rng.normal(0, 3, n), 1)), rng.uniform(0.1, 2, n), weights / weights.sum())


def test_the_density_is_the_sum_of_its_normals() -> None:
    estimate = some_mixture(3_000)
    x = np.linspace(-12, 12, 24)
    means, sigmas, weights = estimate
    expected = [sum(weights / sigmas * np.exp(-0.5 * ((v - means) / sigmas) ** 2)) for v in x]
    assert parzen.log_density(x, estimate) == pytest.approx(np.log(expected), rel=1e-12)


def test_the_density_far_out_does_not_underflow() -> None:
    estimate = Mixture(np.array([0.0, 1.0]), np.array([1.0, 0.5]), np.array([0.5, 0.5]))
    got = parzen.log_density(np.array([0.0, 100.0]), estimate)
    assert got[1] == pytest.approx(math.log(0.5) - 0.5 * 100**2)


def test_the_mass_is_the_difference_of_distribution_functions() -> None:
    estimate = some_mixture(2_000)
    low = np.linspace(-8, 8, 24)
    expected = [
        sum(
            w * 0.5 * (math.erf((b + 1 - m) / s / math.sqrt(2)) - math.erf((b - m) / s / math.sqrt(2)))
            for m, s, w in zip(*estimate, strict=True)
        )
        for b in low.tolist()
    ]
    assert parzen.mass(low, low + 1, estimate) == pytest.approx(expected, rel=1e-9)
    assert parzen.mass_between(-8.0, 8.0, estimate) == pytest.approx(
        parzen.mass(np.array([-8.0]), np.array([8.0]), estimate)[0]
    )


def test_components_that_repeat_are_added_up_one_by_one() -> None:
    estimate = some_mixture(300)
    repeated = Mixture(*(np.repeat(part, 5) for part in estimate))
    low = np.linspace(-8, 8, 24)
    one_by_one = np.zeros(24)
    for mean, sigma, weight in zip(*repeated, strict=True):
        one_by_one += weight * parzen.distribution(low + 1, mean, sigma) - weight * parzen.distribution(
            low, mean, sigma
        )
    assert parzen.mass(low, low + 1, repeated) == pytest.approx(one_by_one, rel=1e-13)
    few = Mixture(*(part[:300] for part in repeated))  # one block: the very bits
    one_by_one[:] = 0.0
    for mean, sigma, weight in zip(*few, strict=True):
        one_by_one += weight * parzen.distribution(low + 1, mean, sigma) - weight * parzen.distribution(
            low, mean, sigma
        )
    assert parzen.mass(low, low + 1, few).tolist() == one_by_one.tolist()
