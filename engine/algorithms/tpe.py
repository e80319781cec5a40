"""The tree-structured Parzen estimator, with the numbers of hyperopt 0.3.0.

Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization (NIPS 2011), section 4.
"""

import math

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms import parzen, rand
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.parzen import Floats, Mixture
from hstore.engine.history import History
from hstore.engine.space import Parameter, Point, Space

_MOST_BELOW = 25
_ROUNDING = 1e-11  # far above the errors of a score
_TINY = 1e-12  # stands for 0 before a logarithm is taken


def choose(
    space: Space,
    history: History,
    *,
    seed: int,
    prior_weight: float = 1.0,
    n_startup_jobs: int = 20,
    n_EI_candidates: int = 24,  # noqa: N803
    gamma: float = 0.25,
    verbose: bool = True,
) -> Point:
    """Return the point that is likelier among the best trials than among the others, label by label.

    The best are *gamma* times the square root of the number of trials, at most 25; pending and failed trials
    are among the others; trials with a loss of nan or an error are not seen at all. Below *n_startup_jobs*
    seen trials the point is drawn from the prior. *verbose* is hyperopt's and changes nothing.
    """
    losses = history.losses
    seen = np.flatnonzero(~np.isnan(losses))
    if len(seen) < n_startup_jobs:
        return rand.choose(space, history, seed=seed)
    rng = np.random.default_rng(seed)
    n_below = min(math.ceil(gamma * math.sqrt(len(seen))), _MOST_BELOW)
    best_first = seen[np.argsort(losses[seen], kind="stable")]
    below = Group(history, best_first[:n_below], prior_weight)
    above = Group(history, best_first[n_below:], prior_weight)
    point: Point = {}
    for parameter in space.parameters:
        if space.is_active(parameter.label, point):
            point[parameter.label] = _choose_value(rng, parameter, below, above, n_EI_candidates)
    return point


class Group:
    """Some trials of a history, and the densities they give rise to."""

    def __init__(self, history: History, members: NDArray[np.intp], prior_weight: float) -> None:
        self._history = history
        self._prior_weight = prior_weight
        self._is_member = np.zeros(len(history), dtype=bool)
        self._is_member[members] = True
        self._n = len(members)
        self._weights = self._weights_of(self._is_member)

    def estimate(self, parameter: Parameter) -> Mixture:
        """Return the density of a numerical *parameter*, on the scale of `History.centres`."""
        ascending = self._history.ascending(parameter.label)
        rows = ascending[self._is_member[ascending]]
        weights = self._weights
        if len(rows) < self._n:  # inactive in some
            weights = self._weights_of(self._is_member & ~np.isnan(self._history.column(parameter.label)))
        if parameter.is_normal:
            mu, sigma = _given(parameter.mu), _given(parameter.sigma)
        else:
            low, high = _given(parameter.low), _given(parameter.high)
            mu, sigma = 0.5 * (low + high), high - low
        centres = self._history.centres(parameter.label)[rows]
        return parzen.mixture(centres, weights[rows], mu=mu, sigma=sigma, prior_weight=self._prior_weight)

    def probabilities(self, parameter: Parameter) -> Floats:
        """Return the probability of each category of *parameter*."""
        low, high = int(parameter.low or 0), int(parameter.high or 0)
        values = self._history.column(parameter.label)
        values = values[self._is_member & ~np.isnan(values)]
        counts = np.bincount(
            values.astype(np.intp) - low, parzen.forgetting_weights(len(values)), minlength=high - low
        )
        prior = 1.0 if parameter.p is None else len(counts) * np.array(parameter.p)
        counts = counts + self._prior_weight * prior
        return np.asarray(counts / counts.sum())

    def _weights_of(self, mask: NDArray[np.bool_]) -> Floats:
        weights = np.zeros(len(mask))
        weights[mask] = parzen.forgetting_weights(int(np.count_nonzero(mask)))
        return weights


def _choose_value(
    rng: np.random.Generator, parameter: Parameter, below: Group, above: Group, n_candidates: int
) -> float | int:
    if parameter.is_categorical:
        return _choose_category(rng, parameter, below, above, n_candidates)
    good, bad = below.estimate(parameter), above.estimate(parameter)
    if parameter.is_normal:
        centres = parzen.draw_normals(rng, good, n_candidates)
    else:
        low, high = _given(parameter.low), _given(parameter.high)
        centres = parzen.draw_between(rng, good, low, high, n_candidates)
    if parameter.q is None:
        score = parzen.log_density(centres, good) - parzen.log_density(centres, bad)
        best = float(centres[np.argmax(score)])
        return portable.exp(best) if parameter.is_log else best
    values = portable.exp(centres) if parameter.is_log else centres
    values = np.round(values / parameter.q) * parameter.q
    distinct, places = np.unique(values, return_inverse=True)
    starts, ends = _cells(distinct, parameter)
    with np.errstate(invalid="ignore"):
        score = parzen.log_mass(starts, ends, good) - parzen.log_mass(starts, ends, bad)
    return float(values[np.argmax(score[places])])


def _choose_category(
    rng: np.random.Generator, parameter: Parameter, below: Group, above: Group, n_candidates: int
) -> int:
    good, bad = below.probabilities(parameter), above.probabilities(parameter)
    candidates = parzen.draw_components(rng, good, n_candidates)
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.log(good[candidates]) - np.log(bad[candidates])
    leaders = np.array(candidates)[~(score < score.max() - _ROUNDING)].tolist()

    def exact_score(category: int) -> float:
        return portable.nearest_log(float(good[category])) - portable.nearest_log(float(bad[category]))

    # Counts make ties, broken by the rounding of the logarithms: it must not be this machine's rounding.
    best = leaders[0] if len(set(leaders)) == 1 else max(dict.fromkeys(leaders), key=exact_score)
    return int(best) + int(parameter.low or 0)


def _cells(values: Floats, parameter: Parameter) -> tuple[Floats, Floats]:
    """Return the interval that is rounded to each of *values*, on the scale of `History.centres`."""
    half = 0.5 * _given(parameter.q)
    starts, ends = values - half, values + half
    if parameter.is_log:
        starts, ends = portable.log(np.maximum(starts, _TINY)), portable.log(np.maximum(ends, _TINY))
    if not parameter.is_normal:
        starts, ends = np.maximum(starts, _given(parameter.low)), np.minimum(ends, _given(parameter.high))
    return starts, ends


def _given(value: float | None) -> float:
    assert value is not None  # its kind of parameter has it
    return value


suggest = Algorithm(name="tpe", version=1, is_portable=True, choose=choose)
