"""The process interpolates, its gradients are those of its values, and believed rows turn out as expected."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from hstore.engine.algorithms import gaussian_process as gp
from hstore.engine.algorithms.acquisition import log_expected_improvement
from hstore.engine.algorithms.warping import most_normal, standardise, yeo_johnson

RNG = np.random.default_rng(0)
X = RNG.random((40, 4)) - 0.5
Y = np.sin(4.0 * X[:, 0]) + X[:, 1] ** 2 + 0.3 * X[:, 2] * X[:, 3]
GROUPS = np.array([0, 1, 2, 2])
PRIOR = np.zeros(3)
THETA = gp.Hyperparameters(np.array([0.1, 0.3, -0.2]), np.log(1e-6), np.log(0.2))


def posterior(believed: np.ndarray = X[:0]) -> gp.Posterior:
    return gp.condition(THETA, X, Y, GROUPS, believed)


def test_the_gradient_of_the_density_is_that_of_its_values() -> None:
    at = np.array([0.2, -0.1, 0.4, -5.0, -1.5])
    _, gradient = gp._loss(at, X, Y, GROUPS, PRIOR)
    for i, step in enumerate(np.eye(len(at)) * 1e-5):
        up, down = (gp._loss(at + s, X, Y, GROUPS, PRIOR)[0] for s in (step, -step))
        assert_allclose(gradient[i], (up - down) / 2e-5, rtol=1e-4, atol=1e-5)


def test_what_is_fitted_is_likelier_than_where_it_began() -> None:
    start = gp.default(PRIOR)
    flat = np.array([*start.lengths, start.noise, start.trend])
    _, density = gp.fit(X, Y, GROUPS, start, PRIOR, iterations=30, has_trend=True)
    assert density > -gp._loss(flat, X, Y, GROUPS, PRIOR)[0] + 1.0


def test_what_is_known_is_expected_and_little_else_is_certain() -> None:
    mean, sigma = posterior().predict(X)
    assert_allclose(mean, Y, atol=0.01)
    assert sigma.max() < 0.01
    _, far = posterior().predict(np.full((1, 4), 3.0))
    assert far[0] > 0.1


def test_slopes_are_those_of_the_prediction() -> None:
    at = RNG.random((5, 4)) - 0.5
    mean, sigma, d_mean, d_sigma = posterior().slopes(at)
    assert_allclose((mean, sigma), posterior().predict(at), rtol=1e-6)
    for j, step in enumerate(np.eye(4) * 1e-3):
        (mean_up, sigma_up), (mean_down, sigma_down) = (posterior().predict(at + s) for s in (step, -step))
        assert_allclose(d_mean[:, j], (mean_up - mean_down) / 2e-3, atol=1e-4)
        assert_allclose(d_sigma[:, j], (sigma_up - sigma_down) / 2e-3, atol=1e-3)


def test_a_row_that_is_believed_changes_no_mean_and_is_certain() -> None:
    at = RNG.random((5, 4)) - 0.5
    mean, sigma = posterior().predict(at)
    believed, certain = posterior(at).predict(at)
    assert_allclose(believed, mean, atol=1e-6)
    assert np.all(certain < 0.2 * sigma)


def test_rows_that_rounding_cannot_tell_apart_are_no_end() -> None:
    same = np.repeat(X[:2], 100, axis=0)
    theta = gp.Hyperparameters(np.full(3, 5.0), np.log(1e-8), np.log(100.0))
    mean, sigma = gp.condition(theta, same, np.repeat(Y[:2], 100), GROUPS, X[:0]).predict(X)
    assert np.isfinite(mean).all()
    assert np.isfinite(sigma).all()


def test_expected_improvement_is_what_it_is_by_quadrature_and_falls_smoothly_into_the_tail() -> None:
    u = np.linspace(-12.0, 12.0, 200_001)
    weights = np.exp(-0.5 * u * u) / np.sqrt(2.0 * np.pi) * (u[1] - u[0])
    z = np.array([-4.0, -1.5, -0.5, 0.0, 2.0])
    exact = [np.log((np.maximum(x + u, 0.0) * weights).sum()) for x in z]
    value, slope = log_expected_improvement(z)
    assert_allclose(value, exact, atol=1e-5)
    far = -np.geomspace(0.5, 1e6, 400)
    value, slope = log_expected_improvement(far)
    assert np.all(np.diff(value) < 0.0)
    assert_allclose(slope[:-1], np.diff(value) / np.diff(far), rtol=0.05)


@pytest.mark.parametrize("scale", [1e-300, 1.0, 1e300])
def test_a_power_draws_outliers_in_whatever_the_scale(scale: float) -> None:
    losses = np.exp(np.random.default_rng(1).normal(0.0, 3.0, 200)) * scale
    z = standardise(losses)
    power = most_normal(z)
    assert power < 0.5
    warped = yeo_johnson(z, power)
    assert np.all(np.argsort(warped.losses) == np.argsort(losses))
    assert np.abs(warped.losses).max() < 4.0
    assert warped.log_density > yeo_johnson(z, 1.0).log_density
    assert_allclose(yeo_johnson(z, 1.0).losses, (z - z.mean()) / z.std(), atol=1e-9)


def test_equal_losses_stay_equal_and_outliers_without_end_are_finite() -> None:
    assert not standardise(np.full(5, 3.0)).any()
    assert np.isfinite(standardise(np.array([1e308, -1e308, 0.0, 1.0]))).all()
    assert not yeo_johnson(np.zeros(4), 1.0).losses.any()
