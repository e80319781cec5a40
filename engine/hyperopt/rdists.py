"""Frozen distributions of the kinds of hyperparameter, in the shape of scipy.stats: hyperopt's rdists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr
from scipy.stats import lognorm, rv_continuous

from hstore.store.errors import InvalidValue

Floats = NDArray[np.float64]


class loguniform_gen(rv_continuous):  # type: ignore[misc]  # noqa: N801
    """exp(uniform(*low*, *high*)): the bounds are logarithms."""

    __module__ = "hstore.rdists"

    def __init__(self, low: float = 0, high: float = 1) -> None:
        self._low, self._high = _bounds(low, high)
        super().__init__(a=math.exp(self._low), b=math.exp(self._high))

    def _updated_ctor_param(self) -> dict[str, Any]:
        return {"low": self._low, "high": self._high}

    def _rvs(self, *args: Any, size: Any = None, random_state: Any = None) -> Any:
        return np.exp(random_state.uniform(self._low, self._high, size))

    def _pdf(self, x: Floats) -> Any:
        return 1.0 / (x * (self._high - self._low))

    def _logpdf(self, x: Floats) -> Any:
        return -np.log(x) - math.log(self._high - self._low)

    def _cdf(self, x: Floats) -> Any:
        return (np.log(x) - self._low) / (self._high - self._low)

    def _ppf(self, q: Floats) -> Any:
        return np.exp(self._low + q * (self._high - self._low))


def lognorm_gen(mu: float, sigma: float) -> Any:
    """Return scipy's lognorm, frozen, of which the logarithm is normal with *mu* and *sigma*."""
    return lognorm(s=_positive("sigma", sigma), scale=math.exp(mu))


class _Rounded:
    """round(x / q) * q for a continuous x: a mass on each multiple of *q*."""

    def __init__(self, q: float) -> None:
        self.q = _positive("q", q)

    def _below(self, x: Floats) -> Floats:
        """Return for each *x* a number s such that the continuous variable is below x with probability ndtr(s)."""
        raise NotImplementedError

    def _mass(self, starts: Floats, ends: Floats) -> Floats:
        low, high = self._below(starts), self._below(ends)
        # On the right of the middle the difference of what is above is exact where that of what is below is 0.
        return np.asarray(np.where(low > 0, ndtr(-low) - ndtr(-high), ndtr(high) - ndtr(low)))

    def _draw(self, random_state: Any, size: Any) -> Any:
        raise NotImplementedError

    def in_domain(self, x: ArrayLike) -> Any:
        """Return whether each *x* is a multiple of *q*."""
        steps = np.asarray(x, dtype=np.float64) / self.q
        return np.isclose(steps, np.round(steps))

    def pmf(self, x: ArrayLike) -> Any:
        """Return the probability of each *x*; a float for a scalar."""
        at = np.asarray(x, dtype=np.float64)
        mass = np.where(self.in_domain(at), self._mass(at - 0.5 * self.q, at + 0.5 * self.q), 0.0)
        return float(mass) if mass.ndim == 0 else mass

    def logpmf(self, x: ArrayLike) -> Any:
        """Return the logarithm of the probability of each *x*: -inf where it is 0."""
        with np.errstate(divide="ignore"):
            logs = np.log(self.pmf(x))
        return float(logs) if np.ndim(logs) == 0 else logs

    def rvs(self, size: Any = (), random_state: Any = None) -> Any:
        """Draw an array of shape *size*: ints if *q* is one.

        random_state: a Generator or RandomState; numpy's global one if there is none, as in scipy.
        """
        drawn = np.round(self._draw(np.random if random_state is None else random_state, size) / self.q) * self.q
        drawn = safe_int_cast(drawn) if isinstance(self.q, (int, np.integer)) else drawn
        return drawn.item() if np.ndim(drawn) == 0 and hasattr(drawn, "item") else drawn


class quniform_gen(_Rounded):  # noqa: N801
    """round(uniform(*low*, *high*) / *q*) * *q*; the cells at the ends have what of them is within the bounds."""

    __module__ = "hstore.rdists"

    def __init__(self, low: float, high: float, q: float) -> None:
        super().__init__(q)
        self.low, self.high = _bounds(low, high)

    def _mass(self, starts: Floats, ends: Floats) -> Floats:
        return np.asarray((self._clipped(ends) - self._clipped(starts)) / (self.high - self.low))

    def _clipped(self, x: Floats) -> Floats:
        return np.clip(x, self.low, self.high)

    def _draw(self, random_state: Any, size: Any) -> Any:
        return random_state.uniform(self.low, self.high, size)

    @property
    def qlow(self) -> float:
        """The least value."""
        return self._rounded(self.low)

    @property
    def qhigh(self) -> float:
        """The greatest value."""
        return self._rounded(self.high)

    def _rounded(self, x: float) -> float:
        return round(x / self.q) * self.q

    @property
    def xs(self) -> Floats:
        """All values, ascending."""
        return np.asarray(self.qlow + self.q * np.arange(round((self.qhigh - self.qlow) / self.q) + 1))

    @property
    def ps(self) -> Floats:
        """The probability of each value."""
        return np.asarray(self.pmf(self.xs))


class qloguniform_gen(quniform_gen):  # noqa: N801
    """round(exp(uniform(*low*, *high*)) / *q*) * *q*: the bounds are logarithms."""

    __module__ = "hstore.rdists"

    def _clipped(self, x: Floats) -> Floats:
        return np.clip(_log(x), self.low, self.high)

    def _draw(self, random_state: Any, size: Any) -> Any:
        return np.exp(super()._draw(random_state, size))

    def _rounded(self, x: float) -> float:
        return super()._rounded(math.exp(x))


class qnormal_gen(_Rounded):  # noqa: N801
    """round(normal(*mu*, *sigma*) / *q*) * *q*."""

    __module__ = "hstore.rdists"

    def __init__(self, mu: float, sigma: float, q: float) -> None:
        super().__init__(q)
        self.mu, self.sigma = float(mu), float(_positive("sigma", sigma))

    def _below(self, x: Floats) -> Floats:
        return np.asarray((x - self.mu) / self.sigma)

    def _draw(self, random_state: Any, size: Any) -> Any:
        return random_state.normal(self.mu, self.sigma, size)


class qlognormal_gen(qnormal_gen):  # noqa: N801
    """round(exp(normal(*mu*, *sigma*)) / *q*) * *q*."""

    __module__ = "hstore.rdists"

    def in_domain(self, x: ArrayLike) -> Any:
        """Return whether each *x* is a multiple of *q* and not negative."""
        return super().in_domain(x) & (np.asarray(x) >= 0)

    def _below(self, x: Floats) -> Floats:
        return super()._below(_log(x))

    def _draw(self, random_state: Any, size: Any) -> Any:
        return np.exp(super()._draw(random_state, size))


def qtable_pmf(x: ArrayLike, q: float, qlow: float, xs: ArrayLike, ps: ArrayLike) -> Any:
    """Return the probability of each *x* by the table of values *xs*, from *qlow* in steps of *q*, and their *ps*."""
    probabilities = np.asarray(ps, dtype=np.float64)
    steps = (np.asarray(x, dtype=np.float64) - qlow) / q
    places = np.round(steps)
    is_there = np.isclose(steps, places) & (places >= 0) & (places < len(np.asarray(xs)))
    found = np.where(is_there, probabilities[np.where(is_there, places, 0).astype(np.intp)], 0.0)
    return float(found) if found.ndim == 0 else found


def qtable_logpmf(x: ArrayLike, q: float, qlow: float, xs: ArrayLike, ps: ArrayLike) -> Any:
    """Return the logarithm of `qtable_pmf`."""
    with np.errstate(divide="ignore"):
        logs = np.log(qtable_pmf(x, q, qlow, xs, ps))
    return float(logs) if np.ndim(logs) == 0 else logs


def safe_int_cast(obj: Any) -> Any:
    """Return *obj*, a number or an array, as int."""
    return obj.astype("int") if isinstance(obj, np.ndarray) else int(obj)


def _log(x: Floats) -> Floats:
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.maximum(x, 0.0)))


def _bounds(low: float, high: float) -> tuple[float, float]:
    if not low < high:
        raise InvalidValue(f"low must be less than high, but {low} is not less than {high}")
    return float(low), float(high)


def _positive(name: str, value: float) -> float:
    if not value > 0:
        raise InvalidValue(f"{name} must be positive, not {value}")
    return value
