"""Earlier trials: whether those of a warm start are of this objective, judged by the trials of the search itself.

A search takes the losses of earlier experiments for losses of its own. If their objective was another one (another
level or scale, an optimum elsewhere), these mislead its model, and its own trials, which the earlier model did not
expect, show it. So each earlier experiment has to predict the search's own losses, or its trials count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.expected import expected_at
from hstore.engine.algorithms.history import OK, History
from hstore.engine.algorithms.scalarise import is_needed
from hstore.engine.algorithms.warping import unwarped
from hstore.engine.space import Space

Earlier: TypeAlias = Literal["judged", "believed"]
"""A setting: whether trials of earlier experiments are judged, or believed whatever they say."""
WORDS = ("judged", "believed")
Floats = NDArray[np.float64]

_IN_FAVOUR = 3.0  # of the trials, as a logarithm of odds: the user said that the objective is the same
_PER_TRIAL = 1.75  # likewise for each of the search's own trials: the errors of a model are alike at points close by
_LEAST_DEVIATION = 1e-3  # of a prediction: hyperparameters are estimates
_WIDTH = 0.5  # deviations of all earlier losses: the least width of what is expected without them
_FREEDOM = 4.0
_MOST = 250  # of the search's own trials are looked at, the first ones: each costs a prediction
_FARTHEST = 1e6  # deviations: what is beyond counts as this far


def judged(space: Space, history: History, earlier: Earlier = "judged") -> History:
    """Return *history* with the trials of those earlier experiments void whose objective is not that of the search.

    They are void if the search's own losses are far less likely under the model of the earlier trials than under a
    distribution that knows nothing but the mean and the width of these losses. Both have heavy tails (Student's, 4
    degrees of freedom), so that no one loss decides unless it is far beyond what the model holds possible.
    """
    sources = history.sources
    if sources is None or earlier == "believed" or is_needed(history):
        return history
    own = np.flatnonzero((sources == 0) & (history.kinds == OK) & np.isfinite(history.losses))[:_MOST]
    others = np.unique(sources[sources > 0])
    wrong = [source for source in others if len(own) and not _is_same(space, history, sources == source, own)]
    return history.without(np.isin(sources, wrong)) if wrong else history


def _is_same(space: Space, history: History, which: NDArray[np.bool_], own: NDArray[np.intp]) -> bool:
    """Return whether the trials *which* (N,) predict the losses of the trials *own*."""
    found = expected_at(space, history.without(~which), own)
    if found is None:
        return True
    mean, sigma, model, losses = found
    # From losses to what the model predicts: the inverse of what `unwarped` is for.
    with np.errstate(over="ignore", invalid="ignore"):
        y = np.nan_to_num(unwarped(history.losses[own], losses, model.warped))
    y = np.clip(y, -_FARTHEST, _FARTHEST)
    noise = model.posterior.variance * model.posterior.noise
    width = np.sqrt(sigma * sigma + noise + _LEAST_DEVIATION**2)
    known_so = np.cumsum(_log_density(y - mean, width))
    return not any(_is_surprised(y[:n], float(known_so[n - 1])) for n in _looked_at(len(y)))


def _is_surprised(y: Floats, log_density: float) -> bool:
    """Return whether *y* (n,), of that density under the model of the earlier trials, is far likelier without them."""
    width = np.full(len(y), max(float(y.std()), _WIDTH))
    alone = float(_log_density(y - y.mean(), width).sum())
    return log_density - alone < -_IN_FAVOUR - _PER_TRIAL * len(y)


def _looked_at(n: int) -> Iterator[int]:
    """Yield how many of a search's own first *n* trials are looked at: each number, from 20 on every tenth part more.

    What was surprised once stays so: the more of its trials lie close together, the less their losses say.
    """
    m = 1
    while m <= n:
        yield m
        m += max(1, m // 10)


def _log_density(gaps: Floats, width: Floats) -> Floats:
    """Return the logarithm of the density of *gaps* under Student's distribution, but for a constant."""
    more = np.log1p((gaps / width) ** 2 / _FREEDOM)
    return np.asarray(-np.log(width) - 0.5 * (_FREEDOM + 1.0) * more)
