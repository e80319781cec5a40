"""hstore's algorithms choose what hyperopt 0.3.0 chooses at the same seed.

hyperopt orders equal observations with numpy's unstable argsort, whose order depends on the CPU: with and
without AVX2 hyperopt itself finds other points for quantised kinds. Here it runs with that one sort made
stable, which gives it the same numbers everywhere, and they are ours.

hyperopt's points are on record (`hyperopts_points.py`), for it takes most of the time; tests that are marked long ask
it anew.
"""

import functools
import inspect
import math
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import hyperopt
import numpy as np
import pytest
from tests.engine.algorithms.hyperopts_points import HOW, HyperoptsPoints, handed_out

import hstore
from hstore.engine.algorithms import anneal, mix, rand, tpe
from hstore.engine.algorithms.history import History
from hstore.engine.space import Point, Space, compile_space, hp

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.usefixtures("_stable_argsort"),
    pytest.mark.covers("tpe.suggest", "rand.suggest", "anneal.suggest", "mix.suggest"),
]

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
Build = Callable[[Any], Any]
Outcome = float | dict[str, Any]
Tell = Callable[[Point, int], Outcome]

KINDS: dict[str, Build] = {
    "uniform": lambda hp: hp.uniform("x", -2, 3),
    "quniform": lambda hp: hp.quniform("x", 0, 10, 0.5),
    "uniformint": lambda hp: hp.uniformint("x", 0, 7),
    "loguniform": lambda hp: hp.loguniform("x", -5, 1),
    "qloguniform": lambda hp: hp.qloguniform("x", -2, 4, 1),
    "normal": lambda hp: hp.normal("x", 1, 2),
    "qnormal": lambda hp: hp.qnormal("x", 0, 3, 1),
    "lognormal": lambda hp: hp.lognormal("x", 0, 1),
    "qlognormal": lambda hp: hp.qlognormal("x", 0, 2, 0.5),
    "randint": lambda hp: hp.randint("x", 5),
    "randint from 3": lambda hp: hp.randint("x", 3, 9),
    "choice": lambda hp: hp.choice("x", ["a", "b", "c", "d"]),
    "pchoice": lambda hp: hp.pchoice("x", [(0.1, "a"), (0.6, "b"), (0.3, "c")]),
}


def mixed(hp: Any) -> dict[str, Any]:
    return {
        "lr": hp.loguniform("lr", -9, 0),
        "momentum": hp.uniform("momentum", 0, 1),
        "layers": hp.uniformint("layers", 1, 5),
        "units": hp.qloguniform("units", 2, 6, 8),
        "decay": hp.lognormal("decay", -4, 1),
        "seed": hp.randint("seed", 10),
        "shift": hp.qnormal("shift", 0, 4, 0.5),
        "activation": hp.choice("activation", ["relu", "tanh"]),
        "optimizer": hp.pchoice("optimizer", [(0.2, "sgd"), (0.8, "adam")]),
    }


def nested(hp: Any) -> dict[str, Any]:
    return {
        "model": hp.choice(
            "model",
            [
                {
                    "name": "svm",
                    "c": hp.lognormal("c", 0, 1),
                    "kernel": hp.choice("kernel", ["rbf", "linear"]),
                },
                {
                    "name": "tree",
                    "depth": hp.quniform("depth", 1, 12, 1),
                    "split": hp.pchoice(
                        "split",
                        [(0.3, "gini"), (0.7, {"name": "entropy", "base": hp.loguniform("a base", 0, 3)})],
                    ),
                },
                ("knn", hp.randint("neighbours", 1, 20)),
            ],
        ),
        "scale": hp.uniform("scale", 0.1, 2),
    }


@pytest.fixture
def _stable_argsort(monkeypatch: pytest.MonkeyPatch) -> None:
    argsort = np.argsort

    def stable(a: Any, axis: int = -1, kind: Any = None, order: Any = None) -> Any:
        return argsort(a, axis=axis, kind="stable", order=order)

    monkeypatch.setattr(np, "argsort", stable)


@pytest.fixture(scope="module")
def record() -> Iterator[HyperoptsPoints]:
    yield from handed_out()


class Compare:
    """Compares searches of one test."""

    def __init__(self, record: HyperoptsPoints, test: str) -> None:
        self._record = record
        self._test = test

    def check(self, ask: Callable[[], list[Point]], mine: list[Point]) -> None:
        """Check that *mine* are the points of hyperopt, which *ask* would find with it."""
        theirs = self._record.of(self._test, ask)
        for tid, (point, expected) in enumerate(zip(mine, theirs, strict=True)):
            assert point == pytest.approx(expected, rel=1e-9, abs=0), f"trial {tid}"

    def __call__(self, build: Build, name: str, outcome_of: Tell, seed: int, n: int, **settings: Any) -> None:
        """Check that the algorithm called *name* finds hyperopt's points."""
        module = {"rand": rand, "tpe": tpe, "anneal": anneal}[name]
        self.check(
            lambda: hyperopts(build, getattr(hyperopt, name), outcome_of, seed, n, **settings),
            ours(build, module, outcome_of, seed, n, **settings),
        )


@pytest.fixture
def assert_same(record: HyperoptsPoints, request: pytest.FixtureRequest) -> Compare:
    return Compare(record, request.node.name)


def smooth(point: Point, tid: int) -> float:
    # The term with tid keeps any two losses apart: hyperopt leaves open which of two equal ones is better.
    return math.fsum((v - 1.3) ** 2 + math.sin(5 * v) for v in point.values()) + 1e-7 * tid


def treacherous(point: Point, tid: int) -> Outcome:
    outcomes: dict[int, Outcome] = {
        1: {"status": "fail"},
        2: {"status": "ok", "loss": math.nan},
        4: {"status": "ok", "loss": math.inf},
        5: {"status": "fail", "loss": 0.0},
    }
    return outcomes.get(tid % 7, smooth(point, tid))


def hyperopts(build: Build, module: Any, outcome_of: Tell, seed: int, n: int, **settings: Any) -> list[Point]:
    trials = hyperopt.Trials()

    def point(tid: int) -> Point:
        vals = trials._dynamic_trials[tid]["misc"]["vals"]
        return {label: value[0] for label, value in vals.items() if value}

    hyperopt.fmin(
        lambda _: outcome_of(point(len(trials._dynamic_trials) - 1), len(trials._dynamic_trials) - 1),
        build(hyperopt.hp),
        algo=functools.partial(module.suggest, **settings),
        max_evals=n,
        trials=trials,
        rstate=np.random.default_rng(seed),
        verbose=False,
        show_progressbar=False,
    )
    return [point(tid) for tid in range(n)]


def ours(build: Build, module: Any, outcome_of: Tell, seed: int, n: int, **settings: Any) -> list[Point]:
    space = compile_space(build(hp))
    history = History(space)
    rng = np.random.default_rng(seed)
    points = []
    for tid in range(n):
        point = module.choose(space, history, seed=int(rng.integers(2**31 - 1)), **settings)
        points.append(point)
        history.add(point)
        result = outcome_of(point, tid)
        if isinstance(result, float):
            history.observe(tid, kind="ok", loss=result)
        else:
            history.observe(tid, kind=result["status"], loss=result.get("loss"))
    return points


@pytest.mark.long
def test_what_is_on_record_is_what_hyperopt_chooses() -> None:
    command = [sys.executable, "-m", "pytest", "-n0", "-q", str(Path(__file__))]
    assert subprocess.run(command, env=os.environ | {HOW: "1"}, check=False).returncode == 0


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("build", KINDS.values(), ids=KINDS)
def test_tpe_finds_the_same_points_in_every_kind(build: Build, seed: int, assert_same: Compare) -> None:
    assert_same(build, "tpe", smooth, seed, 150)


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("outcome_of", [smooth, treacherous])
@pytest.mark.parametrize("build", [mixed, nested])
def test_tpe_finds_the_same_points_in_larger_spaces(
    build: Build, outcome_of: Tell, seed: int, assert_same: Compare
) -> None:
    assert_same(build, "tpe", outcome_of, seed, 150)


@pytest.mark.parametrize(
    "settings",
    [
        {"gamma": 1.5},
        {"n_EI_candidates": 7},
        {"prior_weight": 0.3},
        {"gamma": 0.6, "n_EI_candidates": 50, "prior_weight": 2.0, "n_startup_jobs": 5},
    ],
    ids=str,
)
def test_tpe_finds_the_same_points_with_other_settings(settings: dict[str, Any], assert_same: Compare) -> None:
    assert_same(mixed, "tpe", smooth, 3, 80, **settings)


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("build", [mixed, nested, *KINDS.values()])
def test_rand_draws_the_same_points(build: Build, seed: int, assert_same: Compare) -> None:
    assert_same(build, "rand", treacherous, seed, 40)


@pytest.mark.parametrize("seed", SEEDS[:2])
@pytest.mark.parametrize("outcome_of", [smooth, treacherous])
@pytest.mark.parametrize("build", [mixed, nested, *KINDS.values()])
def test_anneal_finds_the_same_points(build: Build, outcome_of: Tell, seed: int, assert_same: Compare) -> None:
    assert_same(build, "anneal", outcome_of, seed, 40)


@pytest.mark.parametrize("name", ["rand", "tpe"])
def test_settings_are_shown_by_name_as_those_of_hyperopt_are(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(library, name).suggest) for library in (hstore, hyperopt))
    assert str(ours.replace(parameters=[p for p in ours.parameters.values() if p.name != "ties"])) == str(theirs)


def many_ways(hp: Any) -> Any:
    """Choices in choices, one label in several branches, probabilities that leave exactly one half."""
    shared = hp.qlognormal("shared", 0, 2, 0.5)
    inner = hp.choice(
        "inner", [shared, hp.randint("r", 3, 8), {"c": hp.pchoice("c", [(0.5, 0), (0.25, 1), (0.25, 2)])}]
    )
    return [
        hp.choice("outer", [{"x": hp.qloguniform("x", -2, 4, 1), "y": [shared, inner]}, inner, hp.normal("z", 1, 2)]),
        hp.pchoice("p", [(0.5, hp.loguniform("lu", -3, 2)), (0.5, hp.randint("b", 5))]),
        hp.uniformint("n", 0, 3),
    ]


OUTCOMES: list[tuple[int, dict[str, Any]]] = [
    (2, {"status": "fail"}),
    (2, {"status": "fail", "loss": 0.5}),
    (2, {"status": "ok", "loss": math.nan}),
    (2, {"status": "ok", "loss": math.inf}),
    (2, {"status": "ok", "loss": -math.inf}),
    *((state, {"status": "new"}) for state in (0, 1, 3, 4)),
]


def documents(space: Space, seed: int) -> list[dict[str, Any]]:
    """Return the trials of a search that many processes were at, some of which failed; their ids leave gaps."""
    rng = np.random.default_rng(seed)
    documents, tid = [], 0
    for _ in range(int(rng.integers(0, 70))):
        tid += int(rng.integers(1, 4))
        state, result = 2, {"status": "ok", "loss": round(rng.normal(), 1)}
        if rng.random() < 0.5:
            state, result = OUTCOMES[int(rng.integers(len(OUTCOMES)))]
        point = space.sample(rng)
        misc = {
            "tid": tid,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {label: [tid] if label in point else [] for label in space.labels},
            "vals": {label: [point[label]] if label in point else [] for label in space.labels},
        }
        document = {"tid": tid, "state": state, "spec": None, "result": result, "misc": misc, "exp_key": None}
        documents.append(document | dict.fromkeys(("owner", "book_time", "refresh_time")) | {"version": 0})
    return documents


@pytest.mark.parametrize("settings", [{}, {"avg_best_idx": 5.0}, {"avg_best_idx": 1.5, "shrink_coef": 1.0}], ids=str)
@pytest.mark.parametrize("build", [many_ways, mixed, nested])
def test_anneal_makes_the_same_of_any_trials(build: Build, settings: dict[str, Any]) -> None:
    space = compile_space(build(hp))
    domain = hyperopt.base.Domain(lambda _: 0.0, build(hyperopt.hp))
    for seed in range(5):
        trials = hyperopt.Trials()
        trials.insert_trial_docs(documents(space, seed))
        trials.refresh()
        (theirs,) = hyperopt.anneal.suggest([300], domain, trials, seed, **settings)
        (mine,) = anneal.suggest([300], SimpleNamespace(space=space), trials, seed, **settings)
        for label, expected in theirs["misc"]["vals"].items():
            assert mine["misc"]["vals"][label] == pytest.approx(expected, rel=1e-9, abs=0), f"seed {seed}"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("outcome_of", [smooth, treacherous])
@pytest.mark.parametrize("build", [mixed, nested])
def test_a_mix_asks_the_same_algorithms_and_finds_the_same_points(
    build: Build, outcome_of: Tell, seed: int, assert_same: Compare
) -> None:
    def parts(library: Any) -> list[tuple[float, Any]]:
        forgetful = functools.partial(library.anneal.suggest, shrink_coef=0.5)
        early = functools.partial(library.tpe.suggest, n_startup_jobs=5)
        inner = functools.partial(library.mix.suggest, p_suggest=[(0.5, forgetful), (0.5, library.rand.suggest)])
        return [(0.1, library.rand.suggest), (0.3, inner), (0.2, library.anneal.suggest), (0.4, early)]

    assert_same.check(
        lambda: hyperopts(build, hyperopt.mix, outcome_of, seed, 60, p_suggest=parts(hyperopt)),
        ours(build, mix, outcome_of, seed, 60, p_suggest=parts(hstore)),
    )


def test_a_mix_calls_a_function_of_ones_own_with_the_same_seed() -> None:
    def mine(new_ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        return "mine", new_ids, domain, trials, int(seed)

    def other(new_ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        return "other", int(seed)

    for seed in range(30):
        arguments = ([5, 6], "a domain", "trials", seed, [(0.3, mine), (0.7, other)])
        assert mix.suggest(*arguments) == hyperopt.mix.suggest(*arguments)


@pytest.mark.filterwarnings("ignore:c. the probabilities add up to")
@pytest.mark.parametrize("name", ["rand", "tpe", "anneal"])
@pytest.mark.parametrize(
    "p", [[0.33] * 3, [0.17] * 6, [0.143] * 7, [0.3, 0.3], [0.5, 0.5, 0.5], [1, 1], [0.9999, 0.0]], ids=str
)
def test_probabilities_that_do_not_add_up_to_1_are_taken_as_hyperopt_takes_them(
    name: str, p: list[float], assert_same: Compare
) -> None:
    def build(hp: Any) -> Any:
        return {"c": hp.pchoice("c", [(q, k) for k, q in enumerate(p)]), "x": hp.uniform("x", 0, 1)}

    assert_same(build, name, smooth, 0, 60)
