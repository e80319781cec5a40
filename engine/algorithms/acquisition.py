"""Acquisition: the expected improvement of points not tried, and the search for where it is greatest.

Notation (m: rows asked about, f: features, d: labels that are numbers, which are the first features):

    rows         (m, labels)  rows of the encoding; x (m, f) are their features, see `surrogate`
    mean, sigma  (m,)         predicted mean and deviation of the warped loss, in units of its deviation
    d_mean       (m, f)       derivatives by the features; likewise d_sigma
    best         scalar       the warped loss to improve on
    z            (m,)         (best - mean) / (exploration_weight sigma), without unit
    phi, Phi                  density and distribution function of the standard normal distribution
    value        (m,)         the logarithm of the acquisition function; d_value (m, d) its derivatives
"""

from __future__ import annotations

import math
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.encoding import MIDDLE, Encoding
from hstore.engine.algorithms.surrogate import Surrogate

Floats = NDArray[np.float64]

_LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)
_ROOT_HALF = math.sqrt(0.5)
_ROOT_HALF_PI = math.sqrt(0.5 * math.pi)
_VAGUE = 0.1  # variance added to that of the prediction whether a trial fails
_STARTS, _ITERATIONS = 5, 20
_ROUNDS = 4
_WORTHWHILE = 1e-6  # least gain in the logarithm for which a row is given up for another
_MARGIN, _MOST_MARGINS = 0.05, 10
_DIGITS = 5
# In ranges of the labels: rows as near as this to a trial that ended, or to a pending one, need not be tried again.
_SAME, _NEAR = 1e-9, 1e-3
_MOST_NEIGHBOURS = 200
_FAR = -25.0  # deviations below which the tail's series is as good as the function


def log_expected_improvement(z: Floats) -> tuple[Floats, Floats]:
    """Return log(phi(z) + z Phi(z)) and its derivative, for *z* = (best - mean) / deviation of any size.

    The expected improvement (Jones, Schonlau and Welch 1998) in units of the deviation, in logarithms since it
    underflows where a search starts from (Ament et al., Unexpected Improvements to Expected Improvement, 2023).
    """
    from scipy.special import erfcx, ndtr

    density = -0.5 * z * z - _LOG_ROOT_2_PI
    # In the tail Phi(z) / phi(z) is Mills' ratio; 1 + z ratio loses its digits far out, where it tends to 1 / z**2.
    x = np.minimum(z, 0.0)
    ratio = _ROOT_HALF_PI * erfcx(-_ROOT_HALF * x)
    gap = np.where(x < _FAR, 1.0 / (x * x + 3.0), 1.0 + x * ratio)
    value, slope = density + np.log(gap), ratio / gap
    if z.max() > 0.0:
        x, mass = np.maximum(z, 0.0), ndtr(z)
        improvement = np.exp(-0.5 * x * x - _LOG_ROOT_2_PI) + x * mass
        value = np.where(z > 0.0, np.log(improvement), value)
        slope = np.where(z > 0.0, mass / improvement, slope)
    return value, slope


def plateau_margin(n_best: int) -> float:
    """Return by how much a trial has to improve on the best warped loss where *n_best* trials are tied for it.

    On a plateau the expected improvement is greatest right beside the trials, where a trial teaches nothing. A margin
    beyond what such points can reach sends the search elsewhere.
    """
    return _MARGIN * min(n_best - 1, _MOST_MARGINS)


class AcquisitionFunction(Protocol):
    """A function of rows whose greatest value is at the best point to try."""

    @property
    def surrogate(self) -> Surrogate:
        """The surrogate whose features `slopes` takes."""
        ...

    def rounded(self, by: float) -> AcquisitionFunction:
        """Return the function on a machine that rounds differently; see `Posterior.rounded`."""
        ...

    def at(self, rows: Floats) -> Floats:
        """Return its values (m,) at tidy *rows* (m, labels)."""
        ...

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """Return its values (m,) at features *x* (m, f), and their derivatives (m, d) by those that are numbers."""
        ...


class Criterion(NamedTuple):
    """The logarithm of the expected improvement over *best*, times the probability that a trial does not fail."""

    surrogate: Surrogate
    best: float
    feasibility_power: float = 1.0
    """The power to which that probability is raised."""
    exploration_weight: float = 1.0
    """A factor of the predicted deviations: below 1 the search relies more on the mean and explores less."""

    def rounded(self, by: float) -> Criterion:
        """See `AcquisitionFunction.rounded`."""
        return self._replace(surrogate=self.surrogate.rounded(by))

    def at(self, rows: Floats) -> Floats:
        """See `AcquisitionFunction.at`."""
        x = self.surrogate.features.of(rows)
        mean, sigma = self.surrogate.posterior.predict(x)
        z = (self.best - mean) / (self.exploration_weight * sigma)
        value = log_expected_improvement(z)[0] + np.log(sigma) + self._noise_discount(sigma)[0]
        if self.surrogate.success is not None:
            value += self.feasibility_power * log_chance(*self.surrogate.success.predict(x))[0]
        return value

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """See `AcquisitionFunction.slopes`."""
        d = len(self.surrogate.features.encoding.numbers)
        mean, sigma, d_mean, d_sigma = self.surrogate.posterior.slopes(x)
        z = (self.best - mean) / (self.exploration_weight * sigma)
        value, slope = log_expected_improvement(z)
        discount, discount_by_sigma = self._noise_discount(sigma)
        value = value + np.log(sigma) + discount
        by_mean, by_sigma = -slope / (self.exploration_weight * sigma), (1.0 - z * slope) / sigma + discount_by_sigma
        d_value = d_mean[:, :d] * by_mean[:, None] + d_sigma[:, :d] * by_sigma[:, None]
        if self.surrogate.success is not None:
            mean, sigma, d_mean, d_sigma = self.surrogate.success.slopes(x)
            more, by_mean, by_sigma = log_chance(mean, sigma)
            value = value + self.feasibility_power * more
            d_more = d_mean[:, :d] * by_mean[:, None] + d_sigma[:, :d] * by_sigma[:, None]
            d_value = d_value + self.feasibility_power * d_more
        return value, d_value

    def _noise_discount(self, sigma: Floats) -> tuple[Floats, Floats]:
        """Return log(1 - t / sqrt(sigma**2 + t**2)) and its derivative, t being the deviation of the noise.

        A point that is known as well as the noise permits is not worth another trial: augmented expected improvement
        (Huang, Allen, Notz and Zeng, Global Optimization of Stochastic Black-Box Systems via Sequential Kriging
        Meta-Models, 2006). sigma: (m,).
        """
        t = math.sqrt(self.surrogate.posterior.variance * self.surrogate.posterior.noise)
        whole = np.sqrt(sigma * sigma + t * t)
        return np.log(sigma * sigma / (whole * (whole + t))), t * (whole + t) / (whole * whole * sigma)


def log_chance(mean: Floats, sigma: Floats, vague: float = _VAGUE) -> tuple[Floats, Floats, Floats]:
    """Return log Phi(mean / sqrt(sigma**2 + vague)) and its derivatives by *mean* and *sigma*, (m,) each.

    The probability that a value predicted so is positive (Rasmussen and Williams 2006, eq. 3.25).
    """
    from scipy.special import log_ndtr

    width = np.sqrt(sigma * sigma + vague)
    z = mean / width
    value = log_ndtr(z)
    slope = np.exp(-0.5 * z * z - _LOG_ROOT_2_PI - value) / width
    return value, slope, -slope * z * sigma / width


def best_first(criterion: AcquisitionFunction, candidates: Floats, ended: Floats, pending: Floats) -> Floats:
    """Return the rows that a local search finds from the best few of tidy *candidates*, then these; best first.

    Numbers follow the gradient, by L-BFGS-B on all of the few at once. Coarse cells and options are then changed one at
    a time as long as the value rises. Rows found that *ended* or *pending* trials have tried come last.

    All arguments but *criterion* are (any number, labels) rows of the encoding, and so is the result.
    """
    values = criterion.at(candidates)
    order = _best(values)
    rows, found = _climb(criterion, candidates[order[:_STARTS]], values[order[:_STARTS]])
    _change_cells(criterion, rows, found)
    rows, others = rows[_best(found)], candidates[order]
    is_old = _is_near(rows, ended, _SAME) | _is_near(rows, pending, _NEAR)
    return np.concatenate((rows[~is_old], others, rows[is_old]))


def _change_cells(criterion: AcquisitionFunction, rows: Floats, found: Floats) -> None:
    """Replace the best of *rows*, with values *found*, by its best neighbour while that is better, a few times."""
    encoding = criterion.surrogate.features.encoding
    for _ in range(_ROUNDS):
        best = _best(found)[0]
        near = _neighbours(encoding, rows[best])
        if not len(near):
            break
        theirs = criterion.at(near)
        top = _best(theirs)[0]
        if not theirs[top] > found[best] + _WORTHWHILE:
            break
        moved, value = _climb(criterion, near[top : top + 1], theirs[top : top + 1])
        rows[best], found[best] = moved[0], value[0]


def _best(values: Floats) -> NDArray[np.intp]:
    """Return the positions of *values*, the greatest first. Rounded: machines differ in the last digits."""
    return np.argsort(-np.round(values, _DIGITS), kind="stable")


def _is_near(rows: Floats, others: Floats, reach: float) -> NDArray[np.bool_]:
    gaps = np.abs(rows[:, None] - others).max(2, initial=0.0)
    return np.asarray((gaps <= reach).any(1))


def _climb(criterion: AcquisitionFunction, rows: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return *rows* moved along the gradient of what is smooth, rounded again, and their values; none is worse."""
    from scipy.optimize import minimize

    encoding = criterion.surrogate.features.encoding
    numbers = encoding.numbers
    free = encoding.active(rows)[:, numbers] & ~encoding.is_coarse & (encoding.highest > encoding.lowest)
    if not free.any():
        return rows, values
    x = criterion.surrogate.features.of(rows)
    n, k = np.nonzero(free)  # numbers are the first features, in the order of the labels

    def descend(values: Floats) -> tuple[float, Floats]:
        x[n, k] = values
        value, slope = criterion.slopes(x)
        return -float(value.sum()), -slope[n, k]

    bounds = np.column_stack((encoding.lowest[k], encoding.highest[k])) - MIDDLE
    found = minimize(
        descend, x[n, k], jac=True, method="L-BFGS-B", bounds=bounds,
        options={"maxiter": _ITERATIONS, "maxfun": _ITERATIONS + 10},
    )  # fmt: skip
    trial = rows.copy()
    trial[n, numbers[k]] = found.x + MIDDLE
    encoding.tidy(trial)
    theirs = criterion.at(trial)
    is_better = theirs > values + _WORTHWHILE
    return np.where(is_better[:, None], trial, rows), np.where(is_better, theirs, values)


def _neighbours(encoding: Encoding, row: Floats) -> Floats:
    """Return the rows that differ from *row* in one cell or option."""
    active = encoding.active(row[None])[0]
    found = []
    for k, j in enumerate(encoding.numbers):
        if active[j] and encoding.is_coarse[k]:
            for step in (-encoding.steps[k], encoding.steps[k]):
                moved = row.copy()
                moved[j] = min(max(row[j] + step, encoding.lowest[k]), encoding.highest[k])
                found.append(moved)
    for j in encoding.categories:
        if active[j] and j not in encoding.leads:
            for option in range(min(int(encoding.n_options[j]), _MOST_NEIGHBOURS)):
                if option != row[j]:
                    moved = row.copy()
                    moved[j] = option
                    found.append(moved)
    if not found:
        return np.empty((0, len(row)))
    return encoding.tidy(np.array(found[:_MOST_NEIGHBOURS]))
