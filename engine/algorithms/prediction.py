"""Prediction: what the model of `gp` expected of a point when it was chosen, in the unit of the loss.

It is made by the same code as the choice, from the same history and seed, so nothing of it is stored.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms import gp
from hstore.engine.algorithms.acquisition import Criterion
from hstore.engine.algorithms.decision import Decision
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.surrogate import kept_of
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.algorithms.warping import unwarped
from hstore.engine.space import Point, Space

Floats = NDArray[np.float64]

DEVIATIONS = {"68": 1.0, "95": 1.96}
"""Within how many deviations a normal value is with that probability, in percent."""
_QUANTILES = (np.arange(400) + 0.5) / 400


class Prediction(NamedTuple):
    """What was expected of the loss at a point. The model sees losses warped; everything here is in their own unit."""

    median: float
    """Half of what the model holds possible is below."""
    low_68: float
    high_68: float
    """Between these it expected the loss with 68 %."""
    low_95: float
    high_95: float
    mean: float
    deviation: float
    """In the unit of the model: losses warped to mean 0 and variance 1. The deviation includes the noise."""
    expected_improvement: float
    """Over the best loss known, in the unit of the loss."""
    rank: int
    candidates: int
    """The place of the point among so many candidates by what `gp` makes great; 1 is the first. The point was found by
    a search that begins at the best candidates."""
    chance: float | None
    """The probability that the trial does not fail; None if none had failed."""
    lengths: dict[str, float]
    """Length scale of each label, in ranges: the loss varies most over the labels with the smallest."""

    def is_within(self, loss: float, percent: str) -> bool:
        """Return whether *loss* is where the model expected it with so many *percent*: "68" or "95"."""
        low, high = (self.low_68, self.high_68) if percent == "68" else (self.low_95, self.high_95)
        return low <= loss <= high


def predict(space: Space, history: History, point: Point, *, seed: int, n_startup_jobs: int = 5) -> Prediction | None:
    """Return what `gp` expects of *point* after *history*; None without a model of a single loss.

    There is none for the first trials, while all losses are equal, with several losses or constraints, and for a point
    that is none of the space.
    """
    decision = gp.decide(space, history, seed=seed, n_startup_jobs=n_startup_jobs)
    row = decision.code.row(point)
    if not isinstance(decision.criterion, Criterion) or row is None:
        return None
    with one_thread():
        return _predicted(space, decision, decision.criterion, row)


def _predicted(space: Space, decision: Decision, criterion: Criterion, row: Floats) -> Prediction:
    from scipy.special import ndtr, ndtri

    surrogate, trials = criterion.surrogate, decision.trials
    x = surrogate.features.of(row[None])
    means, sigmas = surrogate.posterior.predict(x)
    noise = surrogate.posterior.variance * surrogate.posterior.noise
    mean, deviation = float(means[0]), math.sqrt(float(sigmas[0]) ** 2 + noise)
    losses = trials.losses[kept_of(trials)]

    steps = np.array([-DEVIATIONS["95"], -1.0, 0.0, 1.0, DEVIATIONS["95"]])
    low_95, low_68, median, high_68, high_95 = map(float, unwarped(mean + deviation * steps, surrogate.warped, losses))
    possible = unwarped(mean + float(sigmas[0]) * ndtri(_QUANTILES), surrogate.warped, losses)
    best = float(trials.losses[trials.valid].min())
    chance = None
    if surrogate.success is not None:
        at, spread = surrogate.success.predict(x)
        chance = float(ndtr(at[0] / spread[0]))
    return Prediction(
        median=median, low_68=low_68, high_68=high_68, low_95=low_95, high_95=high_95, mean=mean, deviation=deviation,
        expected_improvement=float(np.maximum(best - possible, 0.0).mean()),
        rank=1 + int((criterion.at(decision.pool) > criterion.at(row[None])[0]).sum()),
        candidates=len(decision.pool), chance=chance, lengths=_lengths(space, decision, criterion),
    )  # fmt: skip


def _lengths(space: Space, decision: Decision, criterion: Criterion) -> dict[str, float]:
    features = criterion.surrogate.features
    labels = list(space.labels)
    columns = np.concatenate((decision.code.numbers, decision.code.categories)).astype(np.intp)
    lengths: dict[str, float] = {}
    for group, scale in zip(features.groups, criterion.surrogate.posterior.scales, strict=True):
        lengths.setdefault(labels[columns[group]], 1.0 / float(scale))
    return dict(sorted(lengths.items(), key=lambda item: item[1]))
