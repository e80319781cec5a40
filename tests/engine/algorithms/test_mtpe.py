"""mtpe: its densities are densities, over conditional spaces too, and it learns from all kinds of trials."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from hstore.engine.algorithms import mtpe, rand
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.kernels import KernelDensity, Rows, Scales
from hstore.engine.space import Point, Space, compile_space, hp

CONDITIONAL = {
    "m": hp.choice("m", ["plain", {"d": hp.uniformint("d", 1, 4)}, {"x": hp.uniform("x", 0, 2)}]),
    "p": hp.pchoice("p", [(0.25, "a"), (0.75, "b")]),
}


def mixture(space: Space, points: list[Point], *, width: float, exploration_weight: float) -> KernelDensity:
    history = History(space)
    for point in points:
        history.add(point)
    scales = Scales(space)
    rows = scales.rows(history)
    widths = np.maximum(width, 0.5 * np.where(np.isnan(rows.cells), 0.0, rows.cells))
    weights = np.full(len(points), 1.0 / (len(points) + 1.0))
    return KernelDensity(scales, rows, weights, widths, np.full(len(scales.categorical), exploration_weight))


def densities(estimate: KernelDensity, numbers: Any, options: Any) -> np.ndarray:
    candidates = estimate.scales.resolve(np.asarray(numbers, dtype=np.float64), np.asarray(options, dtype=np.intp))
    return np.exp(estimate.log_density(candidates))


@pytest.mark.parametrize("expression", [hp.uniform("x", -1, 3), hp.loguniform("x", -5, 2)])
def test_a_bounded_density_integrates_to_1(expression: Any) -> None:
    space = compile_space(expression)
    low, high = space["x"].bounds
    points: list[Point] = [{"x": low + share * (high - low)} for share in (1e-6, 0.3, 0.9)]
    estimate = mixture(space, points, width=0.1, exploration_weight=0.0)
    numbers = (np.arange(4_000) + 0.5) / 4_000
    assert densities(estimate, numbers[:, None], np.empty((4_000, 0))).mean() == pytest.approx(1.0, abs=1e-3)


def test_a_normal_density_integrates_to_1() -> None:
    estimate = mixture(compile_space(hp.normal("x", 3, 2)), [{"x": 1.0}, {"x": 9.0}], width=0.3, exploration_weight=0.0)
    numbers = np.linspace(-9, 9, 6_001)
    total = densities(estimate, numbers[:, None], np.empty((6_001, 0))).sum() * (numbers[1] - numbers[0])
    assert total == pytest.approx(1.0, abs=1e-3)


def test_what_is_drawn_has_the_density_through_choices() -> None:
    space = compile_space(CONDITIONAL)
    points: list[Point] = [{"m": 2, "x": 0.5, "p": 0}, {"m": 1, "d": 2.0, "p": 1}, {"m": 0, "p": 1}]
    estimate = mixture(space, points, width=0.1, exploration_weight=0.3)
    drawn = estimate.draw(np.random.default_rng(0), 20_000)
    drawn_points = [drawn.point(row) for row in range(0, 20_000, 50)]
    for point in drawn_points:
        space.check(point)
        assert list(point) == [label for label in space.labels if label in point]
    labels = [p.label for p in estimate.scales.categorical]
    m, p = labels.index("m"), labels.index("p")
    seen = Counter(zip(drawn.options[:, m].tolist(), drawn.options[:, p].tolist(), strict=True))
    n = 2_000  # per branch, over whatever is active in it
    rng = np.random.default_rng(1)
    for option in range(3):
        for kind in range(2):
            options = np.empty((n, 2), dtype=np.intp)
            options[:, m], options[:, p] = option, kind
            # Steps are scored by their density, as cells of one width: uniform over the range they add up alike.
            share = densities(estimate, rng.random((n, 2)), options).mean()
            assert seen[option, kind] / 20_000 == pytest.approx(share, abs=0.03)


def searched(kinds: Any, n: int, **settings: Any) -> History:
    space = compile_space({"x": hp.uniform("x", -5, 5), "y": hp.uniform("y", -5, 5)})
    history = History(space)
    for seed in range(n):
        point = mtpe.choose(space, history, seed=seed, **settings)
        kind = kinds(point)
        loss = (point["x"] - 1) ** 2 + (point["y"] + 2) ** 2 if kind == "ok" else None
        history.observe(history.add(point), kind=kind, loss=loss)
    return history


def test_it_comes_close_to_the_bottom_of_a_bowl() -> None:
    history = searched(lambda _: "ok", 60)
    space, rng = history.space, np.random.default_rng(0)
    random = [rand.choose(space, history, seed=int(seed)) for seed in rng.integers(2**31, size=60)]
    best_random = min((point["x"] - 1) ** 2 + (point["y"] + 2) ** 2 for point in random)
    assert history.losses.min() < 0.15 < best_random


def test_it_keeps_away_from_where_trials_fail() -> None:
    history = searched(lambda point: "fail" if point["x"] > 1.5 else "ok", 70)
    assert (history.column("x")[30:] > 1.5).mean() < 0.25  # 0.35 of the space, beside the best of it


def test_it_keeps_away_from_where_trials_are_under_way() -> None:
    history = searched(lambda _: "ok", 30)
    alone = mtpe.choose(history.space, history, seed=0)
    for _ in range(4):
        history.add(alone)
    beside = [mtpe.choose(history.space, history, seed=seed) for seed in range(5)]
    history = searched(lambda _: "ok", 30)
    without = [mtpe.choose(history.space, history, seed=seed) for seed in range(5)]

    def distance(points: list[Point]) -> float:
        return float(np.mean([abs(p["x"] - alone["x"]) + abs(p["y"] - alone["y"]) for p in points]))

    assert distance(beside) > distance(without)


def test_values_that_were_rounded_to_0_stay_within_reach_of_their_neighbours() -> None:
    space = compile_space(hp.qlognormal("n", 0, 1, 1))
    history = History(space)
    for value in (0.0, 1.0, 2.0, 9.0):
        history.add({"n": value})
    rows: Rows = Scales(space).rows(history)
    assert rows.numbers[0, 0] == pytest.approx(np.log(0.25))
    assert (rows.cells[:, 0] > 0.1).all()
    assert (np.diff(rows.cells[1:, 0]) < 0).all()
