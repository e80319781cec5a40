"""Gaussian process regression: arrays in, arrays out.

Rasmussen and Williams, Gaussian Processes for Machine Learning (2006), chapters 2 and 5; the numbers in comments
are theirs. The covariance of two rows x and x' of features is

    k(x, x') = M(r) + w (1 + s)**2 + c,   r**2 = sum_i (x_i - x'_i)**2 / l_i**2,   s = sum_i x_i x'_i / l_i**2,

times a common variance: a Matern of order 5/2 (eq. 4.17) for what is rugged, a second-order polynomial (eq. 4.13) for
the trend, whose bowls may lie at any angle to the axes, and a constant for the mean. The variance is integrated out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_ROOT_5 = math.sqrt(5.0)
_MEAN = 4.0  # c: the mean is as good as unknown
_JITTER = 1e-10
# Normal priors of the logarithms of the length scales (and one more per dimension), of the noise's share and of w.
_LENGTH_SIGMA = 1.2
_NOISE_MEAN, _NOISE_SIGMA = math.log(1e-4), 3.0
_TREND_MEAN, _TREND_SIGMA = math.log(0.1), 2.0
_LENGTH_RANGE = (math.log(0.01), math.log(300.0))
_NOISE_RANGE = (math.log(1e-8), math.log(10.0))
_TREND_RANGE = (math.log(1e-5), math.log(100.0))
# Of the gamma prior of the precision.
_SHAPE = _RATE = 1.0


class Hyperparameters(NamedTuple):
    """Length scales, one per group of features, the noise's variance and w, as logarithms."""

    lengths: Floats
    noise: float
    trend: float


def default(lengths: Floats) -> Hyperparameters:
    """Return the modes of the priors, that of the logarithms of the length scales being *lengths*."""
    return Hyperparameters(lengths, _NOISE_MEAN, _TREND_MEAN)


def fit(
    x: Floats, y: Floats, groups: Integers, start: Hyperparameters, prior: Floats, *, iterations: int, has_trend: bool
) -> tuple[Hyperparameters, float]:
    """Return the hyperparameters of the greatest posterior density near *start*, and that density's logarithm.

    x: (n, f) features, around 0. y: (n,). groups: (f,) the dimension that each feature belongs to, of
    `len(start.lengths)`. prior: the means of the logarithms of the length scales. iterations: of L-BFGS-B, at most.
    has_trend: whether there is one, or w is next to nothing. The density is known up to a factor that depends on n
    alone.
    """
    from scipy.optimize import minimize

    n_groups = len(start.lengths)
    trends = _TREND_RANGE if has_trend else (_TREND_RANGE[0], _TREND_RANGE[0])
    bounds = [_LENGTH_RANGE] * n_groups + [_NOISE_RANGE, trends]
    first = np.clip([*start.lengths, start.noise, start.trend], *np.array(bounds).T)
    found = minimize(
        _loss, first, args=(x, y, groups, prior), jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": iterations, "maxfun": 2 * iterations, "ftol": 1e-4, "gtol": 1e-3},
    )  # fmt: skip
    theta = found.x if np.isfinite(found.fun) else first
    return Hyperparameters(theta[:n_groups], float(theta[-2]), float(theta[-1])), -float(found.fun)


def _loss(theta: Floats, x: Floats, y: Floats, groups: Integers, prior: Floats) -> tuple[float, Floats]:
    """Return minus the log posterior and its gradient (eq. 5.8, 5.9, the variance integrated out)."""
    n, n_groups = len(y), len(prior)
    lengths, noise, trend = theta[:n_groups], math.exp(theta[-2]), math.exp(theta[-1])
    z = x * np.exp(-lengths)[groups]
    s = z @ z.T
    norms = s.diagonal().copy()
    r = _distance(norms, norms, s)
    e = np.exp(-_ROOT_5 * r)
    u = 1.0 + s
    k = (1.0 + _ROOT_5 * r + (5.0 / 3.0) * r * r) * e
    k += trend * u * u
    k += _MEAN
    k.flat[:: n + 1] += noise + _JITTER
    lower, ok = _cholesky(k)
    if not ok:
        return math.inf, np.zeros_like(theta)
    inverse = _inverse(lower)
    alpha = inverse @ y
    shape, rate = _SHAPE + 0.5 * n, _RATE + 0.5 * float(y @ alpha)
    if not rate > 0.0:  # the matrix is singular but for rounding
        return math.inf, np.zeros_like(theta)
    value = shape * math.log(rate) + float(np.log(lower.diagonal()).sum())
    # d value / d k, which is symmetric.
    g = inverse
    g *= 0.5
    g -= (0.5 * shape / rate) * np.multiply.outer(alpha, alpha)
    gradient = np.empty_like(theta)
    gradient[-2] = noise * float(g.trace())
    gu = g * u
    gradient[-1] = trend * float((gu * u).sum())
    # Of M, d M / d r**2 = -5/6 (1 + sqrt(5) r) exp(-sqrt(5) r), and d r**2 / d log l_i = -2 (z_i - z'_i)**2.
    h = g
    h *= 1.0 + _ROOT_5 * r
    h *= e
    per_feature = (10.0 / 3.0) * (h.sum(1) @ (z * z) - (z * (h @ z)).sum(0))
    per_feature -= (4.0 * trend) * (z * (gu @ z)).sum(0)
    gradient[:n_groups] = np.bincount(groups, weights=per_feature, minlength=n_groups)
    # The priors.
    off = lengths - prior
    value += 0.5 * float(off @ off) / _LENGTH_SIGMA**2
    gradient[:n_groups] += off / _LENGTH_SIGMA**2
    value += (
        0.5 * ((theta[-2] - _NOISE_MEAN) / _NOISE_SIGMA) ** 2 + 0.5 * ((theta[-1] - _TREND_MEAN) / _TREND_SIGMA) ** 2
    )
    gradient[-2] += (theta[-2] - _NOISE_MEAN) / _NOISE_SIGMA**2
    gradient[-1] += (theta[-1] - _TREND_MEAN) / _TREND_SIGMA**2
    return value, gradient


@dataclass(frozen=True, slots=True)
class Posterior:
    """What rows with known values tell of others. See `condition`."""

    z: Floats
    """(n, f) the known rows, divided by the length scales."""
    norms: Floats
    alpha: Floats
    """(n,) K**-1 y, with 0 for rows that are believed, not known."""
    inverse: Floats
    """(n, n) K**-1."""
    variance: float
    trend: float
    scales: Floats
    """(f,) one over the length scale of each feature."""
    noise: float

    def predict(self, x: Floats) -> tuple[Floats, Floats]:
        """Return the mean and the standard deviation (eq. 2.25, 2.26) of the noiseless function at rows *x*."""
        z = x * self.scales
        s = z @ self.z.T
        norms = np.einsum("ij,ij->i", z, z)
        r = _distance(norms, self.norms, s)
        u = 1.0 + s
        k = (1.0 + _ROOT_5 * r + (5.0 / 3.0) * r * r) * np.exp(-_ROOT_5 * r)
        k += self.trend * u * u
        k += _MEAN
        spread = 1.0 + _MEAN + self.trend * (1.0 + norms) ** 2 - np.einsum("ij,ij->i", k @ self.inverse, k)
        return k @ self.alpha, np.sqrt(self.variance * np.maximum(spread, _JITTER))

    def slopes(self, x: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Return what `predict` does, and the derivatives of both by each feature, of the shape of *x*."""
        z = x * self.scales
        s = z @ self.z.T
        norms = (z * z).sum(1)
        r = _distance(norms, self.norms, s)
        e = np.exp(-_ROOT_5 * r)
        s += 1.0
        linear = 1.0 + _ROOT_5 * r
        r *= r
        k = (linear + (5.0 / 3.0) * r) * e
        k += self.trend * s * s
        k += _MEAN
        v = k @ self.inverse
        spread = 1.0 + _MEAN + self.trend * (1.0 + norms) ** 2 - (v * k).sum(1)
        sigma = np.sqrt(self.variance * np.maximum(spread, _JITTER))
        # d k / d z is steep (z - z_i) + flat z_i.
        steep = linear * e
        steep *= -5.0 / 3.0
        flat = (2.0 * self.trend) * s - steep
        d_mean = (steep @ self.alpha)[:, None] * z + (flat * self.alpha) @ self.z
        steep *= v
        flat *= v
        d_spread = (4.0 * self.trend) * (1.0 + norms)[:, None] * z
        d_spread -= 2.0 * (steep.sum(1)[:, None] * z + flat @ self.z)
        d_spread *= np.where(spread > _JITTER, 0.5 * self.variance / sigma, 0.0)[:, None]
        return k @ self.alpha, sigma, d_mean * self.scales, d_spread * self.scales


def condition(theta: Hyperparameters, x: Floats, y: Floats, groups: Integers, believed: Floats) -> Posterior:
    """Return what *y* at rows *x* tells, if *believed* rows will turn out as expected (Ginsbourger et al. 2010)."""
    scales = np.exp(-theta.lengths)[groups]
    noise, trend = math.exp(theta.noise), math.exp(theta.trend)
    n = len(y)
    z = np.concatenate((x, believed)) * scales
    s = z @ z.T
    norms = s.diagonal().copy()
    r = _distance(norms, norms, s)
    k = (1.0 + _ROOT_5 * r + (5.0 / 3.0) * r * r) * np.exp(-_ROOT_5 * r)
    k += trend * (1.0 + s) ** 2
    k += _MEAN
    k.flat[:: len(z) + 1] += noise + _JITTER
    lower, ok = _cholesky(k)
    more = noise + _JITTER
    while not ok:  # as many rows of nearly the same place as rounding cannot tell apart
        more *= 10.0
        k.flat[:: len(z) + 1] += more
        lower, ok = _cholesky(k)
    inverse = _inverse(lower)
    alpha = np.zeros(len(z))
    if len(believed):
        known, _ = _cholesky(k[:n, :n])
        alpha[:n] = _inverse(known) @ y
    else:
        alpha[:] = inverse @ y
    variance = max(_RATE + 0.5 * float(y @ alpha[:n]), _JITTER) / (_SHAPE + 0.5 * n)
    return Posterior(z, norms, alpha, inverse, variance, trend, scales, noise)


def _distance(norms: Floats, others: Floats, products: Floats) -> Floats:
    square: Floats = norms[:, None] + others
    square -= 2.0 * products
    np.maximum(square, 0.0, out=square)
    np.sqrt(square, out=square)
    return square


def _cholesky(k: Floats) -> tuple[Floats, bool]:
    from scipy.linalg.lapack import dpotrf

    lower, info = dpotrf(k, lower=1, clean=1)
    return lower, info == 0


def _inverse(lower: Floats) -> Floats:
    from scipy.linalg.lapack import dpotri

    half, _ = dpotri(lower, lower=1)
    diagonal = half.diagonal().copy()
    whole = half + half.T
    np.fill_diagonal(whole, diagonal)
    return np.ascontiguousarray(whole)
