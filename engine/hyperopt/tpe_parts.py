"""The parts of hyperopt's tpe under the names and in the shapes that its users know, over `parzen`.

A mixture is three arrays, (weights, mus, sigmas); an L before its name says that they are of logarithms.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hstore.engine import portable
from hstore.engine.algorithms import parzen
from hstore.engine.algorithms.parzen import Floats, Mixture
from hstore.store.errors import InvalidValue

EPS = 1e-12
DEFAULT_LF = 25
_default_prior_weight = 1.0
_default_n_EI_candidates = 24  # noqa: N816 - hyperopt's name
_default_gamma = 0.25
_default_n_startup_jobs = 20
_default_linear_forgetting = DEFAULT_LF

_LOG_ROOT_OF_2_PI = 0.5 * math.log(2.0 * math.pi)

Size = int | tuple[int, ...]


# -- estimates ------------------------------------------------------------------------------------------------


def linear_forgetting_weights(N: int, LF: int) -> Floats:  # noqa: N803
    """Return the weights of *N* observations, the oldest first: a ramp from 1 / N, then 1 for each of the latest *LF*.

    Raises `InvalidValue` for a negative *N* or an *LF* that is not positive.
    """
    if N < 0 or LF <= 0:
        raise InvalidValue(f"{N} observations of which {LF} count in full: N must not be negative, LF positive")
    return parzen.forgetting_weights(N, LF)


def adaptive_parzen_normal(
    mus: ArrayLike, prior_weight: float, prior_mu: float, prior_sigma: float, LF: int = DEFAULT_LF  # noqa: N803
) -> tuple[Floats, Floats, Floats]:  # fmt: skip
    """Return (weights, mus, sigmas), by ascending mu, of observations at *mus* in the order of time and of the prior.

    Bergstra et al. (2011), section 4.2: a component is as wide as the larger of the gaps to its neighbours.
    """
    observed = np.asarray(mus, dtype=np.float64)
    if observed.ndim != 1:
        raise InvalidValue(f"mus must be a vector, not of shape {observed.shape}")
    order = np.argsort(observed, kind="stable")
    estimate = parzen.mixture(
        observed[order], linear_forgetting_weights(len(observed), LF)[order],
        mu=prior_mu, sigma=prior_sigma, prior_weight=prior_weight,
    )  # fmt: skip
    return estimate.weights, estimate.means, estimate.sigmas


def tpe_cat_pseudocounts(counts: ArrayLike, prior_weight: float, p: ArrayLike, size: Any = None) -> Floats:
    """Return the probability of each category, seen *counts* times and of probability *p* before; *size* is unused."""
    prior = np.asarray(p, dtype=np.float64)
    total = np.asarray(counts, dtype=np.float64) + prior.shape[-1] * prior_weight * prior
    return np.asarray(total / total.sum())


def ap_split_trials(
    o_idxs: ArrayLike, o_vals: ArrayLike, l_idxs: ArrayLike, l_vals: ArrayLike, gamma: float, gamma_cap: int = 25
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the observations of the best trials and those of the others, each in the order of their trials.

    *o_vals* was observed in trials *o_idxs*; trials *l_idxs* have losses *l_vals*. The best are *gamma* times the
    square root of the number of losses, at most *gamma_cap*.
    """
    losses, tids = np.asarray(l_vals), np.asarray(l_idxs)
    n_below = min(math.ceil(gamma * math.sqrt(len(losses))), gamma_cap)
    best = tids[np.argsort(losses, kind="stable")[:n_below]]
    values, is_best = np.asarray(o_vals), np.isin(np.asarray(o_idxs), best)
    return values[is_best], values[~is_best]


def broadcast_best(samples: Sequence[Any], below_llik: ArrayLike, above_llik: ArrayLike) -> list[Any]:
    """Return, as often as there are *samples*, the one likelier below than above by most; none for none."""
    if not len(samples):
        return []
    score = np.asarray(below_llik, dtype=np.float64) - np.asarray(above_llik, dtype=np.float64)
    if score.shape != (len(samples),):
        raise InvalidValue(f"{len(samples)} samples have likelihoods of shape {score.shape}")
    return [samples[int(score.argmax())]] * len(samples)


# -- draws ----------------------------------------------------------------------------------------------------


def GMM1(  # noqa: N802
    weights: ArrayLike, mus: ArrayLike, sigmas: ArrayLike, low: float | None = None, high: float | None = None,
    q: float | None = None, rng: np.random.Generator | None = None, size: Size = (),
) -> Floats:  # fmt: skip
    """Draw an array of shape *size* from a mixture of normals, cut to [low, high), rounded to multiples of *q*."""
    drawn = _drawn(_mixture(weights, mus, sigmas), low, high, rng, size)
    return drawn if q is None else np.asarray(np.round(drawn / q) * q)


def LGMM1(  # noqa: N802
    weights: ArrayLike, mus: ArrayLike, sigmas: ArrayLike, low: float | None = None, high: float | None = None,
    q: float | None = None, rng: np.random.Generator | None = None, size: Size = (),
) -> Floats:  # fmt: skip
    """Draw from a mixture of lognormals; *low* and *high* are logarithms. Otherwise as `GMM1`."""
    drawn = portable.exp(_drawn(_mixture(weights, mus, sigmas), low, high, rng, size))
    return np.asarray(drawn) if q is None else np.asarray(np.round(drawn / q) * q)


def _drawn(
    estimate: Mixture, low: float | None, high: float | None, rng: np.random.Generator | None, size: Size
) -> Floats:
    rng = np.random.default_rng() if rng is None else rng
    shape = (size,) if isinstance(size, int) else tuple(size)
    n = math.prod(shape)
    if low is None and high is None:
        return parzen.draw_normals(rng, estimate, n).reshape(shape)
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return parzen.draw_between(rng, estimate, *bounds, n).reshape(shape)


def _mixture(weights: ArrayLike, mus: ArrayLike, sigmas: ArrayLike) -> Mixture:
    means, widths, shares = (np.asarray(part, dtype=np.float64) for part in (mus, sigmas, weights))
    if not means.ndim == 1 or not means.shape == widths.shape == shares.shape:
        raise InvalidValue("weights, mus and sigmas must be vectors of one length")
    return Mixture(means, widths, shares)


# -- densities ------------------------------------------------------------------------------------------------


def GMM1_lpdf(  # noqa: N802
    samples: ArrayLike, weights: ArrayLike, mus: ArrayLike, sigmas: ArrayLike, low: float | None = None,
    high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Return the logarithm of the density, with *q* of the mass, that `GMM1` has at each of *samples*."""
    estimate = _mixture(weights, mus, sigmas)
    x = np.asarray(samples, dtype=np.float64)
    inside = _log_mass_inside(estimate, low, high)
    if q is None:
        with np.errstate(divide="ignore"):  # a component of weight 0
            density = parzen.log_density(x.ravel(), estimate) - _LOG_ROOT_OF_2_PI
        return np.asarray(density - inside).reshape(x.shape)
    starts, ends = x.ravel() - 0.5 * q, x.ravel() + 0.5 * q
    if low is not None:
        starts = np.maximum(starts, low)
    if high is not None:
        ends = np.minimum(ends, high)
    return (_log_mass(starts, ends, estimate) - inside).reshape(x.shape)


def LGMM1_lpdf(  # noqa: N802
    samples: ArrayLike, weights: ArrayLike, mus: ArrayLike, sigmas: ArrayLike, low: float | None = None,
    high: float | None = None, q: float | None = None,
) -> Floats:  # fmt: skip
    """Return the logarithm of the density, with *q* of the mass, that `LGMM1` has at each of *samples*.

    As in hyperopt a density is not scaled up for what lies outside of the bounds, a mass is. Raises `InvalidValue`
    for samples that no lognormal has: below 0, or without *q* at 0.
    """
    estimate = _mixture(weights, mus, sigmas)
    x = np.asarray(samples, dtype=np.float64)
    if (x < 0).any() or (q is None and (x == 0).any()):
        raise InvalidValue("a lognormal has no values below 0, and 0 only where it is rounded")
    if q is None:
        log_x = np.log(x.ravel())
        with np.errstate(divide="ignore"):
            density = parzen.log_density(log_x, estimate) - _LOG_ROOT_OF_2_PI
        return np.asarray(density - log_x).reshape(x.shape)
    starts, ends = (portable.log(np.maximum(x.ravel() + d, EPS)) for d in (-0.5 * q, 0.5 * q))
    if low is not None:
        starts = np.maximum(starts, low)
    if high is not None:
        ends = np.minimum(ends, high)
    return (_log_mass(starts, ends, estimate) - _log_mass_inside(estimate, low, high)).reshape(x.shape)


def _log_mass(starts: Floats, ends: Floats, estimate: Mixture) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(parzen.mass(starts, ends, estimate), 0.0)))


def _log_mass_inside(estimate: Mixture, low: float | None, high: float | None) -> float:
    if low is None and high is None:
        return 0.0
    bounds = (-math.inf if low is None else low, math.inf if high is None else high)
    return math.log(parzen.mass_between(*bounds, estimate))


def normal_cdf(x: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Floats:
    """Return the distribution function of normals at *x*, all three broadcast."""
    return parzen.distribution(np.asarray(x, dtype=np.float64), np.asarray(mu), np.asarray(sigma))


def lognormal_cdf(x: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Floats:
    """Return the distribution function of lognormals at *x*, all three broadcast; `InvalidValue` below 0."""
    at = np.asarray(x, dtype=np.float64)
    if (at < 0).any():
        raise InvalidValue(f"negative arg to lognormal_cdf: {at.min():g}")
    return normal_cdf(np.log(np.maximum(at, EPS)), mu, sigma)


def lognormal_lpdf(x: ArrayLike, mu: ArrayLike, sigma: ArrayLike) -> Floats:
    """Return the logarithm of the density of lognormals at *x*, all three broadcast; -inf at 0 and below."""
    at, width = np.asarray(x, dtype=np.float64), np.maximum(np.asarray(sigma, dtype=np.float64), EPS)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_x = np.log(at)
        density = -0.5 * ((log_x - mu) / width) ** 2 - np.log(width) - log_x - _LOG_ROOT_OF_2_PI
    return np.asarray(np.where(at > 0, density, -np.inf))


def qlognormal_lpdf(x: ArrayLike, mu: ArrayLike, sigma: ArrayLike, q: float) -> Floats:
    """Return, as hyperopt does, the logarithm of the mass of lognormals between *x* - *q* and *x*."""
    at = np.asarray(x, dtype=np.float64)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(lognormal_cdf(at, mu, sigma) - lognormal_cdf(np.maximum(at - q, 0.0), mu, sigma)))


def categorical_lpdf(sample: ArrayLike, p: ArrayLike) -> Floats:
    """Return the logarithm of the probability, one of *p*, of each category in *sample*."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.asarray(p, dtype=np.float64)[np.asarray(sample, dtype=np.intp)]))


randint_via_categorical_lpdf = categorical_lpdf


def logsum_rows(x: ArrayLike) -> Floats:
    """Return log(sum(exp(row))) of each row of *x*."""
    rows = np.asarray(x, dtype=np.float64)
    largest = rows.max(axis=1)
    return np.asarray(largest + np.log(np.exp(rows - largest[:, None]).sum(axis=1)))


# -- a kind of hyperparameter each ----------------------------------------------------------------------------
# In hyperopt these return expressions that draw when they are evaluated; here they draw.


def _bounded(
    draw: Callable[..., Floats], obs: Floats, prior_weight: float, low: float, high: float, **how: Any
) -> Floats:
    parts = adaptive_parzen_normal(obs, prior_weight, 0.5 * (high + low), high - low)
    return draw(*parts, low=low, high=high, **how)


def _log(obs: ArrayLike, least: float = 0.0) -> Floats:
    return portable.log(np.maximum(np.asarray(obs, dtype=np.float64), least))


def ap_uniform_sampler(
    obs: ArrayLike, prior_weight: float, low: float, high: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a uniform that was observed at *obs*."""
    return _bounded(GMM1, np.asarray(obs), prior_weight, low, high, size=size, rng=rng)


def ap_quniform_sampler(
    obs: ArrayLike, prior_weight: float, low: float, high: float, q: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a quniform that was observed at *obs*."""
    return _bounded(GMM1, np.asarray(obs), prior_weight, low, high, q=q, size=size, rng=rng)


def ap_loguniform_sampler(
    obs: ArrayLike, prior_weight: float, low: float, high: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a loguniform that was observed at *obs*."""
    return _bounded(LGMM1, _log(obs), prior_weight, low, high, size=size, rng=rng)


def ap_qloguniform_sampler(
    obs: ArrayLike, prior_weight: float, low: float, high: float, q: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a qloguniform that was observed at *obs*."""
    least = max(EPS, portable.exp(low))
    return _bounded(LGMM1, _log(obs, least), prior_weight, low, high, q=q, size=size, rng=rng)


def ap_normal_sampler(
    obs: ArrayLike, prior_weight: float, mu: float, sigma: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a normal that was observed at *obs*."""
    return GMM1(*adaptive_parzen_normal(obs, prior_weight, mu, sigma), size=size, rng=rng)


def ap_qnormal_sampler(
    obs: ArrayLike, prior_weight: float, mu: float, sigma: float, q: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a qnormal that was observed at *obs*."""
    return GMM1(*adaptive_parzen_normal(obs, prior_weight, mu, sigma), q=q, size=size, rng=rng)


def ap_loglognormal_sampler(
    obs: ArrayLike, prior_weight: float, mu: float, sigma: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a lognormal that was observed at *obs*."""
    return LGMM1(*adaptive_parzen_normal(_log(obs), prior_weight, mu, sigma), size=size, rng=rng)


def ap_qlognormal_sampler(
    obs: ArrayLike, prior_weight: float, mu: float, sigma: float, q: float, size: Size = (), rng: Any = None
) -> Floats:
    """Draw values of a qlognormal that was observed at *obs*."""
    return LGMM1(*adaptive_parzen_normal(_log(obs, EPS), prior_weight, mu, sigma), q=q, size=size, rng=rng)


def ap_randint_sampler(
    obs: ArrayLike, prior_weight: float, low: int, high: int | None = None, size: Size = (), rng: Any = None,
    LF: int = DEFAULT_LF,  # noqa: N803
) -> NDArray[np.intp]:  # fmt: skip
    """Draw values of a randint that was observed at *obs*."""
    low, high = (0, low) if high is None else (low, high)
    counts = _counts(np.asarray(obs, dtype=np.intp) - low, high - low, LF) + prior_weight
    return low + _categories(counts / counts.sum(), size, rng)


def ap_categorical_sampler(
    obs: ArrayLike, prior_weight: float, p: ArrayLike, size: Size = (), rng: Any = None, LF: int = DEFAULT_LF  # noqa: N803
) -> NDArray[np.intp]:  # fmt: skip
    """Draw categories of prior probabilities *p* that were observed at *obs*."""
    prior = np.asarray(p, dtype=np.float64).reshape(-1)
    counts = _counts(np.asarray(obs, dtype=np.intp), len(prior), LF)
    return _categories(tpe_cat_pseudocounts(counts, prior_weight, prior), size, rng)


def _counts(categories: NDArray[np.intp], n: int, remembered: int) -> Floats:
    weights = linear_forgetting_weights(len(categories), remembered)
    return np.bincount(categories, weights, minlength=n).astype(np.float64)


def _categories(probabilities: Floats, size: Size, rng: np.random.Generator | None) -> NDArray[np.intp]:
    rng = np.random.default_rng() if rng is None else rng
    shape = (size,) if isinstance(size, int) else tuple(size)
    return np.array(parzen.draw_components(rng, probabilities, math.prod(shape)), dtype=np.intp).reshape(shape)


adaptive_parzen_samplers: Mapping[str, Callable[..., NDArray[Any]]] = MappingProxyType(
    {
        "uniform": ap_uniform_sampler,
        "quniform": ap_quniform_sampler,
        "loguniform": ap_loguniform_sampler,
        "qloguniform": ap_qloguniform_sampler,
        "normal": ap_normal_sampler,
        "qnormal": ap_qnormal_sampler,
        "lognormal": ap_loglognormal_sampler,
        "qlognormal": ap_qlognormal_sampler,
        "randint": ap_randint_sampler,
        "categorical": ap_categorical_sampler,
    }
)
