"""Warp losses into what a Gaussian process can be fitted to: outliers drawn in, best losses drawn apart."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_POWERS = np.linspace(-3.0, 3.0, 61)
_FARTHEST = 1e6  # in units of the middle spread: what is beyond counts as this far
_FLATTEST = 1e-12


def standardise(losses: Floats) -> Floats:
    """Return finite *losses* moved and scaled so that their median is 0 and their middle half about 1 wide."""
    half = 0.5 * losses  # whose differences are finite
    low, middle, high = np.percentile(half, [25.0, 50.0, 75.0])
    spread = high - low
    if not spread > _FLATTEST * max(abs(low), abs(high)):
        spread = half.max() - half.min()
    if not spread > 0.0:
        return np.zeros(len(losses))
    with np.errstate(over="ignore"):
        return np.asarray(np.clip((half - middle) / spread, -_FARTHEST, _FARTHEST))


def bilog(values: Floats, seen: Floats) -> Floats:
    """Return sign(v) log(1 + |v|) of the *values*, in units of the median size of those *seen* that are not 0.

    It keeps the sign, sees best around 0 and draws outliers in: for the values of constraints (Eriksson and Poloczek,
    Scalable Constrained Bayesian Optimization, 2021).
    """
    sizes = np.abs(seen[seen != 0.0])
    unit = float(np.median(sizes)) if len(sizes) else 1.0
    with np.errstate(over="ignore"):
        return np.asarray(np.sign(values) * np.log1p(np.minimum(np.abs(values) / unit, _FARTHEST)))


class Warped(NamedTuple):
    """Warped losses, with mean 0 and variance 1, and what they were made by."""

    losses: Floats
    power: float
    log_density: float
    """The logarithm of how much the warping stretches, summed over all losses: what makes likelihoods comparable."""


def yeo_johnson(x: Floats, power: float) -> Warped:
    """Return standardised losses *x* transformed by *power*; 1 leaves them as they are.

    Yeo and Johnson, A new family of power transformations to improve normality or symmetry (2000).
    """
    sign = np.where(x < 0.0, -1.0, 1.0)
    logs = np.log1p(np.abs(x))
    # For x < 0 it is -((1 - x)**(2 - p) - 1) / (2 - p), so one formula with the power mirrored at 1.
    powers = np.where(x < 0.0, 2.0 - power, power)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        y = sign * np.where(np.abs(powers) < 1e-9, logs, np.expm1(powers * logs) / powers)
    y = y - y.mean()
    deviation = float(y.std())
    if not 0.0 < deviation < math.inf:
        return Warped(np.zeros(len(x)), power, -math.inf)
    return Warped(y / deviation, power, (power - 1.0) * float((sign * logs).sum()) - len(x) * math.log(deviation))


def most_normal(x: Floats) -> float:
    """Return the power by which standardised losses *x* come nearest to a normal sample."""
    sign = np.where(x < 0.0, -1.0, 1.0)
    logs = np.log1p(np.abs(x))
    powers = np.where(x < 0.0, 2.0 - _POWERS[:, None], _POWERS[:, None])
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        table = sign * np.where(np.abs(powers) < 1e-9, logs, np.expm1(powers * logs) / powers)
        score = -0.5 * np.log(table.var(1)) + (_POWERS - 1.0) * float((sign * logs).mean())
    score = np.where(np.isfinite(score), score, -np.inf)
    return float(_POWERS[int(np.argmax(score))])


def unwarped(y: Floats, warped: Floats, losses: Floats) -> Floats:
    """Return the losses that *y* stands for, as *warped* does for *losses*: between the nearest two, or beyond them."""
    known, first = np.unique(warped, return_index=True)
    values = losses[first]
    found = np.interp(y, known, values)
    for is_beyond, one, other in ((y < known[0], 0, 1), (y > known[-1], -1, -2)):
        slope = (values[one] - values[other]) / (known[one] - known[other])
        found = np.where(is_beyond, values[one] + slope * (y - known[one]), found)
    return found
