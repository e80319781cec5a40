"""rdists has hyperopt's distributions, to the draws of numpy's global generator."""

import warnings
from typing import Any

import numpy as np
import pytest

from hstore import rdists
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import rdists as theirs

ROUNDED: list[tuple[str, tuple[float, ...]]] = [
    ("quniform_gen", (0, 10, 2)), ("quniform_gen", (0.4, 2.6, 1)), ("quniform_gen", (0.0, 1.0, 0.3)),
    ("quniform_gen", (-1.3, 4.0, 1.5)), ("qloguniform_gen", (0, 2, 1)), ("qloguniform_gen", (-2.0, 2.0, 0.5)),
    ("qnormal_gen", (0, 1, 1)), ("qnormal_gen", (0.3, 2.0, 0.5)), ("qlognormal_gen", (0, 1, 1)),
    ("qlognormal_gen", (0.2, 1.5, 0.5)),
]  # fmt: skip
AT = np.array([-2.0, -1.0, -0.5, 0.0, 0.3, 0.5, 1.0, 1.5, 2.0, 2.3, 2.5, 3.0, 4.5, 10.0, 12.0])

each_rounded = pytest.mark.parametrize(("name", "arguments"), ROUNDED, ids=str)


@each_rounded
@pytest.mark.covers(
    "rdists.quniform_gen.pmf", "rdists.qloguniform_gen.pmf", "rdists.qnormal_gen.pmf", "rdists.qlognormal_gen.pmf",
    "rdists.quniform_gen.logpmf", "rdists.qloguniform_gen.logpmf", "rdists.qnormal_gen.logpmf",
    "rdists.qlognormal_gen.logpmf", "rdists.qnormal_gen.in_domain", "rdists.qlognormal_gen.in_domain",
)  # fmt: skip
def test_rounded_values_have_the_same_mass(name: str, arguments: tuple[float, ...]) -> None:
    ours, expected = getattr(rdists, name)(*arguments), getattr(theirs, name)(*arguments)
    np.testing.assert_allclose(ours.pmf(AT), expected.pmf(AT), rtol=1e-8, atol=1e-16)
    np.testing.assert_allclose(ours.pmf(AT.reshape(3, 5)), expected.pmf(AT.reshape(3, 5)), rtol=1e-8, atol=1e-16)
    assert isinstance(ours.pmf(1), float)
    inside = AT[(ours.pmf(AT) > 1e-9) | (AT == 0.3)]
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(ours.logpmf(inside), expected.logpmf(inside), rtol=1e-8)
    assert isinstance(ours.logpmf(2), float)  # at which hyperopt's qlognormal raises
    assert ours.logpmf([0.3]) == (np.log(0.3 * 1.0) if ours.q == 0.3 else -np.inf)
    if hasattr(expected, "in_domain"):
        assert ours.in_domain(AT).tolist() == expected.in_domain(AT).tolist()


@each_rounded
@pytest.mark.covers(
    "rdists.quniform_gen.rvs", "rdists.qloguniform_gen.rvs", "rdists.qnormal_gen.rvs", "rdists.qlognormal_gen.rvs"
)
def test_rounded_draws_are_the_same(name: str, arguments: tuple[float, ...]) -> None:
    ours, expected = getattr(rdists, name)(*arguments), getattr(theirs, name)(*arguments)
    for size in ((), 4, (2, 3)):
        np.random.seed(3)  # noqa: NPY002 - hyperopt draws from the global generator
        mine = ours.rvs(size)
        np.random.seed(3)  # noqa: NPY002
        other = expected.rvs(size)
        np.testing.assert_allclose(mine, other, rtol=1e-12)
        assert np.shape(mine) == np.shape(other)
        assert np.asarray(mine).dtype.kind == np.asarray(other).dtype.kind
    mine = ours.rvs(3, random_state=np.random.default_rng(1))
    assert mine.tolist() == ours.rvs(3, random_state=np.random.default_rng(1)).tolist()
    assert (ours.pmf(mine) > 0).all()


@pytest.mark.covers("rdists.qtable_pmf", "rdists.qtable_logpmf", "rdists.safe_int_cast")
def test_tables_are_looked_up_alike() -> None:
    for name, arguments in ROUNDED[:6]:
        ours, expected = getattr(rdists, name)(*arguments), getattr(theirs, name)(*arguments)
        np.testing.assert_allclose(ours.xs, expected.xs)
        np.testing.assert_allclose(ours.ps, expected.ps)
        assert (ours.qlow, ours.qhigh) == pytest.approx((expected.qlow, expected.qhigh))
        table = ours.q, ours.qlow, ours.xs, ours.ps
        np.testing.assert_allclose(rdists.qtable_pmf(AT, *table), theirs.qtable_pmf(AT, *table))
        with np.errstate(divide="ignore"):
            np.testing.assert_allclose(rdists.qtable_logpmf(AT, *table), theirs.qtable_logpmf(AT, *table))
        assert isinstance(rdists.qtable_pmf(2, *table), float)
        assert isinstance(rdists.qtable_logpmf(2, *table), float)
    assert rdists.safe_int_cast(3.0) == 3
    assert rdists.safe_int_cast(np.array([1.0, 2.0])).dtype == int


@pytest.mark.covers("rdists.loguniform_gen")
def test_a_loguniform_is_the_same() -> None:
    for bounds in ((-1, 2), ()):
        ours, expected = rdists.loguniform_gen(*bounds), theirs.loguniform_gen(*bounds)
        assert ours.support() == pytest.approx(expected.support())
        for ask in ("pdf", "logpdf", "cdf"):
            np.testing.assert_allclose(getattr(ours, ask)([0.1, 1, 2, 10]), getattr(expected, ask)([0.1, 1, 2, 10]))
        np.testing.assert_allclose(ours.ppf([0.1, 0.5]), expected.ppf([0.1, 0.5]))
        drawn = []
        for distribution in (ours, expected):
            np.random.seed(0)  # noqa: NPY002 - hyperopt's takes no other
            drawn.append(distribution.rvs(size=5))
        np.testing.assert_allclose(*drawn)
        np.testing.assert_allclose(ours.rvs(size=5, random_state=0), drawn[0])
        assert ours.mean() == pytest.approx(expected.mean())
        assert ours.freeze().rvs(size=2, random_state=0) == pytest.approx(ours.rvs(size=2, random_state=0))


@pytest.mark.covers("rdists.lognorm_gen")
def test_a_lognormal_is_the_same_and_can_be_drawn_from() -> None:
    ours, expected = rdists.lognorm_gen(0.3, 0.7), theirs.lognorm_gen(0.3, 0.7)
    for ask in ("pdf", "logpdf", "cdf"):
        np.testing.assert_allclose(getattr(ours, ask)([0.1, 1, 5]), getattr(expected, ask)([0.1, 1, 5]))
    np.testing.assert_allclose(ours.ppf([0.1, 0.5]), expected.ppf([0.1, 0.5]))
    drawn = ours.rvs(2000, random_state=0)  # hyperopt's raises with a scipy of today
    assert np.log(drawn).mean() == pytest.approx(0.3, abs=0.05)
    assert ours.mean() == pytest.approx(np.exp(0.3 + 0.7**2 / 2))


def test_a_grid_too_fine_to_write_down_still_has_masses() -> None:
    wide: Any = rdists.qloguniform_gen(0, 700, 1)
    assert wide.pmf(1) == pytest.approx(np.log(1.5) / 700)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("quniform_gen", (3, 2, 1)), ("quniform_gen", (0, 1, 0)), ("qnormal_gen", (0, 0, 1)), ("loguniform_gen", (1, 0)),
     ("lognorm_gen", (0, -1)), ("qlognormal_gen", (0, 1, 0))],
)  # fmt: skip
def test_a_distribution_of_nothing_is_refused(name: str, arguments: tuple[float, ...]) -> None:
    with pytest.raises(InvalidValue, match="must be"):
        getattr(rdists, name)(*arguments)
