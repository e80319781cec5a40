"""gp: a Gaussian process over mixed and conditional spaces, and the point of the greatest expected improvement.

Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions (1998).

Three steps, with the symbols of the modules that hold them: `surrogate` fits the process to the trials, `candidates`
proposes rows to start from, and `acquisition` finds where the expected improvement is greatest.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from hstore.engine.algorithms import multiobjective
from hstore.engine.algorithms.acquisition import Criterion, best_first, plateau_margin
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.candidates import candidates, farthest_first, under_explored
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.algorithms.scalarise import is_needed
from hstore.engine.algorithms.surrogate import known, surrogate
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.space import Point, Space

_FEWEST = 4  # losses that the model needs
_LEAST_WEIGHT, _PER_TRIAL = 0.6, 100


def choose(space: Space, history: History, *, seed: int, n_startup_jobs: int = 5, repeats: Repeats = False) -> Point:
    """Model the loss by a Gaussian process, and choose the point of the greatest expected improvement.

    The first *n_startup_jobs* trials are spread over the space. Pending trials count as if they had turned out as
    expected; near trials that failed or returned a loss that is not finite, fewer points are tried. No point is
    tried twice, unless *repeats* is true. Several losses, and constraints, are modelled one by
    one, and the expected improvement is that of the Pareto front.
    """
    if is_needed(history):
        return multiobjective.choose(space, history, seed=seed, n_startup_jobs=n_startup_jobs, repeats=repeats)
    proposals = _proposals(space, history, seed, n_startup_jobs)
    return new_point(space, history, proposals, seed=seed, repeats=repeats)


def _exploration_weight(n: int) -> float:
    """Return the factor of the predicted deviations with *n* losses known: less than 1 up to 40 trials.

    A process of a few trials predicts large deviations nearly everywhere. Relying on its mean then finds good points
    sooner (Rehbach et al., Expected Improvement versus Predicted Value, 2020; De Ath et al., Greed is Good, 2021).
    """
    return min(1.0, _LEAST_WEIGHT + n / _PER_TRIAL)


def _proposals(space: Space, history: History, seed: int, n_startup_jobs: int) -> Iterator[Point]:
    rng = np.random.default_rng(seed)
    code = encoding(space)
    rows, trials = code.rows(history), known(history)
    with one_thread():
        is_begun = len(trials.taken) >= n_startup_jobs and len(trials.with_loss) >= min(n_startup_jobs, _FEWEST)
        model = surrogate(code, rows, trials) if is_begun and len(trials.with_loss) > 1 else None
        if model is None:
            order = farthest_first(code, rows[trials.taken], rng)
        else:
            target = model.best - plateau_margin(trials.n_best)
            pool = under_explored(code, rows, trials, candidates(code, model.best_first, rng))
            criterion = Criterion(
                model,
                target,
                feasibility_power=1.0 + trials.n_failed_since,
                exploration_weight=_exploration_weight(len(trials.with_loss)),
            )
            order = best_first(criterion, pool, rows[trials.ended], rows[trials.pending])
    yield from map(code.point, order)


suggest = Algorithm(
    name="gp", version=3, older={2: {"repeats": "endless"}}, is_portable=False, choose=choose, scalarisation="modelled"
)
