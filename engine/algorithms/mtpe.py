"""A modern tree-structured Parzen estimator: whole points instead of labels one by one, and one width for good and bad.

After Bergstra, Bardenet, Bengio and Kégl (NIPS 2011): draw points from a density of the good trials, take the one at
which it is largest beside the density of the others. What differs from `tpe`, and from where:

- kernels are products over all labels (Falkner, Klein and Hutter, BOHB, ICML 2018), conditional ones by structure
  (`kernels`); the good ones have weights that fall with their rank, as the parents of an evolution strategy
  (Hansen, The CMA Evolution Strategy: A Tutorial, 2016, eq. 53);
- good and bad kernels have the same widths, so that the ratio of the densities is a kernel classifier that knows of bad
  trials as close by as of good ones; the width is Scott's rule on the spread of the good ones, held between bounds,
  and narrows slowly with the number of trials;
- integers and steps of q are cells, below half of which no kernel is narrower;
- trials under way, failed and without a loss are among the bad ones; those that a pruner stopped are ranked by what
  they reported last (`stopped`);
- the first points are a scrambled Sobol sequence.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.densities import Densities, compared
from hstore.engine.algorithms.history import OK, PRUNED, VOID, History
from hstore.engine.algorithms.kernels import Candidates, Floats, KernelDensity, Rows, Scales
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.algorithms.prior import spread_points
from hstore.engine.algorithms.stopped import losses_as_if_ended
from hstore.engine.space import Point, Space

_FEWEST_OK = 2
_NARROWEST, _WIDEST = 1e-4, 1.0
_SHRINK = 0.01  # the widths are halved after 100 trials
_CELL_SHARE = 0.5
_NEARLY = 1e-6  # far above the errors of a score


def choose(
    space: Space,
    history: History,
    *,
    seed: int,
    n_startup_jobs: int = 15,
    n_EI_candidates: int = 64,  # noqa: N803
    gamma: float = 0.1,
    prior_weight: float = 1.0,
    repeats: Repeats = False,
) -> Point:
    """A modern TPE: choose the point that is likeliest among good trials compared with bad ones.

    *n_EI_candidates* whole points are drawn and compared. The best share *gamma* of the trials with a loss is good. The
    first *n_startup_jobs* points are spread over the space. *prior_weight* is the weight of the prior, in trials.
    No point is tried twice, unless *repeats* is true; `Exhausted` is raised when all points of a finite space were
    tried.
    """
    made = _compare(space, history, seed, n_startup_jobs, n_EI_candidates, gamma, prior_weight)
    if made is None:
        return new_point(space, history, spread_points(space, history, seed), seed=seed, repeats=repeats)
    candidates, below, above = made
    return new_point(space, history, _best_first(candidates, below - above), seed=seed, repeats=repeats)


def densities(
    space: Space,
    history: History,
    point: Point,
    *,
    seed: int,
    n_startup_jobs: int = 15,
    n_EI_candidates: int = 64,  # noqa: N803
    gamma: float = 0.1,
    prior_weight: float = 1.0,
    repeats: Repeats = False,
) -> list[Densities] | None:
    """Return how *point*, which `choose` chose, was compared; None if it is none of the candidates."""
    made = _compare(space, history, seed, n_startup_jobs, n_EI_candidates, gamma, prior_weight)
    if made is None:
        return None
    candidates, below, above = made
    places = [row for row in range(len(candidates)) if candidates.point(row) == point]
    return [compared(None, "density", below, above, places[0])] if places else None


def _compare(
    space: Space, history: History, seed: int, n_startup_jobs: int, n_candidates: int, gamma: float, prior_weight: float
) -> tuple[Candidates, Floats, Floats] | None:
    """Return candidates with the logarithms of their densities among good and bad trials; None at the start."""
    kinds, losses = history.kinds, losses_as_if_ended(history)
    ranked = np.flatnonzero(((kinds == OK) | (kinds == PRUNED)) & (losses < np.inf))
    # Those under way count: their results will soon be there, however many workers there are.
    if np.count_nonzero(kinds != VOID) < n_startup_jobs or len(ranked) < _FEWEST_OK or not len(space):
        return None
    ranked = ranked[np.lexsort((kinds[ranked] == PRUNED, losses[ranked]))]  # equal ones: what has ended first
    n_good = min(max(2, math.ceil(gamma * len(ranked))), len(ranked))
    is_bad = kinds != VOID
    is_bad[ranked[:n_good]] = False
    scales = Scales(space)
    rows = scales.rows(history)
    good, bad = rows[ranked[:n_good]], rows[np.flatnonzero(is_bad)]
    weights = _rank_weights(n_good)
    widths = _widths(scales, good, weights) / (1.0 + _SHRINK * len(ranked))
    widths = np.clip(widths, _NARROWEST, _WIDEST)
    estimates = [
        KernelDensity(
            scales,
            part,
            shares / (1.0 + prior_weight / len(part)) if len(part) else shares,
            np.maximum(widths, _CELL_SHARE * np.where(np.isnan(part.cells), 0.0, part.cells)),
            _prior_shares(scales, part),
        )
        for part, shares in ((good, weights), (bad, np.full(len(bad), 1.0 / max(1, len(bad)))))
    ]
    candidates = estimates[0].draw(np.random.default_rng(seed), n_candidates)
    return candidates, estimates[0].log_density(candidates), estimates[1].log_density(candidates)


def _best_first(candidates: Candidates, score: Floats) -> Iterator[Point]:
    while len(score):
        # Rounded values make ties; they must not be decided by the last bits of this machine.
        best = int(np.flatnonzero(score >= score.max() - _NEARLY)[0])
        yield candidates.point(best)
        score = np.where(np.arange(len(score)) == best, -np.inf, score)


def _rank_weights(n: int) -> Floats:
    weights = portable.log(n + 0.5) - portable.log(np.arange(1.0, n + 1.0))
    return weights / _total(weights)


def _widths(scales: Scales, rows: Rows, weights: Floats) -> Floats:
    """Return (a,) by Scott's rule the width per numerical label of kernels at *rows* with *weights* (n,).

    The variance is that of the rows and, as one more observation, a share of the prior's that is smaller the more
    rows there are.
    """
    is_known = ~np.isnan(rows.numbers)
    shares = np.where(is_known, weights[:, None], 0.0)
    totals = _total(shares)
    totals = np.where(totals > 0.0, totals, 1.0)
    x = np.where(is_known, rows.numbers, 0.0)
    means = _total(x * shares) / totals
    variances = _total((x - means) * (x - means) * shares) / totals
    squares = _total(shares * shares)
    effective = np.where(squares > 0.0, totals * totals / np.where(squares > 0.0, squares, 1.0), 1.0)
    prior = np.where(scales.is_normal, 1.0, 1.0 / 12.0)
    share = np.minimum(1.0, 1.0 / effective)
    variances = (variances * effective + prior * share) / (effective + share)
    dimensions = max(1.0, np.count_nonzero(is_known) / len(rows))
    return np.asarray(np.sqrt(variances) * portable.exp(-portable.log(effective) / (dimensions + 4.0)))


def _prior_shares(scales: Scales, rows: Rows) -> Floats:
    """Return (c,) the probability that an option is drawn from the prior: high as long as few *rows* have the label."""
    known = np.count_nonzero(rows.options >= 0, axis=0)
    roots = np.sqrt(np.array([float(p.n_options) for p in scales.categorical]))
    return np.asarray(roots / (roots + known))


def _total(x: NDArray[np.float64]) -> Floats:
    """Return the sum of *x* over its rows, added up one by one: the same bits on every machine."""
    return np.asarray(np.cumsum(x, axis=0)[-1])


suggest = Algorithm(
    name="mtpe",
    version=3,
    older={1: {"repeats": "endless"}, 2: {"repeats": "drawn"}},
    is_portable=True,
    choose=choose,
    densities=densities,
    limits={
        "n_startup_jobs": (0, math.inf),
        "n_EI_candidates": (1, 100_000),
        "gamma": (0, 1),
        "prior_weight": (0, math.inf),
    },
)
