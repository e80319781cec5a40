"""The criteria are hyperopt's, and right where those leave their floats."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hstore import criteria
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import criteria as theirs
    from hyperopt import utils as their_utils

from hstore import utils

numbers = st.floats(-20, 20, allow_nan=False)


@given(numbers, st.floats(0.01, 50), numbers)
@pytest.mark.covers("criteria.EI_gaussian", "criteria.logEI_gaussian", "criteria.UCB")
def test_criteria_of_a_normal_are_the_same(mean: float, var: float, thresh: float) -> None:
    assert criteria.EI_gaussian(mean, var, thresh) == pytest.approx(
        theirs.EI_gaussian(mean, var, thresh), rel=1e-6, abs=1e-15
    )
    assert criteria.logEI_gaussian(mean, var, thresh) == pytest.approx(
        theirs.logEI_gaussian(mean, var, thresh), rel=1e-3, abs=1e-9
    )
    assert criteria.UCB(mean, var, 1.5) == pytest.approx(theirs.UCB(mean, var, 1.5))


@pytest.mark.covers("criteria.EI_gaussian", "criteria.logEI_gaussian", "criteria.UCB")
def test_criteria_of_many_normals_at_once_are_the_same() -> None:
    many: Any = np.array([0.0, 1.0, 2.0]), np.array([1.0, 4.0, 0.1])
    for name in ("EI_gaussian", "logEI_gaussian", "UCB"):
        np.testing.assert_allclose(getattr(criteria, name)(*many, 0.5), getattr(theirs, name)(*many, 0.5), rtol=1e-9)


@pytest.mark.covers("criteria.logEI_gaussian")
@pytest.mark.parametrize("sigmas", [0.0, 0.9, 1.1, 5.0, 30.0, 5e3, 9.9e4, 1.01e5, 1e9])
def test_the_logarithm_of_the_improvement_is_right_at_any_distance(sigmas: float) -> None:
    from decimal import Decimal

    # The continued fraction of Mills' ratio: 1 - s * M(s) = 1 / (s^2 + 3 - …), here by its asymptotic series.
    log_pdf = -0.5 * sigmas * sigmas - 0.5 * math.log(2 * math.pi)
    if sigmas >= 30.0:
        series = Decimal(1) - 3 / Decimal(sigmas) ** 2 + 15 / Decimal(sigmas) ** 4 - 105 / Decimal(sigmas) ** 6
        expected = log_pdf - 2 * math.log(sigmas) + math.log(series)
    else:
        expected = math.log(math.exp(log_pdf) - sigmas * 0.5 * math.erfc(sigmas / math.sqrt(2)))
    assert criteria.logEI_gaussian(0.0, 1.0, sigmas) == pytest.approx(expected, rel=1e-9)


@pytest.mark.covers("criteria.EI_gaussian", "criteria.logEI_gaussian")
def test_without_variance_the_improvement_is_that_of_the_mean() -> None:
    assert criteria.EI_gaussian([1.0, 0.0], 0.0, 0.5).tolist() == [0.5, 0.0]
    assert criteria.logEI_gaussian([1.0, 0.0], 0.0, 0.5).tolist() == [math.log(0.5), -math.inf]
    assert criteria.logEI_gaussian(0.0, 1.0, 1e200) == -math.inf
    with pytest.raises(InvalidValue, match="negative"):
        criteria.EI_gaussian(0.0, -1.0, 0.5)


@pytest.mark.covers("criteria.EI_empirical", "criteria.EI_gaussian_empirical")
def test_empirical_improvements_are_the_same() -> None:
    samples = np.array([1.0, 2.0, 3.0])
    assert criteria.EI_empirical(samples, 1.5) == theirs.EI_empirical(samples, 1.5)
    for make in (np.random.default_rng, np.random.RandomState):
        ours = criteria.EI_gaussian_empirical(0.5, 4.0, 0.7, make(0), 100)
        assert ours == pytest.approx(theirs.EI_gaussian_empirical(0.5, 4.0, 0.7, make(0), 100))


@pytest.mark.covers("utils.pmin_sampled")
def test_the_probability_to_be_the_least_is_the_same() -> None:
    for means, variances in [([0.0, 1.0, 0.5], [1.0, 1.0, 0.1]), ([0.0, 0.0], [0.0, 0.0]), ([0.0, 1.0], [0.0, 0.0])]:
        found = np.array(means), np.array(variances)
        np.testing.assert_allclose(utils.pmin_sampled(*found), their_utils.pmin_sampled(*found))
        for make in (np.random.default_rng, np.random.RandomState):
            ours = utils.pmin_sampled(*found, n_samples=50, rng=make(3))
            np.testing.assert_allclose(ours, their_utils.pmin_sampled(*found, n_samples=50, rng=make(3)))
