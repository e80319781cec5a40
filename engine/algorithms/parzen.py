"""Parzen estimators in one dimension: arrays in, arrays out.

Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization (NIPS 2011), section 4, with
the bandwidths and weights of hyperopt, whose numbers these are.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

_REMEMBERED = 25  # this many of the latest observations weigh 1 each by default
_SMALLEST_SUM = 1e-290  # below it a sum of exponentials may have lost terms to underflow
_NARROWEST = 1e-12
_BLOCK = 16_384  # elements of a table that stays in the cache
_MANY = 1_000  # categories from which on numpy's multinomial is the faster one


class Mixture(NamedTuple):
    """A mixture of normals, components in ascending order of *means*; *weights* add up to 1."""

    means: Floats
    sigmas: Floats
    weights: Floats


def forgetting_weights(n: int, remembered: int = _REMEMBERED) -> Floats:
    """Return the weights of *n* observations, the oldest first: a ramp, then 1 for each of the latest *remembered*."""
    weights = np.ones(n)
    if n > remembered:
        weights[: n - remembered] = np.linspace(1.0 / n, 1.0, n - remembered)
    return weights


def mixture(centres: Floats, weights: Floats, *, mu: float, sigma: float, prior_weight: float) -> Mixture:
    """Return the estimate from observations at ascending *centres* and the prior component (*mu*, *sigma*).

    A component is as wide as the larger of the gaps to its neighbours, the prior's always *sigma*; of m
    components none is narrower than sigma / min(100, 1 + m), and none wider than sigma.
    """
    n = len(centres)
    place = int(centres.searchsorted(mu, side="right" if n == 1 else "left"))
    means = np.concatenate((centres[:place], (mu,), centres[place:]))
    weights = np.concatenate((weights[:place], (prior_weight,), weights[place:]))
    sigmas = np.full(n + 1, 0.5 * sigma)
    if n > 1:
        gaps = np.diff(means)
        sigmas[0], sigmas[-1] = gaps[0], gaps[-1]
        np.maximum(gaps[:-1], gaps[1:], out=sigmas[1:-1])
        np.clip(sigmas, sigma / min(100.0, 2.0 + n), sigma, out=sigmas)
    sigmas[place] = sigma
    return Mixture(means, sigmas, weights / weights.sum())


def draw_components(rng: np.random.Generator, weights: Floats, n: int) -> list[int]:
    """Draw *n* indices with probabilities *weights*, the very ones that `rng.multinomial` draws."""
    if len(weights) > _MANY:
        return [int(rng.multinomial(1, weights).argmax()) for _ in range(n)]
    stops, last = _stops(weights), len(weights) - 1
    return [_draw_component(rng, stops, last) for _ in range(n)]


def draw_normals(rng: np.random.Generator, estimate: Mixture, n: int) -> Floats:
    """Draw *n* numbers from *estimate*: all components first, then all normals."""
    means, sigmas = estimate.means.tolist(), estimate.sigmas.tolist()
    components = draw_components(rng, estimate.weights, n)
    return np.array([portable.normal(rng, means[i], sigmas[i]) for i in components])


def draw_between(rng: np.random.Generator, estimate: Mixture, low: float, high: float, n: int) -> Floats:
    """Draw *n* numbers in [low, high): each time a component, then a normal, until one is inside."""
    means, sigmas = estimate.means.tolist(), estimate.sigmas.tolist()
    stops, last = _stops(estimate.weights), len(means) - 1
    drawn: list[float] = []
    while len(drawn) < n:
        component = _draw_component(rng, stops, last)
        x = portable.normal(rng, means[component], sigmas[component])
        if low <= x < high:
            drawn.append(x)
    return np.array(drawn)


def log_density(x: Floats, estimate: Mixture) -> Floats:
    """Return the logarithm of the density of *estimate* at each *x*, up to a constant.

    Two estimates are compared at the same points, so what they share is left out: the root of 2 pi, the 1 / x
    of a log scale; and the mass inside the bounds, which is the same for all points. Ties do not happen here,
    so the fast functions of numpy will do.
    """
    means, sigmas, weights = estimate
    scale = 1.0 / sigmas
    factors = weights * scale
    total = np.zeros(len(x))
    for part in _blocks(len(means), len(x)):
        table = np.subtract(x[:, None], means[part])
        table *= scale[part]
        table *= table
        table *= -0.5
        np.exp(table, out=table)
        total += np.einsum("ij,j->i", table, factors[part])
    if total.min(initial=np.inf) > _SMALLEST_SUM:
        return np.asarray(np.log(total))
    exponents = -0.5 * ((x[:, None] - means) * scale) ** 2 + np.log(factors)
    largest = exponents.max(axis=1)
    return np.asarray(largest + np.log(np.exp(exponents - largest[:, None]).sum(axis=1)))


def mass(low: Floats, high: Floats, estimate: Mixture) -> Floats:
    """Return the mass of *estimate* between each *low* and *high*.

    The same on every machine, since rounded values make ties that only the last bit decides: hence the
    operations are hyperopt's, in its order.
    """
    means, sigmas, weights = estimate
    # Rounded values repeat, and with them their components: each goes through the distribution function once.
    is_new = np.ones(len(means), dtype=bool)
    is_new[1:] = (np.diff(means) != 0.0) | (np.diff(sigmas) != 0.0)
    first, which = np.flatnonzero(is_new), np.cumsum(is_new) - 1
    edges = np.concatenate((low, high))
    total = np.zeros(len(low))
    for part in _blocks(len(means), len(edges)):
        distinct = first[which[part][0] : which[part][-1] + 1]
        below = distribution(edges, means[distinct, None], sigmas[distinct, None])
        below = below[which[part] - which[part][0]] * weights[part, None]
        # Down the columns numpy adds one row after the other.
        total += (below[:, len(low) :] - below[:, : len(low)]).sum(axis=0)
    return total


def mass_between(low: float, high: float, estimate: Mixture) -> float:
    """Return the mass of *estimate* between the bounds of a parameter; see `mass` for the order."""
    means, sigmas, weights = estimate
    edges = distribution(np.array([[high], [low]]), means, sigmas)
    return float((weights * (edges[0] - edges[1])).sum())


def distribution(x: Floats, means: Floats, sigmas: Floats) -> Floats:
    """Return the distribution function of the normals at *x*, all three broadcast."""
    return np.asarray(0.5 * (1.0 + portable.erf((x - means) / np.maximum(math.sqrt(2.0) * sigmas, _NARROWEST))))


def _blocks(columns: int, rows: int) -> list[slice]:
    width = max(1, _BLOCK // max(1, rows))
    return [slice(start, start + width) for start in range(0, columns, width)]


def _stops(weights: Floats) -> list[tuple[int, float, bool]]:
    """Return (category, limit, is_above) for each uniform that numpy's multinomial of one trial would draw.

    It asks each category but the last, unless its weight is 0, for a binomial with the probability p that is
    left to it: by u > 1 - p for p up to 1/2, by u <= p for a larger one. (numpy computes 1 - p as
    exp(log1p(-p)), of which the last bit depends on the machine.)
    """
    stops = []
    remaining = 1.0
    for category, weight in enumerate(weights[:-1].tolist()):
        if weight == 0.0:
            continue
        p = weight / remaining
        stops.append((category, 1.0 - p, True) if p <= 0.5 else (category, 1.0 - (1.0 - p), False))
        remaining -= weight
        if p >= 1.0:
            break
    return stops


def _draw_component(rng: np.random.Generator, stops: list[tuple[int, float, bool]], last: int) -> int:
    random = rng.random
    for component, limit, is_above in stops:
        if (random() > limit) is is_above:
            return component
    return last
