"""exp, log and erf are accurate, whole at the edges, and the same for one float as for an array."""

import math
from decimal import Context, Decimal
from typing import Any

import numpy as np
import pytest

from hstore.engine import portable

DIGITS = Context(prec=40)
EDGES = [0.0, -0.0, 1.0, -1.0, math.inf, -math.inf, math.nan, 5e-324, 2.3e-308, 1.7e308, -1.7e308]
AT_EXP_EDGES = [709.78, 709.79, 710.1, -708.4, -745.13, -745.14, -746.1]


def ulps(value: float, exact: Decimal) -> float:
    return abs(float((Decimal(value) - exact) / Decimal(math.ulp(value))))


def bits(values: Any) -> list[str]:
    return [float(value).hex() for value in values]


def spread(seed: int, low: float, high: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate((rng.uniform(low, high, 400), rng.normal(0, 1, 200), rng.normal(0, 1e-7, 50)))


def test_exp_errs_by_less_than_one_ulp() -> None:
    x = spread(1, -700, 700)
    assert max(ulps(y, Decimal(v).exp(DIGITS)) for v, y in zip(x.tolist(), portable.exp(x).tolist(), strict=True)) < 1


def test_log_errs_by_less_than_one_ulp() -> None:
    x = np.concatenate((np.exp(spread(2, -700, 700)), 1 + spread(3, -0.3, 0.3) / 10))
    assert max(ulps(y, Decimal(v).ln(DIGITS)) for v, y in zip(x.tolist(), portable.log(x).tolist(), strict=True)) < 1


def test_the_nearest_log_is_the_nearest() -> None:
    x = np.random.default_rng(4).random(300).tolist()
    assert max(ulps(portable.nearest_log(v), Decimal(v).ln(DIGITS)) for v in x) <= 0.5
    assert portable.nearest_log(0.0) == -math.inf


def test_erf_errs_by_less_than_three_ulps() -> None:
    x = spread(5, -6.5, 6.5).tolist()
    # The C library's own erf errs by less than 1.
    assert all(
        abs(y - math.erf(v)) <= 4 * math.ulp(y) for v, y in zip(x, portable.erf(np.array(x)).tolist(), strict=True)
    )


def test_one_float_gives_the_bits_of_an_array() -> None:
    x = np.concatenate((EDGES, AT_EXP_EDGES, spread(6, -745, 709), np.exp(spread(7, -744, 709))))
    assert bits(portable.exp(x)) == bits(portable.exp(v) for v in x.tolist())
    assert bits(portable.log(x)) == bits(portable.log(v) for v in x.tolist())


def test_edges_are_those_of_the_standard() -> None:
    assert bits(portable.exp(np.array([0.0, -0.0, math.inf, -math.inf, math.nan, 710.1, -746.1]))) == bits(
        [1, 1, math.inf, 0, math.nan, math.inf, 0]
    )
    assert bits(portable.log(np.array([1.0, 0.0, -0.0, math.inf, math.nan, -1.0, -math.inf]))) == bits(
        [0, -math.inf, -math.inf, math.inf, math.nan, math.nan, math.nan]
    )
    assert bits(portable.erf(np.array([0.0, -0.0, 7.0, -math.inf, math.nan]))) == bits([0, -0.0, 1, -1, math.nan])


def test_subnormals_are_reached_and_read() -> None:
    x = np.array([-708.5, -720.0, -740.0, -745.1])
    assert portable.exp(x) == pytest.approx(np.exp(x), rel=0, abs=5e-324)
    tiny = np.array([5e-324, 1e-320, 2.2e-308])
    assert portable.log(tiny) == pytest.approx(np.log(tiny), rel=1e-15)


def test_arrays_of_any_shape_keep_it_and_are_not_changed() -> None:
    x = np.arange(6.0).reshape(2, 3)
    before = x.copy()
    for function in (portable.exp, portable.log, portable.erf):
        assert function(x).shape == (2, 3)
        assert function(np.array([])).shape == (0,)
    assert (x == before).all()


def test_draws_are_those_of_the_generator_and_leave_it_where_it_would_be() -> None:
    ours, numpys = np.random.default_rng(8), np.random.default_rng(8)
    n_tail = 0
    for _ in range(20_000):
        assert portable.uniform(ours, -2.0, 3.0) == numpys.uniform(-2.0, 3.0)
        # Half a draw of 64 bits stays in the generator and must survive the step back of a tail draw.
        assert ours.integers(10) == numpys.integers(10)
        expected = numpys.normal()
        n_tail += abs(expected) > 3.6541528853610088
        assert portable.normal(ours, 0.0, 1.0) == pytest.approx(expected, rel=1e-15)
    assert ours.bit_generator.state == numpys.bit_generator.state
    assert n_tail > 0


@pytest.mark.parametrize("p", [1.0, 0.9, 0.5, 0.34, 1 / 3, 0.333, 0.2, 1e-5])
def test_geometric_draws_are_those_of_the_generator(p: float) -> None:
    ours, numpys = np.random.default_rng(9), np.random.default_rng(9)
    for _ in range(5_000):
        assert ours.integers(10) == numpys.integers(10)
        assert portable.geometric(ours, p) == numpys.geometric(p)
    assert ours.bit_generator.state == numpys.bit_generator.state


def test_exponential_draws_are_those_of_the_generator() -> None:
    ours, numpys = np.random.default_rng(10), np.random.default_rng(10)
    n_tail = 0
    for _ in range(20_000):
        assert ours.integers(10) == numpys.integers(10)
        expected = numpys.standard_exponential()
        n_tail += expected > 7.6971174701310498
        assert portable.standard_exponential(ours) == pytest.approx(expected, rel=1e-15)
    assert ours.bit_generator.state == numpys.bit_generator.state
    assert n_tail > 0


def test_quantiles_of_the_normal_are_within_a_few_ulps() -> None:
    from scipy.special import ndtri

    p = np.concatenate(
        [np.random.default_rng(0).random(5_000), np.logspace(-300, -1, 500), 1 - np.logspace(-15, -1, 500)]
    )
    ours = np.array([portable.normal_quantile(x) for x in p.tolist()])
    np.testing.assert_allclose(ours, ndtri(p), rtol=3e-15)
    assert portable.normal_quantile(0.5) == 0.0
