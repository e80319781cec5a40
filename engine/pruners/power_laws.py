"""Learning curves as power laws: what a curve will come to, with its uncertainty, from the curves that came to an end.

A curve is y(x) = f + a h(x) + noise over the steps x, where f is its value at the horizon T, the step at which trials
end, and h(x) = ((T / x)**b - 1) / b is 0 there: the power law with three parameters of Domhan, Springenberg and Hutter,
Speeding up Automatic Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning Curves (IJCAI
2015). b = 0 is a logarithm, b = -1 a line. For each exponent b of a grid, f and a have a normal prior, that of the
curves that ended, so their posterior and the evidence of a curve are known in closed form (Rasmussen and Williams,
Gaussian Processes for Machine Learning, 2006, section 2.1), and the exponents are weighed by that evidence. How wrong
such extrapolations of the ended curves would have been, each by the others, says by how much to widen the deviation.

Notation (m: curves; p: points of each; e: exponents):

    x, y, is_known  (p, m)  steps, values, and which of these there are
    h               (p, m, e)
    f, a            (m, e)  of the curve that fits best, by least squares
    noise           (e,)    the variance around it

Only operations that are exact everywhere are used, in a fixed order, so decisions are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.pruners.step_cells import Points

Floats = NDArray[np.float64]

_EXPONENTS = np.array([-1.0, 0.0, 0.5, 1.0, 2.0])
_LEAST_NOISE = 1e-6
"""Of the variance, relative to the square of how far the ended curves are apart."""
_RIDGE = 1e-6
_CALIBRATED_BY = 2.0
"""As how many extrapolations the assumption counts that they are as wrong as they say."""
_TINY, _FAR = 1e-300, 1e6


class Extrapolation(NamedTuple):
    """The value that a curve is expected to end with, and the standard deviation of that, in the unit of the values."""

    mean: float
    deviation: float

    def chance_below(self, value: float) -> float:
        """Return the chance of an end below *value*, by Student's t with 4 degrees of freedom: its tails are heavy."""
        z = (value - self.mean) / self.deviation * math.sqrt(2.0)  # its variance is 2
        z = min(max(z, -_FAR), _FAR)
        r = z / math.sqrt(1.0 + 0.25 * z * z)
        return 0.5 + 0.375 * r * (1.0 - r * r / 12.0)


class Compared(NamedTuple):
    """A curve, and those of at least four trials that were trained to the end."""

    ended: Sequence[Points]
    cut: Sequence[Points]
    """The same, as far as the curve has come."""
    finals: Sequence[float]
    """The values that they ended with."""
    own: Points
    """The curve itself; it may have no point."""

    def of_logarithms(self) -> Compared | None:
        """Return the curves of the logarithms of the values; None if one is not above 0."""
        if min(*self.finals, *self.own.y, *(y for each in self.ended for y in each.y)) <= 0.0:
            return None
        ended, cut = ([_of_logarithms(each) for each in curves] for curves in (self.ended, self.cut))
        return Compared(ended, cut, [portable.log(final) for final in self.finals], _of_logarithms(self.own))


def _of_logarithms(curve: Points) -> Points:
    return Points(curve.x, [portable.log(y) for y in curve.y])


class Prospects(NamedTuple):
    """What a curve will come to, all of it for the values, or all of it for their logarithms."""

    best: float
    """The lowest value that a trial ended with."""
    own: Extrapolation
    fresh: Extrapolation
    """What a trial will come to of which nothing is known."""


def prospects(curves: Compared, horizon: int) -> Prospects:
    """Return what the curve itself will come to at *horizon*, and what a new trial will.

    Power laws are fitted to the values or, if those fit better and all are above 0, to their logarithms.
    """
    with np.errstate(all="ignore"):  # values so large that their differences are infinite: all chances are nan
        laws = _Laws.of(curves, horizon)
        of_logarithms = curves.of_logarithms()
        if of_logarithms is not None:
            others = _Laws.of(of_logarithms, horizon)
            # The density of a logarithm is that of the value, times the value.
            if others.misfit() + 2.0 * math.fsum(y for each in of_logarithms.ended for y in each.y) < laws.misfit():
                curves, laws = of_logarithms, others
        return laws.prospects(curves, horizon)


class _Laws(NamedTuple):
    """The power laws that fit the ended curves best, with values less *centre* and divided by *scale*."""

    centre: float
    scale: float
    sums: _Sums
    f: Floats
    a: Floats
    noise: Floats

    @classmethod
    def of(cls, curves: Compared, horizon: int) -> _Laws:
        centre, n = min(curves.finals), len(curves.finals)
        scale = math.fsum((final - centre) / n for final in curves.finals)
        scale = scale or math.fsum(abs(y - centre) / len(each.y) / n for each in curves.ended for y in each.y) or 1.0
        sums = _Sums.of(curves.ended, horizon, centre, scale)
        return cls(centre, scale, sums, *sums.least_squares())

    def misfit(self) -> float:
        """Return -2 times the logarithm of the likelihood of the ended curves, but for a constant."""
        n = float(_total(self.sums.n)[0])
        return n * (portable.log(float(self.noise.min())) + 2.0 * portable.log(self.scale))

    def prospects(self, curves: Compared, horizon: int) -> Prospects:
        """Return what the curve itself will come to, and what a new trial will."""
        asked = [*curves.cut, curves.own, Points([], [])]
        mean, variance = _Sums.of(asked, horizon, self.centre, self.scale).posterior(self)
        wrong = 0.0
        for k, final in enumerate(curves.finals):
            error = (final - self.centre) / self.scale - float(mean[k])
            wrong += error * error / float(variance[k])
        widened = (wrong + _CALIBRATED_BY) / (len(curves.finals) + _CALIBRATED_BY)
        own, fresh = (
            Extrapolation(
                self.centre + self.scale * float(mean[k]),
                max(self.scale * math.sqrt(float(variance[k]) * widened), math.ulp(0.0)),
            )
            for k in (-2, -1)
        )
        return Prospects(min(curves.finals), own, fresh)


class _Sums(NamedTuple):
    """Sums over the points of each curve; *n*, *y* and *yy* are (m, 1), the others (m, e)."""

    n: Floats
    h: Floats
    hh: Floats
    y: Floats
    hy: Floats
    yy: Floats

    @classmethod
    def of(cls, curves: Sequence[Points], horizon: float, centre: float, scale: float) -> _Sums:
        """Return the sums of *curves*, their values less *centre* and divided by *scale*."""
        m, most = len(curves), max(len(curve.x) for curve in curves)
        x, y, is_known = np.full((most, m), float(horizon)), np.zeros((most, m)), np.zeros((most, m))
        for k, curve in enumerate(curves):
            x[: len(curve.x), k], is_known[: len(curve.x), k] = curve.x, 1.0
            y[: len(curve.x), k] = (np.array(curve.y) - centre) / scale
        u = portable.log(horizon / x)
        h = np.stack([u if b == 0.0 else (portable.exp(b * u) - 1.0) / b for b in _EXPONENTS], axis=2)
        h *= is_known[:, :, None]
        y, n = y[:, :, None], is_known[:, :, None]
        return cls(*map(_total, (n, h, h * h, y, h * y, y * y)))

    def least_squares(self) -> tuple[Floats, Floats, Floats]:
        """Return f and a of each curve, and the noise, that of the curves which fit worse counting as much as others.

        A slope costs a little, so that a curve of one point has none.
        """
        hh = self.hh * (1.0 + _RIDGE) + _TINY
        determinant = self.n * hh - self.h * self.h
        f = (hh * self.y - self.h * self.hy) / determinant
        a = (self.n * self.hy - self.h * self.y) / determinant
        left = self.yy - f * self.y - a * self.hy
        n = _total(self.n) - 2.0 * len(self.n)
        return f, a, np.maximum(_total(np.maximum(left, 0.0)) / np.maximum(n, 1.0), _LEAST_NOISE)

    def posterior(self, laws: _Laws) -> tuple[Floats, Floats]:
        """Return the mean and the variance, (m,) each, of what each curve ends with, weighed over the exponents.

        The first curves are those of *laws*: the prior of each is made of the others. That of the last two is made of
        all of them.
        """
        f, a, noise, whole = laws.f, laws.a, laws.noise, laws.sums
        k = len(f)
        mean_f, mean_a = _total(f) / k, _total(a) / k
        d_f, d_a = f - mean_f, a - mean_a

        def spread(products: Floats) -> Floats:
            total = _total(products)
            without = (total - k / (k - 1.0) * products) / (k - 2.0)
            return (1.0 + 1.0 / k) * np.concatenate((without, total[None] / (k - 1.0), total[None] / (k - 1.0)))

        m_f = np.concatenate((mean_f - d_f / (k - 1.0), mean_f[None], mean_f[None]))
        m_a = np.concatenate((mean_a - d_a / (k - 1.0), mean_a[None], mean_a[None]))
        c_ff = np.maximum(spread(d_f * d_f), 0.0) + noise
        c_aa = np.maximum(spread(d_a * d_a), 0.0) + noise * _total(whole.n) / (_total(whole.hh) + _TINY)
        c_fa = spread(d_f * d_a) * (1.0 - 1.0 / k)
        return self._posterior(m_f, m_a, c_ff, c_fa, c_aa, noise)

    def _posterior(
        self, m_f: Floats, m_a: Floats, c_ff: Floats, c_fa: Floats, c_aa: Floats, noise: Floats
    ) -> tuple[Floats, Floats]:
        determinant = np.maximum(c_ff * c_aa - c_fa * c_fa, _TINY)
        p_ff = c_aa / determinant + self.n / noise
        p_fa = self.h / noise - c_fa / determinant
        p_aa = c_ff / determinant + self.hh / noise
        # What the prior's mean leaves.
        y = self.y - m_f * self.n - m_a * self.h
        hy = self.hy - m_f * self.h - m_a * self.hh
        yy = self.yy - m_f * (self.y + y) - m_a * (self.hy + hy)
        of_p = np.maximum(p_ff * p_aa - p_fa * p_fa, _TINY)
        d_f = (p_aa * y - p_fa * hy) / (of_p * noise)
        d_a = (p_ff * hy - p_fa * y) / (of_p * noise)
        misfit = np.maximum(yy - d_f * y - d_a * hy, 0.0) / noise
        log_evidence = -0.5 * (self.n * portable.log(noise) + portable.log(determinant) + portable.log(of_p) + misfit)
        weights = portable.exp(log_evidence - log_evidence.max(axis=1, keepdims=True))
        f, variance = m_f + d_f, p_aa / of_p + noise
        total = _total(weights.T)
        mean = _total((weights * f).T) / total
        off = f - mean[:, None]
        return mean, _total((weights * (variance + off * off)).T) / total


def _total(rows: Floats) -> Floats:
    """Return the sum of *rows*, added one by one: the order in which numpy adds may differ between machines."""
    return np.asarray(np.add.accumulate(rows, axis=0)[-1])
