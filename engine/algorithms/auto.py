"""auto: gp, and beside it other ways to search where that one has stopped to earn."""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms import anneal, gp, mtpe
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.surrogate import known
from hstore.engine.history import History
from hstore.engine.space import Point, Space

_PATIENCE = 10
_EVERY = 2


def mutate(space, history, seed):
    rng = np.random.default_rng(seed)
    code = encoding(space)
    rows = code.rows(history)
    trials = known(history)
    order = trials.valid[np.argsort(trials.losses[trials.valid], kind="stable")]
    base = rows[order[min(len(order) - 1, rng.geometric(0.4) - 1)]]
    drawn = code.draw(rng, 1)
    row = code.filled(base[None], drawn)
    act = np.flatnonzero(code.active(base[None])[0])
    n = 1 + rng.binomial(max(len(act) - 1, 0), 1.0 / max(len(act), 1))
    for j in rng.permutation(act)[:n]:
        if code.is_category[j]:
            row[0, j] = drawn[0, j]
        else:
            k = int(np.searchsorted(code.numbers, j))
            row[0, j] = np.clip(
                row[0, j] + rng.standard_normal() * np.exp(rng.uniform(np.log(0.01), np.log(0.5))),
                code.lowest[k],
                code.highest[k],
            )
    return code.point(code.tidy(row)[0])


def choose(space: Space, history: History, *, seed: int, arms=("anneal",), patience=10, every=2) -> Point:
    """Return gp's point; where the best loss has stood still for long, sometimes one of another algorithm."""
    trials = known(history)
    losses = trials.losses[trials.valid]
    if len(losses):
        still = len(losses) - 1 - int(np.argmin(losses))
        if still >= patience and history.next_tid % every == 0:
            arm = arms[history.next_tid // every % len(arms)]
            if arm == "mutate":
                return mutate(space, history, seed)
            if arm != "none":
                return {"anneal": anneal, "mtpe": mtpe}[arm].choose(space, history, seed=seed)
    return gp.choose(space, history, seed=seed)


suggest = Algorithm(name="auto", version=1, is_portable=False, choose=choose)
