"""The surrogate: what the trials of a search tell of points not tried, as Gaussian processes over their encoding.

Everything here is a function of its arguments. Fitted hyperparameters are remembered by the content that they were
fitted to, which nobody can see but by the clock.
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

_MOST = 250  # trials that a process is fitted to: their number cubed is what it costs
_MOST_BELIEVED = 100
_MOST_FITTED = 120  # of them, that hyperparameters are fitted to
_ITERATIONS = 25
_ALL_THE_SAME = 1e-12
_REMEMBERED = 256
# Means of the logarithms of the length scales, that of the root of the number of active labels added, for labels,
# and for choices that others depend on, whose branches are searches of their own.
_LENGTH, _LENGTH_OF_LEADS = -1.1, -0.4
_ONE_APART = math.sqrt(0.5)


class KnownTrials(NamedTuple):
    """The trials of a history, by what they tell."""

    losses: Floats
    """Of all trials; those of *told* are finite."""
    told: Integers
    """Those with a loss, by tid."""
    valid: Integers
    """Those among them that ended well; all, if none did."""
    failed: Integers
    """Those that ended without a loss, or with one that is no number."""
    pending: Integers
    taken: Integers
    """All of these."""

    @property
    def ended(self) -> Integers:
        """Those that are not pending, nor void."""
        return np.concatenate((self.told, self.failed))

    @property
    def n_failed_since(self) -> int:
        """How many trials failed since the last one that gave a loss."""
        return int((self.failed > self.told[-1]).sum())

    @property
    def n_best(self) -> int:
        """How many trials have the lowest loss."""
        losses = self.losses[self.valid]
        lowest = losses.min()
        return int((losses <= lowest + 1e-12 * abs(lowest)).sum())


def known(history: History) -> KnownTrials:
    """Return what there is to know of *history*. A loss of -inf counts as the lowest of the others.

    Trials that were stopped early have the loss that `as_if_ended` tells, and none of them is the best.
    """
    kinds, losses = history.kinds, losses_as_if_ended(history)
    finite = np.isfinite(losses)
    lowest = losses[finite].min() if finite.any() else 0.0
    losses = np.where((kinds == OK) & np.isneginf(losses), lowest, losses)
    is_told = ((kinds == OK) | (kinds == FAIL) | (kinds == PRUNED)) & np.isfinite(losses)
    is_failed = ((kinds == ERROR) | (kinds == FAIL) | (kinds == OK) | (kinds == PRUNED)) & ~is_told
    is_pending = kinds == PENDING
    told, valid = np.flatnonzero(is_told), np.flatnonzero(is_told & (kinds == OK))
    return KnownTrials(
        losses, told, valid if len(valid) else told, np.flatnonzero(is_failed), np.flatnonzero(is_pending),
        np.flatnonzero(is_told | is_failed | is_pending),
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
        """Return the features of tidy *rows*."""
        parts = [rows[:, self.encoding.numbers] - MIDDLE]
        parts += [
            _ONE_APART * (rows[:, j, None] == options)
            for j, options in zip(self.encoding.categories, self.options, strict=True)
        ]
        return np.concatenate(parts, axis=1) if len(parts) > 1 else parts[0]


def features(encoding: Encoding, rows: Floats) -> Features:
    """Return the features that tell tidy *rows*, all that a process will know, apart."""
    options = tuple(np.unique(rows[:, j]) for j in encoding.categories)
    sizes = [1] * len(encoding.numbers) + [len(o) for o in options]
    return Features(encoding, options, np.repeat(np.arange(len(sizes)), sizes))


class Surrogate(NamedTuple):
    """What is expected of points not tried."""

    features: Features
    posterior: Posterior
    """Of the warped loss, with mean 0 and variance 1."""
    success: Posterior | None
    """Of 1 for trials that gave a loss and -1 for those that failed; None if none failed."""
    best: float
    """The lowest warped loss that is expected at a point tried or being tried."""
    best_first: Floats
    """The rows that the process knows, by ascending expected loss."""
    warped: Floats
    """The warped losses that it was told, by tid."""


def kept_of(trials: KnownTrials) -> Integers:
    """Return those of the *trials* with a loss that a process is made of."""
    return trials.told[_chosen(trials.losses[trials.told], _MOST)]


def surrogate(encoding: Encoding, rows: Floats, trials: KnownTrials, kept: Integers | None = None) -> Surrogate | None:
    """Return the surrogate of the *trials* at tidy *rows*, of those *kept*; None if their losses are all equal."""
    told = trials.told
    hyperparameters, power = _fitted_to_losses(encoding, rows[told], trials.losses[told])
    kept = kept_of(trials) if kept is None else kept
    y = yeo_johnson(standardise(trials.losses[kept]), power).losses
    if not y.any():
        return None
    believed = np.concatenate((trials.failed[-_MOST_BELIEVED:], trials.pending[-_MOST_BELIEVED:]))
    feats = features(encoding, rows[np.concatenate((kept, believed))])
    x = feats.of(rows[kept])
    posterior = gaussian_process.condition(hyperparameters, x, y, feats.groups, feats.of(rows[believed]))
    mean, _ = posterior.predict(x)
    is_valid = np.isin(kept, trials.valid)
    is_valid |= not is_valid.any()
    order = np.argsort(np.where(is_valid, np.round(mean, 6), np.inf), kind="stable")
    best = float(mean[is_valid].min())
    if len(trials.pending):
        hoped, _ = posterior.predict(feats.of(rows[trials.pending[-_MOST_BELIEVED:]]))
        best = min(best, float(hoped.min()))
    return Surrogate(feats, posterior, _success(feats, rows, trials), best, rows[kept[order]], y)


def _success(feats: Features, rows: Floats, trials: KnownTrials) -> Posterior | None:
    if not len(trials.failed):
        return None
    which = np.sort(np.concatenate((trials.told, trials.failed)))[-_MOST:]
    y = np.where(np.isin(which, trials.failed), -1.0, 1.0)
    m = _scheduled(len(which))
    fitted = which[:m][-_MOST_FITTED:]
    hyperparameters, _ = _fitted(feats.encoding, rows[fitted], y[:m][-_MOST_FITTED:], powers=())
    return gaussian_process.condition(hyperparameters, feats.of(rows[which]), y, feats.groups, feats.of(rows[:0]))


def constraint(
    encoding: Encoding, feats: Features, rows: Floats, trials: KnownTrials, values: Floats, kept: Integers
) -> Posterior | None:
    """Return the process of a constraint that had *values* in the *trials*; None if those *kept* are all the same.

    It is of what `bilog` makes of them, so 0 is where the constraint begins to be violated.
    """
    m = _scheduled(len(trials.told))
    fitted = trials.told[:m][-_MOST_FITTED:]
    y = bilog(values[kept], values[fitted])
    deviation = y.std()
    if not deviation > _ALL_THE_SAME:
        return None
    hyperparameters, _ = _fitted(encoding, rows[fitted], bilog(values[fitted], values[fitted]), powers=(1.0,))
    believed = np.concatenate((trials.failed[-_MOST_BELIEVED:], trials.pending[-_MOST_BELIEVED:]))
    return gaussian_process.condition(
        hyperparameters, feats.of(rows[kept]), y / deviation, feats.groups, feats.of(rows[believed])
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
    """Return the likeliest hyperparameters and of the *powers* to warp *losses* with; none warps nothing."""
    # Distances grow with the root of the dimension, and so must the scales (Hvarfner, Hellsten and Nardi 2024).
    prior = np.full(len(encoding), _LENGTH + 0.5 * math.log(max(encoding.n_active, 1.0)))
    prior[len(encoding.numbers) + np.flatnonzero(np.isin(encoding.categories, encoding.leads))] = _LENGTH_OF_LEADS
    parts = (rows, losses, prior, encoding.is_category, np.array(powers))
    key = hashlib.blake2b(b"".join(part.tobytes() for part in parts), digest_size=16).digest()
    if key in _memory:
        return _memory[key]
    feats = features(encoding, rows)
    x, theta = feats.of(rows), gaussian_process.default(prior)
    if powers:
        found, greatest = (theta, 1.0), -math.inf
        z = standardise(losses)
        for power in powers:
            y = yeo_johnson(z, power)
            theta, density = gaussian_process.fit(
                x, y.losses, feats.groups, theta, prior, iterations=_ITERATIONS, has_trend=True
            )
            if density + y.log_density > greatest:
                found, greatest = (theta, power), density + y.log_density
    else:
        theta, _ = gaussian_process.fit(x, losses, feats.groups, theta, prior, iterations=_ITERATIONS, has_trend=False)
        found = theta, 1.0
    _memory[key] = found
    while len(_memory) > _REMEMBERED:
        _memory.popitem(last=False)
    return found
