"""gp: a Gaussian process over mixed and conditional spaces, and the point of the greatest expected improvement.

Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box Functions (1998). What a search is
told is in `surrogate`, how it is asked in `acquisition`, where the asking starts in `candidates`.
"""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms.acquisition import Criterion, maximise
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.candidates import Floats, candidates, farthest, neglected
from hstore.engine.algorithms.encoding import cells, encoding
from hstore.engine.algorithms.surrogate import known, surrogate
from hstore.engine.algorithms.threads import one_thread
from hstore.engine.history import History
from hstore.engine.space import Point, Space

_STARTS, _ITERATIONS = 5, 20
_FEWEST = 4  # losses, to begin with
_MARGIN, _MOST_MARGINS = 0.05, 10
_NEAR = 1e-3  # of each range: what is as near to a pending trial need not be tried beside it


def choose(space: Space, history: History, *, seed: int, n_startup_jobs: int = 8) -> Point:
    """Return the point of the greatest expected improvement over the best loss so far.

    The first *n_startup_jobs* trials are spread over the space. Pending trials are believed to turn out
    as expected; where trials failed, or had a loss that is no number, fewer are tried. Of a space that is tried out,
    a point is proposed again.
    """
    rng = np.random.default_rng(seed)
    code = encoding(space)
    rows, trials = code.rows(history), known(history)
    with one_thread():
        is_begun = len(trials.taken) >= n_startup_jobs and len(trials.told) >= min(n_startup_jobs, _FEWEST)
        model = surrogate(code, rows, trials) if is_begun and len(trials.told) > 1 else None
        if model is None:
            return code.point(farthest(code, rows[trials.taken], rng))
        # On a plateau the nearest points promise most and tell nothing: ask for more than they can promise.
        margin = _MARGIN * min(trials.n_best - 1, _MOST_MARGINS)
        pool = neglected(code, rows, trials, candidates(code, model.best_first, rng))
        taken, pending = cells(rows[trials.taken]), rows[trials.pending]

        def is_taken(row: Floats) -> bool:
            is_near = np.abs(pending - row).max(1, initial=0.0) < _NEAR
            return not taken.isdisjoint(cells(row[None])) or bool(is_near.any())

        criterion = Criterion(model, model.best - margin, caution=1.0 + trials.n_failed_since)
        return code.point(maximise(criterion, pool, starts=_STARTS, iterations=_ITERATIONS, is_taken=is_taken))


suggest = Algorithm(name="gp", version=1, is_portable=False, choose=choose)
