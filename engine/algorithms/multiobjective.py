"""Several losses, and constraints: a process for each of them, and the point expected to improve the front most.

What is expected of the front is in `improvement`. A constraint multiplies it by the chance that it is kept (Schonlau,
Welch and Jones, Global versus Local Search in Constrained Optimization of Computer Models, 1998).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.acquisition import AcquisitionFunction, Criterion, best_first, log_chance, plateau_margin
from hstore.engine.algorithms.candidates import candidates, farthest_first, under_explored
from hstore.engine.algorithms.encoding import Encoding, encoding
from hstore.engine.algorithms.gaussian_process import Posterior
from hstore.engine.algorithms.history import ERROR, FAIL, OK, PENDING, PRUNED, History
from hstore.engine.algorithms.improvement import Boxes, boxes, improvement, improvement_slopes
from hstore.engine.algorithms.novelty import new_point
from hstore.engine.algorithms.scalarise import chebyshev, maximin, random_weights, violation
from hstore.engine.algorithms.surrogate import KnownTrials, Surrogate, constraint, kept_of, surrogate
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.space import Point, Space

Floats = NDArray[np.float64]

_FEWEST = 4  # trials with losses, to begin with
_MOST_LOSSES = 3  # that are modelled one by one
# How far beyond the worst of the front the reference lies, in ranges of the front: near, for what lies within it, and
# of two losses now and then far, for its ends. Of three the ends are most of the volume as it is.
_MARGINS = {2: (0.1, 0.1, 1.0), 3: (0.1,)}
_NARROWEST = 0.15  # front, in ranges of a loss over all trials
_FARTHEST = 0.1  # below the best of three losses that more improvement counts, in the distance of the reference from it
_LEAST_REACH = 0.5  # of that distance, in deviations
_HARDLY = 1e-4  # what it counts beyond
_AS_GOOD = 0.01  # of a deviation: what is no better by more makes no front
_SURE = 1e-4  # variance that a constraint's value has of its own
_LEAST = 1e-300
_TENTH = 10
_DIGITS = 3  # of warped losses: what is nearer together tells no slope


class MultiObjectiveData(NamedTuple):
    """The trials of a history by what they tell, several losses and constraints among it."""

    known: KnownTrials
    """Those told have all their losses and constraints, those valid keep the latter. `losses` only rank them: feasible
    ones by maximin fitness, below 0 for the front, or by their only loss; the others come after, by how much they
    violate."""
    vectors: Floats
    """(trials, losses) finite for those told."""
    constraints: Floats
    """(trials, constraints) finite for those told."""


def several(history: History) -> MultiObjectiveData:
    """Return what there is to know of *history*. Losses of -inf count as the lowest of the others.

    Whoever has another loss or constraint that is not finite has failed, and so have those stopped early: what they
    reported is one number.
    """
    is_ok = history.kinds == OK
    vectors = history.loss_vectors if history.loss_vectors.shape[1] else history.losses[:, None]
    vectors = np.where(is_ok[:, None], vectors, np.nan)
    for column in vectors.T:
        finite = column[np.isfinite(column)]
        column[np.isneginf(column)] = finite.min() if len(finite) else 0.0
    constraints = history.constraints
    is_told = is_ok & np.isfinite(vectors).all(axis=1) & np.isfinite(constraints).all(axis=1)
    is_valid = is_told & (constraints <= 0.0).all(axis=1)
    is_failed = np.isin(history.kinds, (OK, FAIL, ERROR, PRUNED)) & ~is_told
    is_pending = history.kinds == PENDING
    ranks = np.full(len(vectors), np.inf)
    if vectors.shape[1] > 1:
        ranks[is_valid] = maximin(vectors[is_valid])
    else:
        ranks[is_valid] = np.unique(vectors[is_valid], return_inverse=True)[1].reshape(-1)
    is_violating = is_told & ~is_valid
    ranks[is_violating] = len(ranks) + violation(constraints[is_violating])
    known = KnownTrials(
        ranks, np.flatnonzero(is_told), np.flatnonzero(is_valid), np.flatnonzero(is_failed), np.flatnonzero(is_pending),
        np.flatnonzero(is_told | is_failed | is_pending),
    )  # fmt: skip
    return MultiObjectiveData(known, vectors, constraints)


def choose(space: Space, history: History, *, seed: int, n_startup_jobs: int, repeats: bool) -> Point:
    """Return the point of the greatest expected improvement of the front; see `gp.choose`.

    Before any trial keeps all constraints it is the point that most likely does. Of more than three losses one is made,
    by random weights.
    """
    proposals = _proposals(space, history, seed, n_startup_jobs)
    return new_point(space, history, proposals, seed=seed, repeats=repeats)


def _proposals(space: Space, history: History, seed: int, n_startup_jobs: int) -> Iterator[Point]:
    rng = np.random.default_rng(seed)
    code = encoding(space)
    rows, trials = code.rows(history), several(history)
    known = trials.known
    with one_thread():
        order = None
        if len(known.taken) >= n_startup_jobs and len(known.told) >= max(2, min(n_startup_jobs, _FEWEST)):
            order = _best_first(code, rows, trials, rng)
        if order is None:
            order = farthest_first(code, rows[known.taken], rng)
    yield from map(code.point, order)


def _best_first(code: Encoding, rows: Floats, trials: MultiObjectiveData, rng: np.random.Generator) -> Floats | None:
    """Return rows to try, the most promising first; None if the trials tell nothing apart."""
    known, vectors = trials.known, trials.vectors
    is_front = known.losses < 0.0 if vectors.shape[1] > 1 else np.zeros(len(rows), dtype=bool)
    if vectors.shape[1] > _MOST_LOSSES:
        one = np.full((len(rows), 1), np.nan)
        one[known.told, 0] = chebyshev(vectors[known.told], random_weights(rng, vectors.shape[1]))
        vectors = one
    kept = kept_of(known)
    modelled = [
        (made, column) for column in vectors.T
        if (made := surrogate(code, rows, known._replace(losses=column), kept)) is not None
    ]  # fmt: skip
    # Without any loss to tell trials apart it is by what they violate; what is said of failures is the same everywhere.
    base = modelled[0][0] if modelled else surrogate(code, rows, known, kept)
    if base is None:
        return None
    processes = [constraint(code, base.features, rows, known, values, kept) for values in trials.constraints.T]
    constraints = [process for process in processes if process is not None]
    criterion: AcquisitionFunction
    feasibility_power = 1.0 + known.n_failed_since
    hoped = _likely(base, constraints, rows[known.pending])
    if not modelled or not len(known.valid):
        criterion = Joint(base, (), None, constraints, feasibility_power)
    elif len(modelled) == 1:
        margin = plateau_margin(known._replace(losses=modelled[0][1]).n_best)
        best = base.posterior.predict(base.features.of(np.concatenate((rows[known.valid], hoped))))[0].min()
        alone = Criterion(base, float(best) - margin, feasibility_power)
        criterion = Constrained(alone, constraints) if constraints else alone
    else:
        x = base.features.of(np.concatenate((rows[known.valid], hoped)))
        means = np.column_stack([made.posterior.predict(x)[0] for made, _ in modelled])
        scales = [_scale(made.warped, column[kept]) for made, column in modelled]
        cut = _cut(means, scales, float(rng.choice(_MARGINS[len(scales)])))
        criterion = Joint(base, [made.posterior for made, _ in modelled], cut, constraints, feasibility_power)
    centres = np.flatnonzero(is_front)
    if len(centres):
        centres = rng.permutation(centres)
    else:
        ranked = known.valid if len(known.valid) else known.told
        centres = ranked[np.argsort(known.losses[ranked], kind="stable")]
    pool = under_explored(code, rows, known, candidates(code, rows[centres], rng))
    return best_first(criterion, pool, rows[known.ended], rows[known.pending])


def _likely(base: Surrogate, constraints: Sequence[Posterior], rows: Floats) -> Floats:
    """Return those of *rows* that are expected to keep all constraints."""
    x = base.features.of(rows)
    is_likely = np.ones(len(rows), dtype=bool)
    for process in constraints:
        is_likely &= process.predict(x)[0] <= 0.0
    return rows[is_likely]


class Joint(NamedTuple):
    """The logarithm of a front's expected improvement, times the chance that a trial is feasible and does not fail."""

    surrogate: Surrogate
    posteriors: Sequence[Posterior]
    """Of the losses."""
    cut: Boxes | None
    """What the front leaves; without it only the chance counts."""
    constraints: Sequence[Posterior]
    feasibility_power: float = 1.0

    def at(self, rows: Floats) -> Floats:
        """See `acquisition.AcquisitionFunction.at`."""
        x = self.surrogate.features.of(rows)
        value = np.zeros(len(x))
        if self.cut is not None:
            mean, sigma = (np.column_stack(part) for part in zip(*(p.predict(x) for p in self.posteriors), strict=True))
            value += np.log(np.maximum(improvement(self.cut, mean, sigma), _LEAST))
        for process in self.constraints:
            mean, sigma = process.predict(x)
            value += log_chance(-mean, sigma, _SURE)[0]
        if self.surrogate.success is not None:
            value += self.feasibility_power * log_chance(*self.surrogate.success.predict(x))[0]
        return value

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """See `acquisition.AcquisitionFunction.slopes`."""
        d = len(self.surrogate.features.encoding.numbers)
        value, d_value = np.zeros(len(x)), np.zeros((len(x), d))
        if self.cut is not None:
            told = [process.slopes(x) for process in self.posteriors]
            mean, sigma = (np.column_stack([each[part] for each in told]) for part in (0, 1))
            gain, by_mean, by_sigma = improvement_slopes(self.cut, mean, sigma)
            gain = np.maximum(gain, _LEAST)
            value += np.log(gain)
            for j, (_, _, d_mean, d_sigma) in enumerate(told):
                d_value += d_mean[:, :d] * (by_mean[:, j] / gain)[:, None]
                d_value += d_sigma[:, :d] * (by_sigma[:, j] / gain)[:, None]
        for process in self.constraints:
            m, s, d_mean, d_sigma = process.slopes(x)
            chance, up, wide = log_chance(-m, s, _SURE)
            value += chance
            d_value += d_sigma[:, :d] * wide[:, None] - d_mean[:, :d] * up[:, None]
        if self.surrogate.success is not None:
            m, s, d_mean, d_sigma = self.surrogate.success.slopes(x)
            chance, up, wide = log_chance(m, s)
            value += self.feasibility_power * chance
            d_value += self.feasibility_power * (d_mean[:, :d] * up[:, None] + d_sigma[:, :d] * wide[:, None])
        return value, d_value


class Constrained(NamedTuple):
    """gp's criterion for one loss, times the chance that all constraints are kept."""

    criterion: Criterion
    constraints: Sequence[Posterior]

    @property
    def surrogate(self) -> Surrogate:
        """See `acquisition.AcquisitionFunction.surrogate`."""
        return self.criterion.surrogate

    @property
    def _chance(self) -> Joint:
        return Joint(self.surrogate._replace(success=None), (), None, self.constraints)

    def at(self, rows: Floats) -> Floats:
        """See `acquisition.AcquisitionFunction.at`."""
        return self.criterion.at(rows) + self._chance.at(rows)

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """See `acquisition.AcquisitionFunction.slopes`."""
        value, d_value = self.criterion.slopes(x)
        chance, d_chance = self._chance.slopes(x)
        return value + chance, d_value + d_chance


class LossScale(NamedTuple):
    """Which loss a warped one stands for, in ranges: known at trials, linear between them and beyond."""

    warped: Floats
    losses: Floats
    """Both ascend."""

    def loss(self, warped: Floats) -> Floats:
        """Return the losses of *warped* ones."""
        return np.interp(warped, self.warped, self.losses)

    def warp(self, loss: Floats) -> Floats:
        """Return the warped ones of losses."""
        return np.interp(loss, self.losses, self.warped)


def _scale(warped: Floats, losses: Floats) -> LossScale:
    half = 0.5 * losses  # whose differences are finite
    _, first = np.unique(np.round(warped, _DIGITS), return_index=True)
    y, t = warped[first], (half[first] - half.min()) / (half.max() - half.min())
    t = np.maximum.accumulate(t) + 1e-9 * np.arange(len(t))  # rounding may have made some of them equal
    n = max(1, len(y) // _TENTH)
    low, high = (t[n] - t[0]) / (y[n] - y[0]), (t[-1] - t[-1 - n]) / (y[-1] - y[-1 - n])
    reach = 1e3
    return LossScale(
        np.array([y[0] - reach, *y, y[-1] + reach]), np.array([t[0] - reach * low, *t, t[-1] + reach * high])
    )


def _cut(means: Floats, scales: Sequence[LossScale], margin: float) -> Boxes:
    """Return what the front of the expected warped losses *means* leaves, weighed as the losses themselves."""
    front = np.unique(means[maximin(means) < 0.0], axis=0)
    # Next to nothing better in one loss and far worse in another: that is on the front, and no measure of its width.
    sums = front.sum(axis=1)
    is_marginal = ((front[None] <= front[:, None] + _AS_GOOD).all(axis=2) & (sums < sums[:, None])).any(axis=1)
    best, worst = front[~is_marginal].min(axis=0), front[~is_marginal].max(axis=0)
    low, high = (np.array([s.loss(x) for s, x in zip(scales, xs, strict=True)]) for xs in (best, worst))
    ends = high + margin * np.maximum(high - low, _NARROWEST)
    reference = [scale.warp(end) for scale, end in zip(scales, ends, strict=True)]
    cut = boxes(front, np.maximum(reference, worst + 1e-6))
    edges = [np.concatenate(([bounds[0] - 1.0], bounds)) for bounds in cut.bounds]
    weights = tuple(np.diff(scale.loss(edge)) / np.diff(edge) for scale, edge in zip(scales, edges, strict=True))
    if len(scales) < _MOST_LOSSES:
        return cut._replace(weights=weights)
    # A corner of the space that seems to be a little better than any trial in one loss makes much volume of three.
    nearest = [b[0] - _FARTHEST * max(b[-1] - b[0], _LEAST_REACH) for b in cut.bounds]
    return Boxes(
        tuple(np.concatenate(([x], b)) for x, b in zip(nearest, cut.bounds, strict=True)),
        np.where(cut.lower > 0, cut.lower + 1, 0), cut.upper + 1,
        tuple(np.concatenate(([_HARDLY * w[0]], w)) for w in weights),
    )  # fmt: skip
