import numpy as np
import pytest
from scipy.stats import t

from hstore.engine.pruners.power_laws import Compared, Extrapolation, prospects
from hstore.engine.pruners.step_cells import cell, points

STEPS = list(range(1, 51))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_a_power_law_is_recognised_by_its_beginning(exponent: float) -> None:
    rng = np.random.default_rng(0)
    x = np.array(STEPS, dtype=float)

    def law(f: float, a: float) -> list[float]:
        found: list[float] = (f + a * ((50 / x) ** exponent - 1) + 1e-3 * rng.standard_normal(50)).tolist()
        return found

    curves = [law(f, a) for f, a in zip(rng.uniform(0.2, 0.6, 8), rng.uniform(0.01, 0.03, 8), strict=True)]
    whole = [points(STEPS, each) for each in curves]
    cut = [points(STEPS[:12], each[:12]) for each in curves]
    own = law(0.35, 0.02)[:12]
    found = prospects(Compared(whole, cut, [each[-1] for each in curves], points(STEPS[:12], own)), 50).own
    assert abs(found.mean - 0.35) < 4 * found.deviation
    assert found.deviation < 0.03
    assert own[-1] - 0.35 > found.deviation, "it is not just the last value"


def test_the_chances_are_as_often_right_as_they_say() -> None:
    rng = np.random.default_rng(1)
    x, chances, came = np.array(STEPS, dtype=float), [], []
    for _ in range(60):
        curves = [
            rng.gamma(2) + rng.gamma(2) * x ** -rng.uniform(0.3, 2) + 0.05 * rng.standard_normal(50) for _ in range(11)
        ]
        whole, ends = [points(STEPS, each.tolist()) for each in curves], [float(each[-1]) for each in curves]
        cut = [points(STEPS[:6], each[:6].tolist()) for each in curves]
        found = prospects(Compared(whole[1:], cut[1:], ends[1:], cut[0]), 50).own
        for value in np.linspace(0, 4, 9):
            chances.append(found.chance_below(value))
            came.append(ends[0] < value)
    said, was = np.array(chances), np.array(came)
    for low, high in ((0.0, 0.1), (0.1, 0.5), (0.5, 0.9), (0.9, 1.0)):
        here = (said >= low) & (said <= high)
        assert low - 0.1 <= was[here].mean() <= high + 0.1


def test_the_chance_is_that_of_students_t() -> None:
    z = np.linspace(-30, 30, 101)
    ours = [Extrapolation(1.0, 2.0 * 2**0.5).chance_below(1.0 + 2.0 * each) for each in z]
    assert np.allclose(ours, t.cdf(z, 4), atol=1e-12)


def test_a_curve_is_read_by_a_point_for_each_cell_of_steps() -> None:
    assert [cell(step) for step in (0, 1, 2, 8, 9, 10, 11, 12)] == [0, 1, 2, 8, 8, 9, 9, 10]
    read = points([7, 8, 9, 10, 11], [1.0, 2.0, 4.0, float("inf"), 5.0])
    assert (read.x, read.y) == ([7.0, 8.5, 11.0], [1.0, 3.0, 5.0])
