"""auto and gp with several losses and constraints: what they read, what must not matter to them, what they find."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from bench.hypervolume import hypervolume
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore import hp
from hstore.engine.algorithms import ALGORITHMS, auto, gp
from hstore.engine.algorithms.acquisition import AcquisitionFunction
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.multiobjective import Joint, several
from hstore.engine.algorithms.scalarise import maximin
from hstore.engine.space import Point, Space, compile_space
from hstore.store.ranking import dominates

SPACE = compile_space({"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)})
TREE = compile_space(
    hp.choice("kind", [{"a": hp.uniform("a", 0, 1), "n": hp.randint("n", 5)}, {"b": hp.loguniform("b", -5, 0)}])
)
Tell = Callable[[Point], dict[str, Any]]


def history_of(space: Space, tell: Tell, n: int, *, seed: int = 0) -> History:
    history, rng = History(space), np.random.default_rng(seed)
    for _ in range(n):
        point = space.sample(rng)
        history.observe(history.add(point), **{"kind": "ok", **tell(point)})
    return history


def search(space: Space, tell: Tell, n: int, *, seed: int = 0) -> list[Point]:
    history, points = History(space), []
    for k in range(n):
        points.append(auto.choose(space, history, seed=1000 * seed + k))
        history.observe(history.add(points[-1]), **{"kind": "ok", **tell(points[-1])})
    return points


def on_a_grid(point: Point, k: int) -> list[float]:
    """Return k losses that are multiples of 1/256, so that powers of two and small shifts change no digit."""
    x, y = (round(256 * point[label]) / 256 for label in ("x", "y"))
    return [abs(x - 0.25) + y, abs(y - 0.5) + x, 1.0 - x][:k]


@pytest.mark.parametrize("k", [2, 3])
def test_the_scale_and_the_origin_of_a_loss_do_not_matter(k: int) -> None:
    factors, shifts = [2.0**20, 2.0**-20, 8.0][:k], [4.0, -2.0, 1.0][:k]

    def moved(point: Point) -> dict[str, Any]:
        return {"losses": [f * (v + s) for v, f, s in zip(on_a_grid(point, k), factors, shifts, strict=True)]}

    one, other = history_of(SPACE, lambda p: {"losses": on_a_grid(p, k)}, 20), history_of(SPACE, moved, 20)
    for seed in range(2):
        assert auto.choose(SPACE, one, seed=seed) == auto.choose(SPACE, other, seed=seed)


def test_the_scale_of_a_constraint_does_not_matter() -> None:
    def scaled(scale: float) -> Tell:
        return lambda p: {"losses": on_a_grid(p, 2), "constraints": [scale * (on_a_grid(p, 3)[2] - 0.5)]}

    one, other = history_of(SPACE, scaled(1.0), 20), history_of(SPACE, scaled(2.0**20), 20)
    assert auto.choose(SPACE, one, seed=3) == auto.choose(SPACE, other, seed=3)


@settings(max_examples=examples(40), deadline=None)
@given(st.integers(2, 3), st.lists(st.tuples(*[st.integers(-3, 3)] * 4), min_size=1, max_size=15))
def test_the_front_it_reads_is_of_feasible_trials_that_none_dominates(k: int, ends: list[tuple[int, ...]]) -> None:
    history = History(SPACE)
    for *losses, constraint in ends:
        history.observe(
            history.add({"x": 0.5, "y": 0.5}), kind="ok", losses=[float(v) for v in losses[:k]],
            constraints=[float(constraint)],
        )  # fmt: skip
    known = several(history).known
    feasible = [tuple(t[:k]) for t in ends if t[3] <= 0]
    assert known.valid.tolist() == [i for i, t in enumerate(ends) if t[3] <= 0]
    for i, t in enumerate(ends):
        is_front = t[3] <= 0 and not any(dominates(other, t[:k]) for other in feasible)
        assert (known.losses[i] < 0.0) == is_front
    violations = sorted((t[3], known.losses[i]) for i, t in enumerate(ends) if t[3] > 0)
    assert [loss for _, loss in violations] == sorted(loss for _, loss in violations)
    assert all(loss > known.losses[known.valid].max(initial=-1.0) for _, loss in violations)


@settings(max_examples=examples(30), deadline=None)
@given(st.integers(2, 3), st.lists(st.tuples(*[st.integers(-5, 5)] * 3), min_size=1, max_size=20))
def test_nothing_dominates_the_best_by_maximin(k: int, ends: list[tuple[int, ...]]) -> None:
    vectors = np.array(ends, dtype=float)[:, :k]
    best = vectors[int(np.argmin(maximin(vectors)))]
    assert not any(dominates(tuple(vector), tuple(best)) for vector in vectors)


def odd(n: int, k: int) -> Callable[[Point], dict[str, Any]]:
    """Return an objective of all that goes wrong, every now and then."""
    count = iter(range(10**6))

    def tell(point: Point) -> dict[str, Any]:
        i = next(count)
        losses = [1e6 * sum(point.values()), 1e-6 * (1 - min(point.values())), float(len(point))][:k]
        if i % 7 == 1:
            return {"kind": "error"}
        if i % 7 == 3:
            losses[i % k] = (math.nan, math.inf, -math.inf, 1e308, -1e308)[i // 7 % 5]
        if i % 7 == 5:
            return {"kind": ("pending", "fail", "pruned", "void")[i // 7 % 4]}
        return {
            "losses": losses,
            "constraints": [point.get("a", 0.2) - 0.6, (1.0, math.nan, math.inf)[i % 3] if i % 11 == 0 else -1.0],
        }

    return tell


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("name", ["auto", "gp"])
def test_whatever_trials_tell_the_point_is_in_the_space_and_the_history_untouched(name: str, k: int) -> None:
    for n in (0, 1, 3, 9, 40):
        history = history_of(TREE, odd(n, k), n)
        before = history.losses.tobytes(), history.loss_vectors.tobytes(), history.constraints.tobytes()
        point = ALGORITHMS[name].choose(TREE, history, seed=7)
        TREE.check(point)
        assert point == ALGORITHMS[name].choose(TREE, history, seed=7)
        assert before == (history.losses.tobytes(), history.loss_vectors.tobytes(), history.constraints.tobytes())


@pytest.mark.parametrize(
    "result",
    [
        {"losses": [1.0, 1.0]},
        {"losses": [1.0, 2.0, 3.0], "constraints": [1.0]},
        {"losses": [math.nan, 1.0]},
        {"losses": [-math.inf, math.inf]},
        {"loss": 1.0, "constraints": [2.0]},
        {"losses": [1.0, 2.0], "constraints": [math.inf]},
    ],
)
def test_trials_that_tell_nothing_apart_are_spread_out(result: dict[str, Any]) -> None:
    points = search(SPACE, lambda _: result, 14)
    places = np.array([[point["x"], point["y"]] for point in points])
    gaps = np.abs(places[:, None] - places).max(axis=2) + np.eye(14)
    assert gaps.min() > 0.01


def test_four_losses_are_searched_for_as_well() -> None:
    points = search(SPACE, lambda p: {"losses": [*on_a_grid(p, 3), p["x"] * p["y"]], "constraints": [p["x"] - 0.9]}, 14)
    assert sum(point["x"] <= 0.91 for point in points[8:]) >= 5


def test_pending_trials_are_not_suggested_again() -> None:
    history = history_of(SPACE, lambda p: {"losses": on_a_grid(p, 2)}, 15)
    points = []
    for seed in range(6):
        points.append(auto.choose(SPACE, history, seed=seed))
        history.add(points[-1])
    places = np.array([[point["x"], point["y"]] for point in points])
    assert (np.abs(places[:, None] - places).max(axis=2) + np.eye(6)).min() > 1e-3


def test_where_trials_fail_fewer_are_tried() -> None:
    def tell(point: Point) -> dict[str, Any]:
        return (
            {"kind": "error"}
            if point["x"] < 0.5
            else {"losses": [point["y"], 1 - point["y"] + (point["x"] - 0.7) ** 2]}
        )

    points = search(SPACE, tell, 24)
    assert sum(point["x"] < 0.5 for point in points[10:]) <= 7


def test_a_finite_space_is_tried_once() -> None:
    space = compile_space({"a": hp.randint("a", 4), "b": hp.choice("b", [0, 1, 2])})
    points = search(space, lambda p: {"losses": [float(p["a"]), float(p["b"]) - p["a"]]}, 12)
    assert len({tuple(sorted(point.items())) for point in points}) == 12


def slopes_agree(criterion: AcquisitionFunction, rows: np.ndarray) -> None:
    x = criterion.surrogate.features.of(rows)
    _, slope = criterion.slopes(x)
    for j in range(rows.shape[1]):
        step = np.zeros_like(rows)
        step[:, j] = 1e-4
        up, down = criterion.at(rows + step), criterion.at(rows - step)
        assert slope[:, j] == pytest.approx((up - down) / 2e-4, rel=0.05, abs=1e-2)  # of a steep cliff


@pytest.mark.parametrize("k", [1, 2, 3])
def test_what_is_climbed_has_the_slopes_that_it_says(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[AcquisitionFunction] = []

    def look(criterion: AcquisitionFunction, pool: np.ndarray, *_: Any, **__: Any) -> np.ndarray:
        seen.append(criterion)
        return pool

    monkeypatch.setattr("hstore.engine.algorithms.decision.best_first", look)

    def tell(point: Point) -> dict[str, Any]:
        if point["y"] > 0.9:
            return {"kind": "error"}
        noise = 0.3 * math.sin(1e4 * point["x"])  # or deviations are too small for finite differences
        losses = [math.sin(3 * point["x"]) + noise, (point["x"] - 1) ** 2 - point["y"] - noise, point["x"] * noise]
        alone = {"loss": losses[0]} if k == 1 else {"losses": losses[:k]}
        return {**alone, "constraints": [math.sin(5 * point["x"]) + point["y"] - 0.8 + noise]}

    auto.choose(SPACE, history_of(SPACE, tell, 14), seed=1)
    assert isinstance(seen[0], Joint) == (k > 1)
    slopes_agree(seen[0], encoding(SPACE).draw(np.random.default_rng(0), 5))


def volume(points: Sequence[Point], tell: Tell, reference: Sequence[float]) -> float:
    results = [tell(point) for point in points]
    kept = [t["losses"] for t in results if all(c <= 0 for c in t.get("constraints", ()))]
    return hypervolume(np.array(kept).reshape(-1, len(reference)), reference)


@pytest.mark.long
def test_it_comes_further_than_random_search_in_two_losses_within_constraints() -> None:
    def tell(point: Point) -> dict[str, Any]:
        x, y = 5 * point["x"], 3 * point["y"]  # Binh and Korn 1997
        losses = [4 * x * x + 4 * y * y, (x - 5) ** 2 + (y - 5) ** 2]
        return {"losses": losses, "constraints": [(x - 5) ** 2 + y * y - 25, 7.7 - (x - 8) ** 2 - (y + 3) ** 2]}

    rng = np.random.default_rng(0)
    drawn = [SPACE.sample(rng) for _ in range(120)]
    assert volume(search(SPACE, tell, 30), tell, [140.0, 50.0]) > volume(drawn, tell, [140.0, 50.0])


def test_one_loss_is_low_where_the_constraint_is_just_kept() -> None:
    points = search(SPACE, lambda p: {"loss": p["x"] + p["y"], "constraints": [0.8 - p["x"] - 2 * p["y"]]}, 25)
    best = min(p["x"] + p["y"] for p in points if p["x"] + 2 * p["y"] >= 0.8)
    assert best == pytest.approx(0.4, abs=0.01)


def test_gp_hands_on_its_settings() -> None:
    history = history_of(SPACE, lambda p: {"losses": on_a_grid(p, 2)}, 9)
    assert gp.choose(SPACE, history, seed=1, n_startup_jobs=20) != gp.choose(SPACE, history, seed=1)
