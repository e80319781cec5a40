"""Random search: every point is drawn from the prior."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.label_by_label import Batch, as_batch
from hstore.engine.space import Point, Space


def choose(space: Space, history: History, *, seed: int) -> Point:
    """Random search: draw each point from the prior, whatever the losses are."""
    return space.sample(np.random.default_rng(seed))


class Rand(Algorithm):
    """The algorithm; as in hyperopt it draws points for all the ids that it is given from one stream."""

    def choose_all(self, space: Space, history: History, n: int, *, seed: int, **settings: Any) -> list[Point]:
        """See `Algorithm.choose_all`."""
        rng = np.random.default_rng(seed)
        return [space.sample(rng) for _ in range(n)]


suggest = Rand(name="rand", version=1, is_portable=True, choose=choose)


def suggest_batch(new_ids: Sequence[int], domain: Any, trials: Any, seed: int) -> Batch:
    """Return (idxs, vals) of points for all of *new_ids*, drawn label by label: other points than `suggest` draws."""
    space: Space = domain.space
    rng = np.random.default_rng(seed)
    points: list[Point] = [{} for _ in new_ids]
    for parameter in space.parameters:
        for point in points:
            if space.is_active(parameter.label, point):
                point[parameter.label] = parameter.draw(rng)
    return as_batch(space, new_ids, points)
