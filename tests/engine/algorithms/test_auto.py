"""auto is gp where that earns, and takes steps from good trials where it does not."""

import numpy as np

from hstore import Trials, fmin
from hstore.engine.algorithms import auto, gp
from hstore.engine.history import History
from hstore.engine.space import Space, compile_space, hp

SPACE = compile_space({f"x{i}": hp.uniform(f"x{i}", -5, 5) for i in range(4)} | {"c": hp.choice("c", list("abc"))})


def history(space: Space, n: int, *, best_at: int) -> History:
    told, rng = History(space), np.random.default_rng(0)
    for tid in range(n):
        told.observe(told.add(space.sample(rng)), kind="ok", loss=0.0 if tid == best_at else 1.0 + rng.random())
    return told


def test_it_is_gp_while_losses_get_better() -> None:
    for n in range(12, 16):
        told = history(SPACE, n, best_at=5)
        assert auto.choose(SPACE, told, seed=3) == gp.choose(SPACE, told, seed=3)


def test_after_ten_trials_without_a_better_loss_every_fourth_is_a_step_from_a_good_one() -> None:
    is_gp = []
    for n in range(16, 24):
        told = history(SPACE, n, best_at=5)
        chosen = auto.choose(SPACE, told, seed=3)
        SPACE.check(chosen)
        is_gp.append(chosen == gp.choose(SPACE, told, seed=3))
        if not is_gp[-1]:
            rows = np.array([told.column(label) for label in SPACE.labels]).T
            same = (rows == [chosen[label] for label in SPACE.labels]).sum(1)
            assert same.max() >= 2
    assert is_gp == [False, True, True, True] * 2


def test_a_step_is_taken_where_a_branch_is_behind_its_share() -> None:
    space = compile_space(
        hp.choice("branch", [{f"x{k}{i}": hp.uniform(f"x{k}{i}", 0, 1) for i in range(6)} for k in range(3)])
    )
    told, rng = History(space), np.random.default_rng(0)
    for tid in range(40):
        branch = 0 if tid > 2 else tid
        row = told.add({"branch": branch} | {f"x{branch}{i}": float(rng.random()) for i in range(6)})
        told.observe(row, kind="ok", loss=float(branch) if tid < 3 else 1.0 + tid)
    branches = [auto.choose(space, told, seed=seed)["branch"] for seed in range(40)]
    assert branches.count(1) >= 22  # a step may change the branch itself


def test_it_is_the_default_of_fmin() -> None:
    trials = Trials()
    fmin(lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, max_evals=3, trials=trials, verbose=False)
    assert trials.experiment.state.algorithm["name"] == "auto"
