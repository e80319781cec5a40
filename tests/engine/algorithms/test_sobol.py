"""Sobol points: stratified in each dimension, the published net, and each point from its index alone."""

import numpy as np
import pytest
from scipy.stats import qmc

from hstore.engine.algorithms import sobol


@pytest.mark.parametrize("n", [1, 3, 40, 41, 95])
def test_each_dimension_has_one_point_in_each_of_equal_parts(n: int) -> None:
    points = np.array([sobol.point(7, index, n) for index in range(64)])
    assert points.shape == (64, n)
    assert (np.sort(np.floor(points * 64), axis=0) == np.arange(64)[:, None]).all()


def test_unscrambled_they_are_those_of_scipy() -> None:
    expected = qmc.Sobol(40, scramble=False, bits=32).random(64) * 2**32
    for index in range(64):
        gray = index ^ index >> 1  # the order in which scipy visits them
        for dimension in range(40):
            x = 0
            for bit, direction in enumerate(sobol._directions(dimension)):
                x ^= direction if gray >> bit & 1 else 0
            assert x == expected[index, dimension]


def test_they_cover_the_cube_better_than_random_points() -> None:
    points = [[sobol.point(key, index, 6) for index in range(32)] for key in range(5)]
    random = [np.random.default_rng(key).random((32, 6)) for key in range(5)]
    assert np.mean([qmc.discrepancy(p) for p in points]) < 0.5 * np.mean([qmc.discrepancy(p) for p in random])


def test_another_key_gives_another_sequence() -> None:
    points = {tuple(sobol.point(key, 5, 3)) for key in range(50)}
    assert len(points) == 50
    assert sobol.point(3, 5, 3) == sobol.point(3, 5, 7)[:3]
