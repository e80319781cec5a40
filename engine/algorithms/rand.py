"""Random search: every point is drawn from the prior."""

import numpy as np

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.history import History
from hstore.engine.space import Point, Space


def choose(space: Space, history: History, *, seed: int) -> Point:
    """Draw a point from the prior and look at nothing else."""
    return space.sample(np.random.default_rng(seed))


suggest = Algorithm(name="rand", version=1, is_portable=True, choose=choose)
