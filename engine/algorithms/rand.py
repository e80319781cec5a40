"""Random search: every point is drawn from the prior."""

from typing import Any

import numpy as np

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.history import History
from hstore.engine.space import Point, Space


def choose(space: Space, history: History, *, seed: int) -> Point:
    """Draw a point from the prior and look at nothing else."""
    return space.sample(np.random.default_rng(seed))


class Rand(Algorithm):
    """The algorithm; as in hyperopt it draws points for all the ids that it is given from one stream."""

    def choose_all(self, space: Space, history: History, n: int, *, seed: int, **settings: Any) -> list[Point]:
        """See `Algorithm.choose_all`."""
        rng = np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(n)]


suggest = Rand(name="rand", version=1, is_portable=True, choose=choose)
