"""Expected losses: what the process of `gp`, made of some trials, expects at the points of others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.surrogate import FEWEST, Surrogate, kept_of, known, surrogate
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.space import Space

Floats = NDArray[np.float64]


class Expected(NamedTuple):
    """What is expected at K points, in the unit of the model's warped losses."""

    means: Floats
    """(K,)"""
    sigmas: Floats
    """(K,): the deviations of these."""
    model: Surrogate
    losses: Floats
    """Of the trials that the model is made of; `model.warped` are the same, warped."""


def expected_at(space: Space, history: History, tids: Sequence[int] | NDArray[np.intp]) -> Expected | None:
    """Return what the trials of *history* let expect at the points of trials *tids* (K,).

    None if fewer than `FEWEST` of them have a loss, or all losses are equal.
    """
    code, trials = encoding(space), known(history)
    if len(trials.with_loss) < FEWEST:
        return None
    rows = code.rows(history)
    with one_thread():
        model = surrogate(code, rows, trials)
        if model is None:
            return None
        means, sigmas = model.posterior.predict(model.features.of(rows[tids]))
    return Expected(means, sigmas, model, trials.losses[kept_of(trials)])
