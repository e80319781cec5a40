"""gp: a Gaussian process over mixed and conditional spaces, and the point of the greatest expected improvement.

Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions (1998).

Three steps, with the symbols of the modules that hold them: `surrogate` fits the process to the trials, `candidates`
proposes rows to start from, and `acquisition` finds where the expected improvement is greatest.
"""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms import multiobjective
from hstore.engine.algorithms.acquisition import Criterion, plateau_margin
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.candidates import candidates, farthest_first, under_explored
from hstore.engine.algorithms.decision import Decision
from hstore.engine.algorithms.earlier import WORDS, Earlier, judged
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.algorithms.scalarise import is_needed
from hstore.engine.algorithms.surrogate import FEWEST, known, surrogate
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.space import Point, Space

OLDER = {
    2: {"repeats": "endless", "earlier": "believed"},
    3: {"repeats": "drawn", "earlier": "believed"},
    4: {"earlier": "believed"},
}
"""Versions of gp, and of auto, that this one still follows; see `Algorithm.older`."""
_LEAST_WEIGHT, _PER_TRIAL = 0.6, 100


def choose(
    space: Space, history: History, *, seed: int, n_startup_jobs: int = 5, repeats: Repeats = False,
    earlier: Earlier = "judged",
) -> Point:  # fmt: skip
    """Model the loss by a Gaussian process, and choose the point of the greatest expected improvement.

    The first *n_startup_jobs* trials are spread over the space. Pending trials count as if they had turned out as
    expected; near trials that failed or returned a loss that is not finite, fewer points are tried. No point is
    tried twice, unless *repeats* is true. Several losses, and constraints, are modelled one by
    one, and the expected improvement is that of the Pareto front. Trials of a warm start that turn out to be of another
    objective are left out, unless *earlier* is "believed".
    """
    history = judged(space, history, earlier)
    decision = decide(space, history, seed=seed, n_startup_jobs=n_startup_jobs)
    return new_point(space, history, decision.points(), seed=seed, repeats=repeats)


def shortfall(
    space: Space, history: History, point: Point, *, seed: int, n_startup_jobs: int = 5, repeats: Repeats = False,
    earlier: Earlier = "judged",
) -> float | None:  # fmt: skip
    """Return by how much *point* is certainly worth less than what `choose` seeks; see `Decision.shortfall`."""
    history = judged(space, history, earlier)
    return decide(space, history, seed=seed, n_startup_jobs=n_startup_jobs).shortfall(space, history, point, repeats)


def _exploration_weight(n: int) -> float:
    """Return the factor of the predicted deviations with *n* losses known: less than 1 up to 40 trials.

    A process of a few trials predicts large deviations nearly everywhere. Relying on its mean then finds good points
    sooner (Rehbach et al., Expected Improvement versus Predicted Value, 2020; De Ath et al., Greed is Good, 2021).
    """
    return min(1.0, _LEAST_WEIGHT + n / _PER_TRIAL)


def decide(space: Space, history: History, *, seed: int, n_startup_jobs: int = 5) -> Decision:
    """Return what `choose` goes by."""
    code, rng = encoding(space), np.random.default_rng(seed)
    rows = code.rows(history)
    with one_thread():
        if is_needed(history):
            return multiobjective.decision(code, rows, history, rng, n_startup_jobs)
        trials = known(history)
        is_begun = len(trials.taken) >= n_startup_jobs and len(trials.with_loss) >= min(n_startup_jobs, FEWEST)
        # Where nothing can be chosen, losses that differ say nothing.
        is_begun = is_begun and len(code) > 0 and len(trials.with_loss) > 1
        model = surrogate(code, rows, trials) if is_begun else None
        if model is None:
            return Decision(code, rows, trials, None, farthest_first(code, rows[trials.taken], rng))
        criterion = Criterion(
            model,
            model.best - plateau_margin(trials.n_best),
            feasibility_power=1.0 + trials.n_failed_since,
            exploration_weight=_exploration_weight(len(trials.with_loss)),
        )
        pool = under_explored(code, rows, trials, candidates(code, model.best_first, rng))
        return Decision(code, rows, trials, criterion, pool)


suggest = Algorithm(
    name="gp",
    version=5,
    older=OLDER,
    is_portable=False,
    words={"earlier": WORDS},
    choose=choose,
    shortfall=shortfall,
    scalarisation="modelled",
)
