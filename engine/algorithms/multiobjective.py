"""Several losses, and constraints: a process for each of them, and the point expected to improve the front most.

The expected improvement of the front is in `improvement`. Each constraint multiplies it by the probability that it is
kept (Schonlau, Welch and Jones, Global versus Local Search in Constrained Optimization of Computer Models, 1998).

Notation (N: trials, n: those that a process is made of, m: rows asked about, k: losses, c: constraints, f: features):

    vectors      (N, k)  losses, each in its own unit; to be minimised
    constraints  (N, c)  values of the constraints, each in its own unit; kept where at most 0
    warped       (n,)    one loss as its process sees it: without unit, mean 0, variance 1; see `surrogate`
    mean, sigma  (m, k)  predicted means and deviations of the warped losses
    front        (p, k)  the non-dominated ones among the predicted means of trials that keep all constraints
    reference    (k,)    a point worse than the front in each loss, which bounds the volume that counts
    ranges               a loss in ranges: (loss - lowest) / (highest - lowest) over the trials; see `LossScale`

Processes predict warped losses, and the volume is measured in ranges of the losses themselves: the boxes that the front
leaves are weighed by how many ranges a unit of the warped loss is there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.acquisition import AcquisitionFunction, Criterion, log_chance, plateau_margin
from hstore.engine.algorithms.candidates import candidates, farthest_first, under_explored
from hstore.engine.algorithms.decision import Decision
from hstore.engine.algorithms.encoding import Encoding
from hstore.engine.algorithms.gaussian_process import Posterior
from hstore.engine.algorithms.history import ERROR, FAIL, OK, PENDING, PRUNED, History
from hstore.engine.algorithms.improvement import Boxes, boxes, improvement, improvement_slopes
from hstore.engine.algorithms.scalarise import chebyshev, maximin, random_weights, violation
from hstore.engine.algorithms.surrogate import FEWEST, KnownTrials, Surrogate, constraint, kept_of, surrogate

Floats = NDArray[np.float64]

_MOST_LOSSES = 3  # that are modelled one by one
# How far beyond the worst of the front the reference lies, in ranges of the front: near, for what lies within it, and
# of two losses now and then far, for its ends. Of three the ends are most of the volume as it is.
_MARGINS = {2: (0.1, 0.1, 1.0), 3: (0.1,)}
_NARROWEST = 0.15  # front, in ranges of a loss over all trials
_FARTHEST = 0.1  # below the best of three losses that more improvement counts, in the distance of the reference from it
_LEAST_REACH = 0.5  # of that distance, in deviations
_HARDLY = 1e-4  # the weight of improvement beyond that
_AS_GOOD = 0.01  # deviations: a smaller difference of means does not make a point better
_SURE = 1e-4  # variance added to that of a constraint's prediction
_LEAST = 1e-300  # improvement, before its logarithm is taken
_TENTH = 10
_DIGITS = 3  # of warped losses: trials that agree in these give no slope


class MultiObjectiveData(NamedTuple):
    """The trials of a history by how they ended, with several losses and constraints."""

    known: KnownTrials
    """*with_loss* are trials with all losses and constraints finite, *valid* those that keep the constraints. `losses`
    only rank trials: feasible ones by maximin fitness, below 0 for the front, or by their only loss; the others come
    after these, by how much they violate."""
    vectors: Floats
    """(N, k) finite for trials *with_loss*."""
    constraints: Floats
    """(N, c) finite for trials *with_loss*."""


def several(history: History) -> MultiObjectiveData:
    """Return the trials of *history* by how they ended. Losses of -inf count as the lowest of the others.

    A trial with another loss or constraint that is not finite counts as failed, and so does one that was stopped
    early: it reported one number, not all losses.
    """
    is_ok = history.kinds == OK
    vectors, constraints = _finite_vectors(history, is_ok), history.constraints
    has_loss = is_ok & np.isfinite(vectors).all(axis=1) & np.isfinite(constraints).all(axis=1)
    is_valid = has_loss & (constraints <= 0.0).all(axis=1)
    is_failed = np.isin(history.kinds, (OK, FAIL, ERROR, PRUNED)) & ~has_loss
    is_pending = history.kinds == PENDING
    known = KnownTrials(
        losses=_ranks(vectors, constraints, is_valid, has_loss & ~is_valid),
        with_loss=np.flatnonzero(has_loss),
        valid=np.flatnonzero(is_valid),
        failed=np.flatnonzero(is_failed),
        pending=np.flatnonzero(is_pending),
        taken=np.flatnonzero(has_loss | is_failed | is_pending),
    )
    return MultiObjectiveData(known, vectors, constraints)


def _finite_vectors(history: History, is_ok: NDArray[np.bool_]) -> Floats:
    """Return (N, k) the losses, nan for trials that did not end well, with the lowest other loss instead of -inf."""
    vectors = history.loss_vectors if history.loss_vectors.shape[1] else history.losses[:, None]
    vectors = np.where(is_ok[:, None], vectors, np.nan)
    for column in vectors.T:
        finite = column[np.isfinite(column)]
        column[np.isneginf(column)] = finite.min() if len(finite) else 0.0
    return vectors


def _ranks(
    vectors: Floats, constraints: Floats, is_valid: NDArray[np.bool_], is_violating: NDArray[np.bool_]
) -> Floats:
    """Return (N,) numbers that rank trials; see `MultiObjectiveData.known`. inf for those without losses."""
    ranks = np.full(len(vectors), np.inf)
    if vectors.shape[1] > 1:
        ranks[is_valid] = maximin(vectors[is_valid])
    else:
        ranks[is_valid] = np.unique(vectors[is_valid], return_inverse=True)[1].reshape(-1)
    ranks[is_violating] = len(ranks) + violation(constraints[is_violating])
    return ranks


def decision(code: Encoding, rows: Floats, history: History, rng: np.random.Generator, n_startup_jobs: int) -> Decision:
    """Return what the next decision goes by: the expected improvement of the front; see `gp.choose`.

    As long as no trial keeps all constraints, it is how likely a point keeps them. More than three losses are
    combined into one by random weights.

    rows: (N, d) the trials of *history* in the encoding.
    """
    trials = several(history)
    known = trials.known
    is_begun = len(known.taken) >= n_startup_jobs and len(known.with_loss) >= max(2, min(n_startup_jobs, FEWEST))
    # Where nothing can be chosen, losses that differ say nothing.
    model = _model(code, rows, trials, _few_losses(trials, rng)) if is_begun and len(code) else None
    if model is None:
        return Decision(code, rows, known, None, farthest_first(code, rows[known.taken], rng))
    criterion = _criterion(model, known, rows, rng)
    centres = _centres(trials, rng)
    pool = under_explored(code, rows, known, candidates(code, rows[centres], rng))
    return Decision(code, rows, known, criterion, pool)


class _Model(NamedTuple):
    """The processes that were fitted to the trials."""

    base: Surrogate
    """The first of the losses; it says which features there are, and what is known of failures, for all of them."""
    losses: Sequence[tuple[Surrogate, Floats]]
    """Each loss that differs between trials: its process and (N,) its values."""
    constraints: Sequence[Posterior]
    """Each constraint that differs between trials."""


def _few_losses(trials: MultiObjectiveData, rng: np.random.Generator) -> Floats:
    """Return (N, 1 to 3) the losses to model: those there are, or one that combines them by random weights."""
    vectors, with_loss = trials.vectors, trials.known.with_loss
    if vectors.shape[1] <= _MOST_LOSSES:
        return vectors
    combined = np.full((len(vectors), 1), np.nan)
    combined[with_loss, 0] = chebyshev(vectors[with_loss], random_weights(rng, vectors.shape[1]))
    return combined


def _model(code: Encoding, rows: Floats, trials: MultiObjectiveData, vectors: Floats) -> _Model | None:
    """Return the processes of *vectors* (N, k) and of the constraints; None if nothing differs between trials."""
    known = trials.known
    kept = kept_of(known)
    losses = [
        (made, column) for column in vectors.T
        if (made := surrogate(code, rows, known._replace(losses=column), kept)) is not None
    ]  # fmt: skip
    # If no loss differs, a process of the ranks takes its place: they differ by how much constraints are violated.
    base = losses[0][0] if losses else surrogate(code, rows, known, kept)
    if base is None:
        return None
    processes = [constraint(code, base.features, rows, known, values, kept) for values in trials.constraints.T]
    return _Model(base, losses, [process for process in processes if process is not None])


def _criterion(model: _Model, known: KnownTrials, rows: Floats, rng: np.random.Generator) -> AcquisitionFunction:
    """Return the function whose greatest value is the point to try.

    Without a feasible trial, or a loss that differs, it is the probability that all constraints are kept. With one loss
    it is gp's expected improvement, times that probability; with several that of the front.
    """
    base, losses, constraints = model
    feasibility_power = 1.0 + known.n_failed_since
    if not losses or not len(known.valid):
        return Joint(base, (), None, constraints, feasibility_power)
    likely = _likely(base, constraints, rows[known.pending])
    x = base.features.of(np.concatenate((rows[known.valid], likely)))
    if len(losses) == 1:
        margin = plateau_margin(known._replace(losses=losses[0][1]).n_best)
        best = base.posterior.predict(x)[0].min()
        alone = Criterion(base, float(best) - margin, feasibility_power)
        return Constrained(alone, constraints) if constraints else alone
    means = np.column_stack([made.posterior.predict(x)[0] for made, _ in losses])
    kept = kept_of(known)
    scales = [_scale(made.warped, column[kept]) for made, column in losses]
    cut = _cut(means, scales, float(rng.choice(_MARGINS[len(scales)])))
    return Joint(base, [made.posterior for made, _ in losses], cut, constraints, feasibility_power)


def _centres(trials: MultiObjectiveData, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return the trials near which candidates are proposed: the front in any order, or all by their ranks."""
    known = trials.known
    if trials.vectors.shape[1] > 1 and len(front := np.flatnonzero(known.losses < 0.0)):
        return rng.permutation(front)
    ranked = known.valid if len(known.valid) else known.with_loss
    return ranked[np.argsort(known.losses[ranked], kind="stable")]


def _likely(base: Surrogate, constraints: Sequence[Posterior], rows: Floats) -> Floats:
    """Return those of *rows* that are expected to keep all constraints."""
    x = base.features.of(rows)
    is_likely = np.ones(len(rows), dtype=bool)
    for process in constraints:
        is_likely &= process.predict(x)[0] <= 0.0
    return rows[is_likely]


class Joint(NamedTuple):
    """Log of the front's expected improvement times the probability that constraints are kept and nothing fails."""

    surrogate: Surrogate
    posteriors: Sequence[Posterior]
    """One for each of the k losses."""
    cut: Boxes | None
    """The boxes that the front leaves; without it only the probability counts."""
    constraints: Sequence[Posterior]
    """One for each constraint."""
    feasibility_power: float = 1.0
    """The power to which the probability of not failing is raised."""

    def rounded(self, by: float) -> Joint:
        """See `acquisition.AcquisitionFunction.rounded`."""
        posteriors, constraints = ([p.rounded(by) for p in ps] for ps in (self.posteriors, self.constraints))
        return self._replace(surrogate=self.surrogate.rounded(by), posteriors=posteriors, constraints=constraints)

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
            self._add_improvement(self.cut, x, value, d_value)
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

    def _add_improvement(self, cut: Boxes, x: Floats, value: Floats, d_value: Floats) -> None:
        """Add the log of the improvement at *x* (m, f) to *value* (m,), and its derivatives to *d_value* (m, d)."""
        d = d_value.shape[1]
        predicted = [process.slopes(x) for process in self.posteriors]
        mean, sigma = (np.column_stack([each[part] for each in predicted]) for part in (0, 1))
        gain, by_mean, by_sigma = improvement_slopes(cut, mean, sigma)
        gain = np.maximum(gain, _LEAST)
        value += np.log(gain)
        for j, (_, _, d_mean, d_sigma) in enumerate(predicted):
            d_value += d_mean[:, :d] * (by_mean[:, j] / gain)[:, None]
            d_value += d_sigma[:, :d] * (by_sigma[:, j] / gain)[:, None]


class Constrained(NamedTuple):
    """gp's criterion for one loss, times the probability that all constraints are kept."""

    criterion: Criterion
    constraints: Sequence[Posterior]

    @property
    def surrogate(self) -> Surrogate:
        """See `acquisition.AcquisitionFunction.surrogate`."""
        return self.criterion.surrogate

    @property
    def _chance(self) -> Joint:
        return Joint(self.surrogate._replace(success=None), (), None, self.constraints)

    def rounded(self, by: float) -> Constrained:
        """See `acquisition.AcquisitionFunction.rounded`."""
        return Constrained(self.criterion.rounded(by), [process.rounded(by) for process in self.constraints])

    def at(self, rows: Floats) -> Floats:
        """See `acquisition.AcquisitionFunction.at`."""
        return self.criterion.at(rows) + self._chance.at(rows)

    def slopes(self, x: Floats) -> tuple[Floats, Floats]:
        """See `acquisition.AcquisitionFunction.slopes`."""
        value, d_value = self.criterion.slopes(x)
        chance, d_chance = self._chance.slopes(x)
        return value + chance, d_value + d_chance


class LossScale(NamedTuple):
    """Converts one loss between warped and in ranges: known at trials, linear between them and beyond."""

    warped: Floats
    """Ascending warped losses."""
    losses: Floats
    """The same losses in ranges; they ascend too."""

    def loss(self, warped: Floats) -> Floats:
        """Return *warped* losses in ranges."""
        return np.interp(warped, self.warped, self.losses)

    def warp(self, loss: Floats) -> Floats:
        """Return the warped losses of *loss*, in ranges."""
        return np.interp(loss, self.losses, self.warped)


def _scale(warped: Floats, losses: Floats) -> LossScale:
    """Return the scale through trials with *warped* losses (n,) and *losses* (n,); beyond it, the slope at its ends."""
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
    """Return the boxes that the front of the predicted *means* (p, k) leaves, measured in ranges of the losses.

    margin: how far beyond the worst of the front the reference lies, in widths of the front.
    """
    front = np.unique(means[maximin(means) < 0.0], axis=0)
    reference = _reference(front, scales, margin)
    cut = boxes(front, reference)
    edges = [np.concatenate(([bounds[0] - 1.0], bounds)) for bounds in cut.bounds]
    weights = tuple(np.diff(scale.loss(edge)) / np.diff(edge) for scale, edge in zip(scales, edges, strict=True))
    weighed = cut._replace(weights=weights)
    return weighed if len(scales) < _MOST_LOSSES else _nearer(weighed)


def _reference(front: Floats, scales: Sequence[LossScale], margin: float) -> Floats:
    """Return (k,) the warped losses of the reference for a *front* (p, k)."""
    # A point hardly better in one loss and far worse in another is on the front, but is no measure of its width.
    sums = front.sum(axis=1)
    is_marginal = ((front[None] <= front[:, None] + _AS_GOOD).all(axis=2) & (sums < sums[:, None])).any(axis=1)
    best, worst = front[~is_marginal].min(axis=0), front[~is_marginal].max(axis=0)
    low, high = (np.array([s.loss(x) for s, x in zip(scales, xs, strict=True)]) for xs in (best, worst))
    ends = high + margin * np.maximum(high - low, _NARROWEST)
    reference = [scale.warp(end) for scale, end in zip(scales, ends, strict=True)]
    return np.asarray(np.maximum(reference, worst + 1e-6))


def _nearer(cut: Boxes) -> Boxes:
    """Return *cut* with improvement far below the best of each loss counting next to nothing.

    With three losses, a corner of the space that seems a little better than any trial in one of them is much volume.
    """
    nearest = [b[0] - _FARTHEST * max(b[-1] - b[0], _LEAST_REACH) for b in cut.bounds]
    return Boxes(
        tuple(np.concatenate(([x], b)) for x, b in zip(nearest, cut.bounds, strict=True)),
        np.where(cut.lower > 0, cut.lower + 1, 0), cut.upper + 1,
        tuple(np.concatenate(([_HARDLY * w[0]], w)) for w in cut.weights),
    )  # fmt: skip
