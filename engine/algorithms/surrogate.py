"""The surrogate: Gaussian processes over the encoding of a space, which predict the loss at points not tried.

Everything here is a function of its arguments. Fitted hyperparameters are kept by a hash of the data that they were
fitted to: that saves time and changes no result.

Notation (N: trials of the history, n: those that a process is made of, d: labels, f: features):

    rows      (N, d)  the trials in the encoding, one column for each label; see `encoding`. Tidy rows have one value
                      for all that the objective cannot distinguish
    x         (n, f)  features of rows: numbers around 0 in ranges of their labels, categories as 0 or sqrt(1/2)
    losses    (N,)    as the objective returned them, in its own unit
    z         (n,)    standardised losses: median 0, middle half about 1 wide; see `warping`
    y         (n,)    warped losses: z after a Yeo-Johnson transformation by `power`, mean 0 and variance 1, no unit
    kept      (n,)    which trials a process is made of: of many the best and a sample of the others
    believed          which trials count as if they had turned out as expected: failed and pending ones
    prior     (d,)    means of the logarithms of the length scales, one for each label

Means and deviations that a process predicts are in units of y. Expected improvement takes them as they are.
"""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms import gaussian_process
from hstore.engine.algorithms.encoding import MIDDLE, Encoding
from hstore.engine.algorithms.gaussian_process import Hyperparameters, Posterior
from hstore.engine.algorithms.history import ERROR, FAIL, OK, PENDING, PRUNED, History
from hstore.engine.algorithms.stopped import losses_as_if_ended
from hstore.engine.algorithms.warping import bilog, most_normal, standardise, yeo_johnson

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

FEWEST = 4
"""Trials with a loss that a model needs."""
_MOST = 250  # trials that a process is fitted to: their number cubed is what it costs
_MOST_BELIEVED = 100  # trials of each of both kinds
_MOST_FITTED = 120  # of them, that hyperparameters are fitted to
_ITERATIONS = 25
_ALL_THE_SAME = 1e-12
_REMEMBERED = 256
# Means of the logarithms of the length scales, that of the root of the number of active labels added, for labels,
# and for choices that others depend on, whose branches are searches of their own.
_LENGTH, _LENGTH_OF_LEADS = -1.1, -0.4
_ONE_APART = math.sqrt(0.5)


class KnownTrials(NamedTuple):
    """The trials of a history by how they ended, but for void ones; the arrays of integers hold tids, ascending."""

    losses: Floats
    """(N,) of all trials; those of *with_loss* are finite."""
    with_loss: Integers
    """Those with a loss that the model can use."""
    valid: Integers
    """Those of *with_loss* whose status was ok; all of them, if none was."""
    failed: Integers
    """Those that ended without a finite loss."""
    pending: Integers
    """Those that have not ended."""
    taken: Integers
    """All of these."""

    @property
    def ended(self) -> Integers:
        """Those that are not pending, nor void."""
        return np.concatenate((self.with_loss, self.failed))

    @property
    def n_failed_since(self) -> int:
        """How many trials failed since the last one that gave a loss."""
        return int((self.failed > self.with_loss[-1]).sum())

    @property
    def n_best(self) -> int:
        """How many trials have the lowest loss."""
        losses = self.losses[self.valid]
        lowest = losses.min()
        return int((losses <= lowest + 1e-12 * abs(lowest)).sum())


def known(history: History) -> KnownTrials:
    """Return the trials of *history* by how they ended. A loss of -inf counts as the lowest of the others.

    Trials that were stopped early have the loss that `losses_as_if_ended` estimates, and are never the best.
    """
    kinds, losses = history.kinds, losses_as_if_ended(history)
    finite = np.isfinite(losses)
    lowest = losses[finite].min() if finite.any() else 0.0
    losses = np.where((kinds == OK) & np.isneginf(losses), lowest, losses)
    has_loss = ((kinds == OK) | (kinds == FAIL) | (kinds == PRUNED)) & np.isfinite(losses)
    is_failed = ((kinds == ERROR) | (kinds == FAIL) | (kinds == OK) | (kinds == PRUNED)) & ~has_loss
    is_pending = kinds == PENDING
    with_loss, valid = np.flatnonzero(has_loss), np.flatnonzero(has_loss & (kinds == OK))
    return KnownTrials(
        losses, with_loss, valid if len(valid) else with_loss, np.flatnonzero(is_failed), np.flatnonzero(is_pending),
        np.flatnonzero(has_loss | is_failed | is_pending),
    )  # fmt: skip


class Features(NamedTuple):
    """How rows of an encoding become features of a process, and which dimension each of them belongs to.

    A number is itself, around 0; a category is a column for each option that was seen, so that two options are
    1 apart; options that were not seen are alike.
    """

    encoding: Encoding
    options: tuple[Floats, ...]
    """The options seen, for each categorical label."""
    groups: Integers
    """(f,) the dimension of each feature: the numeric labels, then the categorical ones."""

    def of(self, rows: Floats) -> Floats:
        """Return the features (n, f) of tidy *rows* (n, d)."""
        parts = [rows[:, self.encoding.numbers] - MIDDLE]
        parts += [
            _ONE_APART * (rows[:, j, None] == options)
            for j, options in zip(self.encoding.categories, self.options, strict=True)
        ]
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def features(encoding: Encoding, rows: Floats) -> Features:
    """Return the features in which tidy *rows* (n, d), all that a process will know, differ."""
    options = tuple(np.unique(rows[:, j]) for j in encoding.categories)
    sizes = [1] * len(encoding.numbers) + [len(o) for o in options]
    return Features(encoding, options, np.repeat(np.arange(len(sizes)), sizes))


class Surrogate(NamedTuple):
    """The processes that predict how points not tried will turn out."""

    features: Features
    posterior: Posterior
    """Of the warped loss y."""
    success: Posterior | None
    """Of 1 for trials with a loss and -1 for those that failed; None if none failed."""
    best: float
    """The lowest mean of y at a point tried or being tried."""
    best_first: Floats
    """(n, d) the rows of the trials that the process is made of, by ascending mean of y."""
    warped: Floats
    """(n,) y of these trials, by tid."""

    def rounded(self, by: float) -> Surrogate:
        """Return the surrogate with the processes that `Posterior.rounded` returns."""
        success = None if self.success is None else self.success.rounded(by)
        return self._replace(posterior=self.posterior.rounded(by), success=success)


def kept_of(trials: KnownTrials) -> Integers:
    """Return those of the *trials* that a process is made of: at most `_MOST` with a loss."""
    return trials.with_loss[_chosen(trials.losses[trials.with_loss], _MOST)]


def surrogate(encoding: Encoding, rows: Floats, trials: KnownTrials, kept: Integers | None = None) -> Surrogate | None:
    """Return the surrogate of the *trials* at tidy *rows* (N, d), made of those *kept*; None if their losses are equal.

    kept: those that `kept_of` returns, without it.
    """
    fitted = trials.with_loss
    hyperparameters, power = _fitted_to_losses(encoding, rows[fitted], trials.losses[fitted])
    kept = kept_of(trials) if kept is None else kept
    y = yeo_johnson(standardise(trials.losses[kept]), power).losses
    if not y.any():
        return None
    believed = _believed(trials)
    feats = features(encoding, rows[np.concatenate((kept, believed))])
    x = feats.of(rows[kept])
    posterior = gaussian_process.condition(hyperparameters, x, y, feats.groups, feats.of(rows[believed]))
    mean, _ = posterior.predict(x)
    is_valid = np.isin(kept, trials.valid)
    is_valid |= not is_valid.any()
    order = np.argsort(np.where(is_valid, np.round(mean, 6), np.inf), kind="stable")
    best = float(mean[is_valid].min())
    if len(trials.pending):
        of_pending, _ = posterior.predict(feats.of(rows[trials.pending[-_MOST_BELIEVED:]]))
        best = min(best, float(of_pending.min()))
    return Surrogate(feats, posterior, _success(feats, rows, trials), best, rows[kept[order]], y)


def _believed(trials: KnownTrials) -> Integers:
    """Return the trials that count as if they had turned out as expected: the last ones that failed or are pending."""
    return np.concatenate((trials.failed[-_MOST_BELIEVED:], trials.pending[-_MOST_BELIEVED:]))


def _success(feats: Features, rows: Floats, trials: KnownTrials) -> Posterior | None:
    if not len(trials.failed):
        return None
    which = np.sort(np.concatenate((trials.with_loss, trials.failed)))[-_MOST:]
    y = np.where(np.isin(which, trials.failed), -1.0, 1.0)
    m = _scheduled(len(which))
    fitted = which[:m][-_MOST_FITTED:]
    hyperparameters, _ = _fitted(feats.encoding, rows[fitted], y[:m][-_MOST_FITTED:], powers=())
    return gaussian_process.condition(hyperparameters, feats.of(rows[which]), y, feats.groups, feats.of(rows[:0]))


def constraint(
    encoding: Encoding, feats: Features, rows: Floats, trials: KnownTrials, values: Floats, kept: Integers
) -> Posterior | None:
    """Return the process of a constraint with *values* (N,) in the *trials*; None if those *kept* are all the same.

    It predicts the values after `bilog`, so 0 is still where the constraint begins to be violated.
    """
    m = _scheduled(len(trials.with_loss))
    fitted = trials.with_loss[:m][-_MOST_FITTED:]
    y = bilog(values[kept], values[fitted])
    deviation = y.std()
    if not deviation > _ALL_THE_SAME:
        return None
    hyperparameters, _ = _fitted(encoding, rows[fitted], bilog(values[fitted], values[fitted]), powers=(1.0,))
    return gaussian_process.condition(
        hyperparameters, feats.of(rows[kept]), y / deviation, feats.groups, feats.of(rows[_believed(trials)])
    )


def _chosen(losses: Floats, most: int) -> Integers:
    """Return which trials a process is made of: all, or of many the best and a sample of the others."""
    if len(losses) <= most:
        return np.arange(len(losses))
    order = np.argsort(losses, kind="stable")
    best, others = order[: most // 2], order[most // 2 :]
    return np.sort(np.concatenate((best, others[np.linspace(0, len(others) - 1, most - len(best)).astype(np.intp)])))


def _scheduled(n: int) -> int:
    """Return the greatest number of trials up to *n* at which hyperparameters are fitted: every tenth part more."""
    m = 1
    while (following := m + max(1, m // 10)) <= n:
        m = following
    return m


def _fitted_to_losses(encoding: Encoding, rows: Floats, losses: Floats) -> tuple[Hyperparameters, float]:
    m = _scheduled(len(losses))
    kept = _chosen(losses[:m], _MOST_FITTED)
    power = most_normal(standardise(losses[kept]))
    return _fitted(encoding, rows[kept], losses[kept], powers=(power, 1.0, 0.5 * (power + 1.0)))


_memory: OrderedDict[bytes, tuple[Hyperparameters, float]] = OrderedDict()


def _fitted(
    encoding: Encoding, rows: Floats, losses: Floats, *, powers: tuple[float, ...]
) -> tuple[Hyperparameters, float]:
    """Return the likeliest hyperparameters and of the *powers* to warp *losses* with; none warps nothing.

    rows: (n, d) tidy ones. losses: (n,).
    """
    prior = _prior_of_lengths(encoding)
    parts = (rows, losses, prior, encoding.is_category, np.array(powers))
    key = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=16).digest()
    if key not in _memory:
        _memory[key] = _fit(encoding, rows, losses, prior, powers)
        while len(_memory) > _REMEMBERED:
            _memory.popitem(last=False)
    return _memory[key]


def _prior_of_lengths(encoding: Encoding) -> Floats:
    """Return (d,) the means of the logarithms of the length scales."""
    # Distances grow with the root of the dimension, and so must the scales (Hvarfner, Hellsten and Nardi 2024).
    prior = np.full(len(encoding), _LENGTH + 0.5 * math.log(max(encoding.n_active, 1.0)))
    prior[len(encoding.numbers) + np.flatnonzero(np.isin(encoding.categories, encoding.leads))] = _LENGTH_OF_LEADS
    return prior


def _fit(
    encoding: Encoding, rows: Floats, losses: Floats, prior: Floats, powers: tuple[float, ...]
) -> tuple[Hyperparameters, float]:
    feats = features(encoding, rows)
    x, theta = feats.of(rows), gaussian_process.default(prior)
    if not powers:
        theta, _ = gaussian_process.fit(x, losses, feats.groups, theta, prior, iterations=_ITERATIONS, has_trend=False)
        return theta, 1.0
    best, greatest = (theta, 1.0), -math.inf
    z = standardise(losses)
    for power in powers:  # each fit begins where the last one ended
        y = yeo_johnson(z, power)
        theta, density = gaussian_process.fit(
            x, y.losses, feats.groups, theta, prior, iterations=_ITERATIONS, has_trend=True
        )
        if density + y.log_density > greatest:
            best, greatest = (theta, power), density + y.log_density
    return best
