"""Quasi-random search: points of the prior that are spread more evenly than random ones."""

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.novelty import Repeats, new_point
from hstore.engine.algorithms.prior import spread_points
from hstore.engine.space import Point, Space


def choose(space: Space, history: History, *, seed: int, repeats: Repeats = False) -> Point:
    """Quasi-random search: take the next point of a scrambled Sobol sequence over the quantiles of the prior.

    Losses have no influence. No point is tried twice, unless *repeats* is true;
    `Exhausted` is raised when all points were tried.
    """
    return new_point(space, history, spread_points(space, history, seed), seed=seed, repeats=repeats)


suggest = Algorithm(
    name="qmc", version=3, older={1: {"repeats": "endless"}, 2: {"repeats": "drawn"}}, is_portable=True, choose=choose
)
