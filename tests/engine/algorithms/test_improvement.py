"""The expected improvement of a front, against its definition by counting and by sampling."""

import numpy as np
import pytest
from bench.hypervolume import hypervolume
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.engine.algorithms.improvement import Boxes, boxes, improvement, improvement_slopes

K = pytest.mark.parametrize("k", [1, 2, 3])


def volume_of(cut: Boxes, lowest: float) -> float:
    """Return the volume of all boxes above *lowest* in each loss."""
    edges = [np.concatenate(([lowest], bounds)) for bounds in cut.bounds]
    sides = [e[cut.upper[:, j]] - e[cut.lower[:, j]] for j, e in enumerate(edges)]
    return float(np.prod(sides, axis=0).sum())


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(1, 3), st.lists(st.tuples(*[st.integers(0, 9)] * 3), max_size=12))
def test_boxes_and_what_the_front_dominates_fill_the_space_without_overlap(
    k: int, points: list[tuple[int, ...]]
) -> None:
    front = np.array(points, dtype=float).reshape(-1, 3)[:, :k]
    cut = boxes(front, np.full(k, 8.0))
    assert volume_of(cut, -1.0) + hypervolume(front, [8.0] * k) == 9.0**k
    middles = np.random.default_rng(0).integers(-1, 8, (50, k)) + 0.5
    edges = [np.concatenate(([-np.inf], bounds)) for bounds in cut.bounds]
    inside = np.ones((50, len(cut.lower)), dtype=int)
    for j in range(k):
        inside &= (middles[:, j, None] > edges[j][cut.lower[:, j]]) & (middles[:, j, None] < edges[j][cut.upper[:, j]])
    is_free = ~np.any(np.all(front[None] <= middles[:, None], axis=2), axis=1)
    assert inside.sum(axis=1).tolist() == is_free.astype(int).tolist()


def test_three_losses_are_cut_into_no_more_boxes_than_twice_the_points_and_one() -> None:
    front = np.abs(np.random.default_rng(1).standard_normal((60, 3)))
    front /= np.sqrt((front**2).sum(axis=1, keepdims=True))
    assert len(boxes(front, np.full(3, 1.1)).lower) <= 2 * 60 + 1


@K
def test_it_is_the_mean_improvement_of_many_draws(k: int) -> None:
    rng = np.random.default_rng(k)
    front, reference = rng.random((6, k)), [0.9] * k
    mean, sigma = rng.random((1, k)), 0.1 + 0.3 * rng.random((1, k))
    base = hypervolume(front, reference)
    draws = mean + sigma * rng.standard_normal((4000, k))
    gains = [hypervolume(np.vstack((front, draw)), reference) - base for draw in draws]
    expected = improvement(boxes(front, np.array(reference)), mean, sigma)[0]
    assert expected == pytest.approx(np.mean(gains), abs=5 * np.std(gains) / 4000**0.5)


@K
def test_its_slopes_are_those_of_finite_differences(k: int) -> None:
    rng = np.random.default_rng(k)
    cut = boxes(rng.random((5, k)), np.full(k, 0.9))
    cut = cut._replace(weights=tuple(0.5 + rng.random(len(bounds)) for bounds in cut.bounds))
    mean, sigma = rng.random((3, k)), 0.1 + rng.random((3, k))
    value, by_mean, by_sigma = improvement_slopes(cut, mean, sigma)
    assert value == pytest.approx(improvement(cut, mean, sigma), rel=1e-12)
    for j in range(k):
        step = np.zeros((3, k))
        step[:, j] = 1e-6
        up, down = improvement(cut, mean + step, sigma), improvement(cut, mean - step, sigma)
        assert by_mean[:, j] == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-9)
        up, down = improvement(cut, mean, sigma + step), improvement(cut, mean, sigma - step)
        assert by_sigma[:, j] == pytest.approx((up - down) / 2e-6, rel=1e-4, abs=1e-9)


def test_weights_say_what_a_unit_of_a_loss_counts_in_each_place() -> None:
    cut = boxes(np.array([[1.0, 3.0], [2.0, 1.0]]), np.array([4.0, 4.0]))
    mean, surely = np.array([[1.5, 1.5]]), np.full((1, 2), 1e-9)
    assert improvement(cut, mean, surely) == pytest.approx(0.5 * 1.5, rel=1e-6)  # up to the two points' losses
    weighed = cut._replace(weights=(np.array([1.0, 3.0, 1.0]), np.array([1.0, 1.0, 10.0])))
    assert improvement(weighed, mean, surely) == pytest.approx(3 * 0.5 * 1.5, rel=1e-6)
