"""What a point is worth trying: expected improvement above a threshold and its kin, hyperopt's criteria.

More is better here: to minimise, give negative losses.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hstore.store.errors import InvalidValue

Floats = NDArray[np.float64]
_FAR = -1e5  # standard deviations; beyond them log(1 - |s| * Mills' ratio) is lost to rounding


def EI_empirical(samples: ArrayLike, thresh: float) -> Any:  # noqa: N802
    """Return the mean improvement of *samples* above *thresh*."""
    return np.maximum(np.asarray(samples, dtype=np.float64) - thresh, 0.0).mean()


def EI_gaussian_empirical(mean: float, var: float, thresh: float, rng: Any, N: int) -> Any:  # noqa: N802, N803
    """Return the mean improvement above *thresh* of *N* draws by *rng* from a normal of *mean* and variance *var*."""
    return EI_empirical(rng.normal(size=N) * math.sqrt(var) + mean, thresh)


def EI_gaussian(mean: ArrayLike, var: ArrayLike, thresh: ArrayLike) -> Any:  # noqa: N802
    """Return the expected improvement above *thresh* of normals of *mean* and variance *var*, all three broadcast.

    Jones, Schonlau and Welch, Efficient global optimization (1998), eq. (15): sigma * (s * cdf(s) + pdf(s)), where s
    is how many sigma the mean is above *thresh*. Without variance it is the improvement of the mean.
    """
    from scipy.special import ndtr

    above, sigma, s = _standardised(mean, var, thresh)
    with np.errstate(invalid="ignore", over="ignore"):
        expected = sigma * (s * ndtr(s) + np.exp(-0.5 * s * s) / math.sqrt(2.0 * math.pi))
    return np.where(sigma > 0, expected, np.maximum(above, 0.0))[()]


def logEI_gaussian(mean: ArrayLike, var: ArrayLike, thresh: ArrayLike) -> Any:  # noqa: N802
    """Return the logarithm of `EI_gaussian`, finite also where that is too small for a float."""
    from scipy.special import erfcx, ndtr

    above, sigma, s = _standardised(mean, var, thresh)
    near, far = np.maximum(s, -1.0), np.minimum(s, -1.0)
    with np.errstate(all="ignore"):  # each formula is also evaluated where another one holds
        # For s < 0, cdf(s) / pdf(s) is Mills' ratio at -s, which tends to (1 - 1 / s^2) / |s|.
        mills = math.sqrt(0.5 * math.pi) * erfcx(-far / math.sqrt(2.0))
        rest = np.where(far > _FAR, np.log1p(far * mills), -2.0 * np.log(-far))
        pdf = np.exp(-0.5 * near * near) / math.sqrt(2.0 * math.pi)
        log_of_rest = np.where(
            s > -1.0, np.log(near * ndtr(near) + pdf), -0.5 * far * far - 0.5 * math.log(2.0 * math.pi) + rest
        )
        sure = np.log(np.maximum(above, 0.0))
        return np.where(sigma > 0, np.log(sigma) + log_of_rest, sure)[()]


def UCB(mean: ArrayLike, var: ArrayLike, zscore: float) -> Any:  # noqa: N802
    """Return the upper confidence bound: *zscore* standard deviations above *mean*."""
    return np.asarray(mean) + np.sqrt(var) * zscore


def _standardised(mean: ArrayLike, var: ArrayLike, thresh: ArrayLike) -> tuple[Floats, Floats, Floats]:
    variance = np.asarray(var, dtype=np.float64)
    if (variance < 0).any():
        raise InvalidValue(f"a variance is negative: {variance.min():g}")
    above = np.asarray(mean, dtype=np.float64) - np.asarray(thresh, dtype=np.float64)
    sigma = np.sqrt(variance)
    with np.errstate(divide="ignore", invalid="ignore"):
        return above, sigma, np.asarray(above / sigma)
