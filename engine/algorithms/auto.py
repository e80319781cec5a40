"""auto: gp, and beside it other ways to search where that one has stopped to earn."""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms import anneal, gp
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.surrogate import known
from hstore.engine.history import History
from hstore.engine.space import Point, Space

_PATIENCE = 10
_EVERY = 2


def choose(space: Space, history: History, *, seed: int) -> Point:
    """Return gp's point; where the best loss has stood still for long, sometimes one of another algorithm."""
    trials = known(history)
    losses = trials.losses[trials.valid]
    if len(losses):
        still = len(losses) - 1 - int(np.argmin(losses))
        if still >= _PATIENCE and history.next_tid % _EVERY == 0:
            return anneal.choose(space, history, seed=seed)
    return gp.choose(space, history, seed=seed)


suggest = Algorithm(name="auto", version=1, is_portable=False, choose=choose)
