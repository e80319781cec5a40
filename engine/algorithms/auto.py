"""auto, the default: gp, and small steps from the best trials where gp has not earned its trials of late.

Which of the two chooses follows from the history alone: there is nothing to record and nothing to restore.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hstore.engine.algorithms import gp
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.candidates import neglected, steps
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.novelty import new_point
from hstore.engine.algorithms.scalarise import is_needed
from hstore.engine.algorithms.surrogate import Known, known
from hstore.engine.history import History
from hstore.engine.space import Point, Space

_PATIENCE = 10  # trials without a better loss
_EVERY = 4
_N_STEPS = 8


def choose(space: Space, history: History, *, seed: int, repeats: bool = False) -> Point:
    """Return gp's point; but after 10 trials without a better loss every fourth one is a step from a good trial.

    A step changes one label or a few, by any size. It takes no model of the loss to find out what lies beside the
    best trials, and none can mislead it. On a finite space no point is tried twice, unless *repeats*.
    """
    if is_needed(history):
        return gp.choose(space, history, seed=seed, repeats=repeats)
    trials = known(history)
    if _stands_still(trials) and history.next_tid % _EVERY == 0:
        return new_point(space, history, _steps(space, history, trials, seed), seed=seed, repeats=repeats)
    return gp.choose(space, history, seed=seed, repeats=repeats)


def _stands_still(trials: Known) -> bool:
    losses = trials.losses[trials.valid]
    return len(losses) > _PATIENCE and len(losses) - 1 - int(np.argmin(losses)) >= _PATIENCE


def _steps(space: Space, history: History, trials: Known, seed: int) -> Iterator[Point]:
    code = encoding(space)
    order = trials.valid[np.argsort(trials.losses[trials.valid], kind="stable")]
    rows = code.rows(history)
    best_first = neglected(code, rows, trials, rows[order])
    yield from map(code.point, steps(code, best_first, np.random.default_rng(seed), _N_STEPS))


suggest = Algorithm(name="auto", version=1, is_portable=False, choose=choose, scalarisation="modelled")
