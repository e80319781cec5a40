"""tpe's parts under hyperopt's names give hyperopt's numbers, and answers where hyperopt's raise."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hstore
from hstore.store.errors import InvalidValue

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from hyperopt import tpe as theirs
    from hyperopt.pyll import as_apply, rec_eval

tpe: Any = hstore.tpe
pytestmark = [pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")]

MIXTURE: Any = ([0.2, 0.5, 0.3], [0.0, 1.0, 2.0], [1.0, 0.5, 2.0])
numbers = st.floats(-5, 5, allow_nan=False).map(lambda x: round(x, 6))


# Of equal observations hyperopt weighs now one, now the other less: the order of its sort depends on the processor.
@given(st.lists(numbers, max_size=40, unique=True), st.floats(0.1, 3), numbers, st.floats(0.5, 4), st.integers(1, 30))
@pytest.mark.covers("tpe.adaptive_parzen_normal")
def test_observations_make_the_same_mixture(
    mus: list[float], prior_weight: float, mu: float, sigma: float, remembered: int
) -> None:
    ours = tpe.adaptive_parzen_normal(mus, prior_weight, mu, sigma, LF=remembered)
    expected = theirs.adaptive_parzen_normal(mus, prior_weight, mu, sigma, LF=remembered)
    for mine, other in zip(ours, expected, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-12)


@pytest.mark.covers("tpe.linear_forgetting_weights", "tpe.DEFAULT_LF")
def test_the_latest_observations_weigh_one_each() -> None:
    for n, remembered in [(0, 25), (3, 25), (26, 25), (60, tpe.DEFAULT_LF), (5, 3)]:
        np.testing.assert_allclose(
            tpe.linear_forgetting_weights(n, remembered), theirs.linear_forgetting_weights(n, remembered)
        )
    for n, remembered in [(5, 0), (-5, 1)]:
        with pytest.raises(InvalidValue):
            tpe.linear_forgetting_weights(n, remembered)


HOW: list[dict[str, Any]] = [{}, {"low": 0.0, "high": 3.0}, {"low": 0.0, "high": 3.0, "q": 0.5}, {"q": 0.5}]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("size", [(), 3, (2, 3)], ids=str)
@pytest.mark.covers("tpe.GMM1", "tpe.LGMM1")
def test_mixtures_draw_the_same_numbers_and_log_mixtures_of_any_size(how: dict[str, Any], size: Any) -> None:
    for seed in range(20):
        ours = tpe.GMM1(*MIXTURE, **how, rng=np.random.default_rng(seed), size=size)
        expected = theirs.GMM1(*MIXTURE, **how, rng=np.random.default_rng(seed), size=size)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)
        assert ours.shape == np.shape(expected)
        in_logs = tpe.LGMM1(*MIXTURE, **how, rng=np.random.default_rng(seed), size=size)
        if size:  # hyperopt's raises for a single draw
            expected = theirs.LGMM1(*MIXTURE, **how, rng=np.random.default_rng(seed), size=size)
            np.testing.assert_allclose(in_logs, expected, rtol=1e-9)
        assert in_logs.shape == ours.shape


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.covers("tpe.GMM1_lpdf", "tpe.LGMM1_lpdf")
def test_mixtures_have_the_same_densities(how: dict[str, Any]) -> None:
    every: list[Any] = [[0.5, 1.0, 2.5], [], 1.0, [[1.0, 2.0], [0.5, 1.5]]]
    for samples in every:
        ours, expected = tpe.GMM1_lpdf(samples, *MIXTURE, **how), theirs.GMM1_lpdf(samples, *MIXTURE, **how)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)
        if "q" in how and "high" in how:
            samples = np.asarray(samples) + 1.0  # inside of the bounds, below which hyperopt's is nan
        ours, expected = tpe.LGMM1_lpdf(samples, *MIXTURE, **how), theirs.LGMM1_lpdf(samples, *MIXTURE, **how)
        np.testing.assert_allclose(ours, expected, rtol=1e-9)
        assert ours.shape == np.shape(samples)


@pytest.mark.covers("tpe.GMM1_lpdf", "tpe.LGMM1_lpdf")
def test_where_no_sample_can_lie_the_mass_is_none_rather_than_nan() -> None:
    assert tpe.LGMM1_lpdf([0.0], *MIXTURE, low=1.0, high=3.0, q=0.5) == [-np.inf]
    assert tpe.GMM1_lpdf([100.0], *MIXTURE) == pytest.approx(theirs.GMM1_lpdf([100.0], *MIXTURE))
    with pytest.raises(InvalidValue, match="below 0"):
        tpe.LGMM1_lpdf([-1.0], *MIXTURE)
    with pytest.raises(InvalidValue, match="one length"):
        tpe.GMM1([1.0], [1.0, 2.0], [1.0])


@pytest.mark.covers(
    "tpe.normal_cdf", "tpe.lognormal_cdf", "tpe.lognormal_lpdf", "tpe.qlognormal_lpdf", "tpe.categorical_lpdf",
    "tpe.randint_via_categorical_lpdf", "tpe.logsum_rows", "tpe.EPS",
)  # fmt: skip
def test_distributions_are_the_same() -> None:
    x, mu, sigma = np.array([0.3, 1.0, 2.5]), np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.5, 2.0])
    for name in ("normal_cdf", "lognormal_cdf", "lognormal_lpdf"):
        ours, expected = getattr(tpe, name)(x, mu, sigma), getattr(theirs, name)(x, mu, sigma)
        np.testing.assert_allclose(ours, expected, rtol=1e-9, err_msg=name)
    whole = np.array([1.0, 2.0, 5.0])
    np.testing.assert_allclose(
        tpe.qlognormal_lpdf(whole, 0.0, 1.0, 1.0), theirs.qlognormal_lpdf(whole, 0.0, 1.0, 1.0), rtol=1e-9
    )
    p = np.array([0.2, 0.3, 0.5])
    for name in ("categorical_lpdf", "randint_via_categorical_lpdf"):
        expected = theirs.categorical_lpdf(np.array([0, 2]), p)
        np.testing.assert_allclose(getattr(tpe, name)([0, 2], p), expected)
    rows = np.array([[1.0, 2.0], [3.0, -1000.0]])
    np.testing.assert_allclose(tpe.logsum_rows(rows), theirs.logsum_rows(rows))
    assert tpe.lognormal_lpdf(0.0, 0.0, 1.0) == -np.inf
    assert tpe.lognormal_cdf(0.0, 0.0, 1.0) == pytest.approx(0.0)
    assert tpe.EPS == theirs.EPS
    with pytest.raises(InvalidValue, match="negative arg"):
        tpe.lognormal_cdf(-1.0, 0.0, 1.0)


@given(st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=40, unique_by=lambda pair: pair[0]), st.data())
@pytest.mark.covers("tpe.ap_split_trials")
def test_trials_are_split_alike(ends: list[tuple[float, bool]], data: st.DataObject) -> None:
    tids = range(len(ends))
    observed = [tid for tid, (_, is_active) in enumerate(ends) if is_active]
    values, losses = [10.0 * tid for tid in observed], [loss for loss, _ in ends]
    gamma, cap = data.draw(st.floats(0.05, 2)), data.draw(st.integers(1, 25))
    ours = tpe.ap_split_trials(observed, values, list(tids), losses, gamma, cap)
    expected = theirs.ap_split_trials(observed, values, list(tids), losses, gamma, cap)
    assert [part.tolist() for part in ours] == [list(part) for part in expected]


@pytest.mark.covers("tpe.broadcast_best", "tpe.tpe_cat_pseudocounts")
def test_the_likeliest_and_the_pseudocounts_are_the_same() -> None:
    arguments = np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.5, 0.2]), np.array([0.0, 0.4, 0.0])
    assert tpe.broadcast_best(*arguments) == theirs.broadcast_best(*arguments) == [3.0, 3.0, 3.0]
    assert tpe.broadcast_best([], [], []) == []
    with pytest.raises(InvalidValue, match="2 samples"):
        tpe.broadcast_best([1, 2], [0.0], [0.0])
    counts, p = np.array([1.0, 2.0, 0.0]), np.array([0.2, 0.3, 0.5])
    np.testing.assert_allclose(
        tpe.tpe_cat_pseudocounts(counts, 1.5, p, 3), theirs.tpe_cat_pseudocounts(counts, 1.5, p, 3)
    )


SAMPLERS: dict[str, tuple[Any, ...]] = {
    "uniform": (0.0, 3.0), "quniform": (0.0, 3.0, 0.5), "loguniform": (-1.0, 2.0), "qloguniform": (-1.0, 2.0, 0.5),
    "normal": (0.5, 2.0), "qnormal": (0.5, 2.0, 0.5), "lognormal": (0.0, 1.0), "qlognormal": (0.0, 1.0, 0.5),
    "randint": (5,), "categorical": ([[0.1, 0.2, 0.3, 0.4]],),
}  # fmt: skip


@pytest.mark.parametrize("kind", SAMPLERS)
@pytest.mark.covers(
    "tpe.adaptive_parzen_samplers", "tpe.ap_uniform_sampler", "tpe.ap_quniform_sampler", "tpe.ap_loguniform_sampler",
    "tpe.ap_qloguniform_sampler", "tpe.ap_normal_sampler", "tpe.ap_qnormal_sampler", "tpe.ap_loglognormal_sampler",
    "tpe.ap_qlognormal_sampler", "tpe.ap_randint_sampler", "tpe.ap_categorical_sampler",
)  # fmt: skip
def test_samplers_draw_what_hyperopts_expressions_evaluate_to(kind: str) -> None:
    observed = np.array([1, 2, 3, 0]) if kind in ("randint", "categorical") else np.array([1.0, 2.0, 0.5, 1.5])
    arguments = SAMPLERS[kind]
    in_theirs = [as_apply(np.array(arguments[0]))] if kind == "categorical" else arguments
    for seed in range(5):
        ours = tpe.adaptive_parzen_samplers[kind](observed, 1.5, *arguments, size=(4,), rng=np.random.default_rng(seed))
        expression = theirs.adaptive_parzen_samplers[kind](
            observed, 1.5, *in_theirs, size=(4,), rng=np.random.default_rng(seed)
        )
        np.testing.assert_allclose(ours, rec_eval(expression), rtol=1e-9)


@pytest.mark.covers("tpe.ap_randint_sampler")
def test_a_randint_that_does_not_start_at_0_is_drawn_from_where_it_starts() -> None:
    drawn = tpe.ap_randint_sampler([7, 8, 8], 1.0, 6, 10, size=50, rng=np.random.default_rng(0))
    assert set(drawn.tolist()) == {6, 7, 8, 9}


@pytest.mark.covers(
    "tpe._default_gamma", "tpe._default_linear_forgetting", "tpe._default_n_EI_candidates",
    "tpe._default_n_startup_jobs", "tpe._default_prior_weight",
)  # fmt: skip
def test_defaults_are_those_of_hyperopt_and_of_suggest() -> None:
    for name in ("gamma", "n_EI_candidates", "n_startup_jobs", "prior_weight"):
        assert getattr(tpe, f"_default_{name}") == getattr(theirs, f"_default_{name}") == tpe.suggest.defaults[name]
    assert tpe._default_linear_forgetting == theirs._default_linear_forgetting
