"""The tree-structured Parzen estimator, with the numbers of a hyperopt 0.3.0 whose sort is stable; see `ties`.

Bergstra, Bardenet, Bengio and Kégl, Algorithms for Hyper-Parameter Optimization (NIPS 2011), section 4.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms import parzen, rand
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.densities import Densities, Note, compared
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.parzen import Floats, Mixture
from hstore.engine.algorithms.ties import MACHINE_BOUND, TIES, ascending_order
from hstore.engine.space import Parameter, Point, Space

_MOST_BELOW = 25
_ROUNDING = 1e-11  # far above the errors of a score
_LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)
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
    ties: str = "stable",
) -> Point:
    """hyperopt's TPE: choose the point that is likelier among the best trials than among the others, label by label.

    The best are *gamma* times the square root of the number of trials, at most 25; pending and failed trials
    are among the others; trials with a loss of nan or an error are ignored. Below *n_startup_jobs*
    seen trials the point is drawn from the prior. *verbose* is hyperopt's and changes nothing. The values of a randint
    of more than 10,000 count as numbers in order, those of a smaller one as names, as in hyperopt.

    *ties* says how equal losses and equal values are ordered. "stable", by trial, gives the same points on every
    machine: those of a hyperopt whose sort is stable. "as_numpy" orders them by numpy's default sort, which depends
    on the CPU, and so follows hyperopt as it is installed on this machine.
    """
    if len(_seen(history)) < n_startup_jobs:
        return rand.choose(space, history, seed=seed)
    return _choose(
        space, history, seed=seed, prior_weight=prior_weight, n_candidates=n_EI_candidates, gamma=gamma, ties=ties
    )


def densities(
    space: Space,
    history: History,
    point: Point,
    *,
    seed: int,
    prior_weight: float = 1.0,
    n_startup_jobs: int = 20,
    n_EI_candidates: int = 24,  # noqa: N803
    gamma: float = 0.25,
    verbose: bool = True,
    ties: str = "stable",
) -> list[Densities] | None:
    """Return how each label of *point*, which `choose` chose, was compared; None for one drawn from the prior."""
    if len(_seen(history)) < n_startup_jobs:
        return None
    found: list[Densities] = []
    again = _choose(
        space, history, seed=seed, prior_weight=prior_weight, n_candidates=n_EI_candidates, gamma=gamma, ties=ties,
        note=lambda *details: found.append(compared(*details)),
    )  # fmt: skip
    return found if again == point else None


def _choose(
    space: Space, history: History, *, seed: int, prior_weight: float, n_candidates: int, gamma: float, ties: str,
    note: Note | None = None,
) -> Point:  # fmt: skip
    losses, seen = history.losses, _seen(history)
    rng = np.random.default_rng(seed)
    n_below = min(math.ceil(gamma * math.sqrt(len(seen))), _MOST_BELOW)
    best_first = seen[ascending_order(losses[seen], ties)]
    below = TrialGroup(history, best_first[:n_below], prior_weight, ties)
    above = TrialGroup(history, best_first[n_below:], prior_weight, ties)
    point: Point = {}
    for parameter in space.parameters:
        if space.is_active(parameter.label, point):
            point[parameter.label] = _choose_value(rng, parameter, below, above, n_candidates, note)
    return point


def _seen(history: History) -> NDArray[np.intp]:
    return np.flatnonzero(~np.isnan(history.losses))


class Tpe(Algorithm):
    """The algorithm; as in hyperopt it draws points for all the ids that it is given until it has seen enough."""

    def choose_all(self, space: Space, history: History, n: int, *, seed: int, **settings: Any) -> Sequence[Point]:
        """See `Algorithm.choose_all`."""
        if len(_seen(history)) < {**self.defaults, **settings}["n_startup_jobs"]:
            return rand.suggest.choose_all(space, history, n, seed=seed)
        return super().choose_all(space, history, n, seed=seed, **settings)


class TrialGroup:
    """Some trials of a history, and the density of each label over them."""

    def __init__(self, history: History, members: NDArray[np.intp], prior_weight: float, ties: str) -> None:
        self._history = history
        self._ties = ties
        self._prior_weight = prior_weight
        self._is_member = np.zeros(len(history), dtype=bool)
        self._is_member[members] = True
        self._n = len(members)
        self._weights = self._weights_of(self._is_member)

    def estimate(self, parameter: Parameter) -> Mixture:
        """Return the density of a numerical *parameter*, on the scale of `History.centres`."""
        rows = self._ascending(parameter.label)
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

    def _ascending(self, label: str) -> NDArray[np.intp]:
        """Return the members in which *label* is active, by ascending value."""
        if self._ties == "stable":
            ascending = self._history.ascending(label)  # of all trials; sorted once for both groups
            return ascending[self._is_member[ascending]]
        centres = self._history.centres(label)
        rows = np.flatnonzero(self._is_member & ~np.isnan(centres))
        return rows[ascending_order(centres[rows], self._ties)]

    def probabilities(self, parameter: Parameter) -> Floats:
        """Return the probability of each category of *parameter*."""
        low, high = int(parameter.low or 0), int(parameter.high or 0)
        values = self._history.column(parameter.label)
        values = values[self._is_member & ~np.isnan(values)]
        weights = parzen.forgetting_weights(len(values))
        prior = np.ones(high - low) if parameter.p is None else (high - low) * np.array(parameter.p)
        counts = np.bincount(values.astype(np.intp) - low, weights, minlength=high - low)
        pseudo_counts = counts + self._prior_weight * prior
        return np.asarray(pseudo_counts / pseudo_counts.sum())

    def _weights_of(self, mask: NDArray[np.bool_]) -> Floats:
        weights = np.zeros(len(mask))
        weights[mask] = parzen.forgetting_weights(int(np.count_nonzero(mask)))
        return weights


def _choose_value(
    rng: np.random.Generator, parameter: Parameter, below: TrialGroup, above: TrialGroup, n_candidates: int,
    note: Note | None = None,
) -> float | int:  # fmt: skip
    if parameter.is_range:
        value = _choose_value(rng, parameter.as_range(), below, above, n_candidates, note)
        return parameter.nearest(value)
    if parameter.is_categorical:
        return _choose_category(rng, parameter, below, above, n_candidates, note)
    good, bad = below.estimate(parameter), above.estimate(parameter)
    bounds = None if parameter.is_normal else (_given(parameter.low), _given(parameter.high))
    if bounds is None:
        centres = parzen.draw_normals(rng, good, n_candidates)
    else:
        centres = parzen.draw_between(rng, good, *bounds, n_candidates)
    if parameter.q is None:
        logs = parzen.log_density(centres, good), parzen.log_density(centres, bad)
        chosen = int(np.argmax(logs[0] - logs[1]))
        if note is not None:  # `log_density` leaves out what does not matter for the choice
            whole = [
                each - math.log(parzen.mass_between(*bounds, estimate) if bounds else 1.0) - _LOG_ROOT_2_PI
                for each, estimate in zip(logs, (good, bad), strict=True)
            ]
            note(parameter.label, "density", whole[0], whole[1], chosen)
        best = float(centres[chosen])
        return portable.exp(best) if parameter.is_log else best
    values = portable.exp(centres) if parameter.is_log else centres
    values = np.round(values / parameter.q) * parameter.q
    distinct, places = np.unique(values, return_inverse=True)
    cells = _cells(distinct, parameter)
    good_mass, bad_mass = (parzen.mass(*cells, estimate)[places] for estimate in (good, bad))
    good_total, bad_total = (parzen.mass_between(*bounds, e) if bounds else 1.0 for e in (good, bad))
    chosen = _most_likely(good_mass, bad_mass, good_total, bad_total)
    if note is not None:
        note(parameter.label, "probability", _log(good_mass / good_total), _log(bad_mass / bad_total), chosen)
    return float(values[chosen])


def _choose_category(
    rng: np.random.Generator, parameter: Parameter, below: TrialGroup, above: TrialGroup, n_candidates: int,
    note: Note | None = None,
) -> int:  # fmt: skip
    good, bad = below.probabilities(parameter), above.probabilities(parameter)
    candidates = parzen.draw_components(rng, good, n_candidates)
    chosen = _most_likely(good[candidates], bad[candidates])
    if note is not None:
        note(parameter.label, "probability", _log(good[candidates]), _log(bad[candidates]), chosen)
    return candidates[chosen] + int(parameter.low or 0)


def _log(x: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(x))


def _most_likely(good: Floats, bad: Floats, good_total: float = 1.0, bad_total: float = 1.0) -> int:
    """Return the first place where *good* / *good_total* over *bad* / *bad_total* is largest.

    Counts and rounded values make ties, which in hyperopt the last bits of logarithms decide. Those of this
    machine must not: a tie is decided with the double nearest to each logarithm.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        score = np.log(good) - np.log(bad)
    best = int(score.argmax())  # the first nan, if there is one, as in hyperopt
    leaders = np.flatnonzero(score >= score[best] - _ROUNDING).tolist()
    pairs = [(float(good[i]), float(bad[i])) for i in leaders]
    if len(set(pairs)) < 2:
        return best
    log = portable.nearest_log
    exact = {(g, b): (log(g) - log(good_total)) - (log(b) - log(bad_total)) for g, b in set(pairs)}
    return max(zip(leaders, pairs, strict=True), key=lambda leader: exact[leader[1]])[0]


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


suggest = Tpe(
    name="tpe",
    version=1,
    is_portable=True,
    choose=choose,
    densities=densities,
    limits={
        "prior_weight": (0, math.inf),
        "n_startup_jobs": (0, math.inf),
        "n_EI_candidates": (1, math.inf),
        "gamma": (0, math.inf),
    },
    words={"ties": TIES},
    machine_bound=MACHINE_BOUND,
)
