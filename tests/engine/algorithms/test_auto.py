"""auto is gp where that earns, and tries three other ways where it does not."""

import numpy as np

from hstore import Trials, fmin
from hstore.engine.algorithms import auto, gp, mtpe
from hstore.engine.algorithms.history import History
from hstore.engine.space import Space, compile_space, hp

SPACE = compile_space({f"x{i}": hp.uniform(f"x{i}", -5, 5) for i in range(4)} | {"c": hp.choice("c", list("abc"))})


def history(space: Space, n: int, *, best_at: int) -> History:
    given, rng = History(space), np.random.default_rng(0)
    for tid in range(n):
        given.observe(given.add(space.sample(rng)), kind="ok", loss=0.0 if tid == best_at else 1.0 + rng.random())
    return given


def test_it_is_gp_while_losses_get_better() -> None:
    for n in range(12, 16):
        known = history(SPACE, n, best_at=5)
        assert auto.choose(SPACE, known, seed=3) == gp.choose(SPACE, known, seed=3)


def test_after_ten_trials_without_a_better_loss_every_fourth_is_that_of_another_arm() -> None:
    is_gp = []
    for n in range(16, 28):
        known = history(SPACE, n, best_at=5)
        chosen = auto.choose(SPACE, known, seed=3)
        SPACE.check(chosen)
        is_gp.append(chosen == gp.choose(SPACE, known, seed=3))
    assert is_gp == [False, True, True, True] * 3


def test_the_first_of_them_is_a_step_from_a_good_trial() -> None:
    known = history(SPACE, 16, best_at=5)
    chosen = auto.choose(SPACE, known, seed=3)
    rows = np.array([known.column(label) for label in SPACE.labels]).T
    assert (rows == [chosen[label] for label in SPACE.labels]).sum(1).max() >= 2


def test_the_second_is_offspring_of_the_best_trials() -> None:
    history = History(SPACE)
    for tid in range(20):
        near = {f"x{i}": 1.0 + 0.01 * ((tid + i) % 3) for i in range(4)} | {"c": 2}
        far = {f"x{i}": -4.0 for i in range(4)} | {"c": 0}
        history.observe(history.add(near if tid < 7 else far), kind="ok", loss=10.0 - tid if tid < 7 else 20.0)
    chosen = auto.choose(SPACE, history, seed=3)
    assert chosen["c"] == 2
    assert all(abs(chosen[f"x{i}"] - 1.01) < 0.5 for i in range(4))


def test_the_third_is_that_of_mtpe() -> None:
    known = history(SPACE, 24, best_at=5)
    assert auto.choose(SPACE, known, seed=3) == mtpe.choose(SPACE, known, seed=3)


def test_the_trial_is_near_the_best_of_a_branch_that_is_behind_its_share() -> None:
    space = compile_space(
        hp.choice("branch", [{f"x{k}{i}": hp.uniform(f"x{k}{i}", 0, 1) for i in range(6)} for k in range(3)])
    )
    given, rng = History(space), np.random.default_rng(0)
    for tid in range(40):
        branch = 0 if tid > 2 else tid
        row = given.add({"branch": branch} | {f"x{branch}{i}": float(rng.random()) for i in range(6)})
        given.observe(row, kind="ok", loss=float(branch) if tid < 3 else 1.0 + tid)
    branches = [auto.choose(space, given, seed=seed)["branch"] for seed in range(40)]
    assert branches.count(1) >= 22  # a step may change the branch itself


def test_it_is_the_default_of_fmin() -> None:
    trials = Trials()
    fmin(lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, max_evals=3, trials=trials, verbose=False)
    assert trials.experiment.state.algorithm["name"] == "auto"
