import math

import numpy as np
import pytest
from bench.hypervolume import hypervolume

from hstore.store.errors import InvalidValue


def test_the_hypervolume_of_a_staircase() -> None:
    assert hypervolume([[1, 3], [2, 2], [3, 1]], [4, 4]) == 6
    assert (
        hypervolume([[1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0], [2.0, 2.0], [9.0, 0.0], [math.nan, 0.0]], [4, 4])
        == 6
    )
    assert hypervolume([], [4, 4]) == 0
    assert hypervolume([[4, 0]], [4, 4]) == 0
    assert hypervolume([[1], [2]], [4]) == 3


@pytest.mark.parametrize("k", [2, 3, 4])
def test_it_is_the_share_of_random_points_that_are_dominated(k: int) -> None:
    rng = np.random.default_rng(k)
    front = rng.random((12, k))
    samples = rng.random((100_000, k))
    is_dominated = np.zeros(len(samples), dtype=bool)
    for point in front:
        is_dominated |= (samples >= point).all(axis=1)
    assert hypervolume(front, [1.0] * k) == pytest.approx(is_dominated.mean(), abs=0.01)


def test_points_of_another_length_than_the_reference_are_refused() -> None:
    with pytest.raises(InvalidValue, match="do not go with 3 numbers"):
        hypervolume([[1.0, 2.0]], [1.0, 1.0, 1.0])
