"""gp finds, believes, avoids, and gives the same bits with any number of threads: run as a script it prints some."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hstore.engine.algorithms import ALGORITHMS, Exhausted, gp, surrogate
from hstore.engine.algorithms.candidates import under_explored
from hstore.engine.algorithms.encoding import encoding
from hstore.engine.algorithms.history import History
from hstore.engine.space import Point, Space, compile_space, hp

BOWL = compile_space({"x": hp.uniform("x", -5, 5), "y": hp.loguniform("y", -5, 5), "n": hp.uniformint("n", 0, 9)})


def bowl(point: Point) -> float:
    return (point["x"] - 1.0) ** 2 + (math.log(point["y"]) + 2.0) ** 2 + 0.3 * (point["n"] - 7) ** 2


def search(space: Space, loss: Callable[[Point], float | None], n: int) -> History:
    history = History(space)
    for tid in range(n):
        point = gp.choose(space, history, seed=1000 + tid)
        found = loss(point)
        history.observe(history.add(point), kind="fail" if found is None else "ok", loss=found)
    return history


def random_history(space: Space, loss: Callable[[Point], float], n: int, seed: int = 0) -> History:
    history, rng = History(space), np.random.default_rng(seed)
    for _ in range(n):
        point = space.sample(rng)
        history.observe(history.add(point), kind="ok", loss=loss(point))
    return history


def test_it_finds_the_bottom_of_a_bowl_among_numbers_and_integers() -> None:
    assert search(BOWL, bowl, 30).losses.min() < 0.01


def test_trials_that_fail_are_few_where_trials_fail() -> None:
    def half(point: Point) -> float | None:
        return None if point["x"] < -1.0 else bowl(point)

    history = search(BOWL, half, 40)
    assert np.isinf(history.losses[:8]).any()
    assert np.isinf(history.losses[20:]).sum() <= 5
    assert history.losses.min() < 0.1


def test_pending_trials_are_not_proposed_again() -> None:
    history = random_history(BOWL, bowl, 30)
    points = []
    for seed in range(4):
        points.append(gp.choose(BOWL, history, seed=seed))
        history.add(points[-1])
    rows = encoding(BOWL).rows(history)[-4:]
    gaps = [np.abs(a - b).max() for i, a in enumerate(rows) for b in rows[:i]]
    assert min(gaps) > 1e-3


def test_a_point_of_a_finite_space_is_not_proposed_twice_before_all_were() -> None:
    space = compile_space({"a": hp.choice("a", list("abc")), "n": hp.uniformint("n", 1, 4)})
    history = search(space, lambda point: float(point["n"]) + point["a"], 12)
    assert len({(history.column("a")[tid], history.column("n")[tid]) for tid in range(12)}) == 12
    with pytest.raises(Exhausted):
        gp.choose(space, history, seed=0)
    space.check(gp.choose(space, history, seed=0, repeats=True))


def test_no_branch_is_given_up_after_a_bad_beginning() -> None:
    space = compile_space(hp.choice("branch", [{f"x{k}": hp.uniform(f"x{k}", 0, 1)} for k in range(4)]))
    code, rng = encoding(space), np.random.default_rng(0)
    history = History(space)
    for tid in range(60):
        branch = tid % 4 if tid < 8 else 0
        point: Point = {"branch": branch, f"x{branch}": float(rng.random())}
        history.observe(history.add(point), kind="ok", loss=float(branch + 1))
    pool = code.tidy(code.draw(rng, 100))
    left = under_explored(code, code.rows(history), surrogate.known(history), pool)
    assert set(left[:, code.index["branch"]]) == {1.0}


def test_on_a_plateau_it_does_not_stand_still() -> None:
    space = compile_space({"x": hp.uniform("x", -5, 5), "y": hp.uniform("y", -5, 5)})
    history = search(space, lambda p: float(round(p["x"] - 2) ** 2 + round(p["y"] + 1) ** 2), 35)
    assert history.losses.min() == 0.0


def test_what_is_remembered_changes_nothing() -> None:
    history = random_history(BOWL, bowl, 40)
    surrogate._memory.clear()
    cold = gp.choose(BOWL, history, seed=3)
    assert surrogate._memory
    assert gp.choose(BOWL, history, seed=3) == cold
    gp.choose(BOWL, random_history(BOWL, bowl, 39, seed=1), seed=3)
    surrogate._memory.clear()
    assert gp.choose(BOWL, history, seed=3) == cold


@pytest.mark.long
def test_thousands_of_trials_are_brought_down_to_a_few_hundred() -> None:
    history = random_history(BOWL, bowl, 3_000)
    code = encoding(BOWL)
    model = surrogate.surrogate(code, code.rows(history), surrogate.known(history))
    assert model is not None
    assert len(model.posterior.z) <= 250
    assert bowl(gp.choose(BOWL, history, seed=0)) < 1.0


def test_trials_that_failed_with_the_best_losses_teach_but_are_no_best() -> None:
    history, rng = History(BOWL), np.random.default_rng(0)
    for tid in range(400):
        point = BOWL.sample(rng)
        kind = "ok" if tid in (200, 201) else "fail"
        history.observe(history.add(point), kind=kind, loss=bowl(point) + 1e4 * (kind == "ok"))
    BOWL.check(gp.choose(BOWL, history, seed=0))


SPACES = {
    "300 labels": {f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(300)},
    "a choice of 1,000 options": {"c": hp.choice("c", list(range(1000))), "x": hp.uniform("x", 0, 1)},
    "constant dimensions": {"x": hp.uniform("x", 2, 2 + 1e-15), "c": hp.choice("c", [1]), "r": hp.randint("r", 1)},
    "q larger than the range": {"n": hp.quniform("n", 0, 1, 5), "m": hp.qloguniform("m", 0, 1, 50)},
    "nothing": {"a": 1},
}


@pytest.mark.parametrize("name", SPACES)
def test_odd_spaces_are_searched_as_well(name: str) -> None:
    space = compile_space(SPACES[name])
    history = random_history(space, lambda p: sum(p.values()), 25)
    for seed in range(2):
        point = gp.choose(space, history, seed=seed, repeats=True)
        space.check(point)
        history.observe(history.add(point), kind="ok", loss=sum(point.values()))


def bits() -> dict[str, list[dict[str, str]]]:
    """Return points of searches long enough for BLAS to use threads, as hexadecimal digits."""
    space = compile_space(
        {f"x{i}": hp.uniform(f"x{i}", -5, 5) for i in range(12)}
        | {"c": hp.choice("c", [1, 2, {"y": hp.loguniform("y", -5, 1)}])}
    )
    history = random_history(space, lambda p: sum((v - 1.0) ** 2 for v in p.values()), 300)
    found: dict[str, list[dict[str, str]]] = {}
    for name in ("gp", "auto"):
        points = [ALGORITHMS[name].choose(space, history, seed=seed) for seed in range(2)]
        found[name] = [{label: float(value).hex() for label, value in point.items()} for point in points]
    return found


@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_bits_are_the_same_with_1_2_and_8_threads() -> None:
    there = []
    for n in ("1", "2", "8"):
        environment = os.environ | {"OPENBLAS_NUM_THREADS": n, "OMP_NUM_THREADS": n}
        done = subprocess.run(
            [sys.executable, "-W", "error", str(Path(__file__))], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        there.append(json.loads(done.stdout))
    assert there[0] == there[1] == there[2]


if __name__ == "__main__":
    json.dump(bits(), sys.stdout)
