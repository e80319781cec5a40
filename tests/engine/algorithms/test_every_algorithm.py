"""What every algorithm must do, run on all of them."""

import json
import math
import os
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from hstore.engine.algorithms import ALGORITHMS, Algorithm, Exhausted, auto, describe_algorithm, resolve
from hstore.engine.algorithms.finite import endless
from hstore.engine.algorithms.history import History
from hstore.engine.space import Point, Space, compile_space, hp

RECORDED = Path(__file__).with_name("recorded_points.json")

each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=ALGORITHMS)


def of_arm(name: str, arm: Callable[[Space, History, int, bool], Point]) -> Algorithm:
    def choose(space: Space, history: History, *, seed: int) -> Point:
        return arm(space, history, seed, False)

    return Algorithm(name=name, version=1, is_portable=False, choose=choose)


# What auto leaves its choice to now and then, which few of the histories here would show.
ARMS = {name: of_arm(name, auto.ARMS[k]) for k, name in ((1, "auto's steps"), (2, "auto's offspring"))}
each_algorithm_and_arm = pytest.mark.parametrize(
    "algorithm", [*ALGORITHMS.values(), *ARMS.values()], ids=[*ALGORITHMS, *ARMS]
)


FINITE = {
    "layers": hp.uniformint("layers", 1, 5),
    "units": hp.qloguniform("units", 2, 6, 8),
    "seed": hp.randint("seed", 10, 20),
    "model": hp.choice("model", ["plain", {"depth": hp.quniform("depth", 1, 9, 2)}]),
}
NUMERIC = {
    "lr": hp.loguniform("lr", -9, 0),
    "layers": hp.uniformint("layers", 1, 5),
    "units": hp.qloguniform("units", 2, 6, 8),
    "shift": hp.qnormal("shift", 0, 4, 0.5),
    "decay": hp.lognormal("decay", -4, 1),
}
EVERYTHING = {
    "lr": hp.loguniform("lr", -9, 0),
    "layers": hp.uniformint("layers", 1, 5),
    "units": hp.qloguniform("units", 2, 6, 8),
    "shift": hp.qnormal("shift", 0, 4, 0.5),
    "seed": hp.randint("seed", 10, 20),
    "model": hp.choice("model", ["plain", {"depth": hp.quniform("depth", 1, 9, 2), "w": hp.normal("w", 0, 1)}]),
    "kind": hp.pchoice("kind", [(0.2, "a"), (0.8, {"decay": hp.lognormal("decay", -4, 1)})]),
}
SPACES = {"grid": FINITE, "cmaes": NUMERIC}  # what cannot search everything gets what it can


def space(algorithm: Algorithm) -> Space:
    return compile_space(SPACES.get(algorithm.name, EVERYTHING))


def history_of(space: Space, outcomes: Callable[[Point, int], tuple[str, float | None]], n: int) -> History:
    history = History(space)
    rng = np.random.default_rng(0)
    for tid in range(n):
        point = space.sample(rng)
        kind, loss = outcomes(point, tid)
        history.observe(history.add(point), kind=kind, loss=loss)
    return history


def quadratic(point: Point, tid: int) -> tuple[str, float | None]:
    return "ok", sum((value - 1) ** 2 for value in point.values())


def mixed(point: Point, tid: int) -> tuple[str, float | None]:
    kinds = ["ok", "ok", "fail", "error", "pending", "void", "ok"]
    kind = kinds[tid % len(kinds)]
    return kind, (math.nan if tid % 14 == 6 else quadratic(point, tid)[1]) if kind == "ok" else None


OUTCOMES: dict[str, Callable[[Point, int], tuple[str, float | None]]] = {
    "a bowl": quadratic,
    "everything": mixed,
    "equal losses": lambda *_: ("ok", 1.0),
    "all failed": lambda *_: ("fail", None),
    "all pending": lambda *_: ("pending", None),
    "all errors": lambda *_: ("error", None),
    "all nan": lambda *_: ("ok", math.nan),
    "all inf": lambda *_: ("ok", math.inf),
    "some -inf": lambda _, tid: ("ok", -math.inf if tid % 5 == 0 else float(tid)),
    "huge and tiny": lambda _, tid: ("ok", 1e308 if tid % 2 else -1e-308),
}


SLOW = ("gp", "auto")  # these get fewer and smaller cases


@each_algorithm
@pytest.mark.parametrize("outcomes", OUTCOMES.values(), ids=OUTCOMES)
@pytest.mark.parametrize("n", [0, 1, 2, 20, 70])
def test_a_point_is_in_the_space(algorithm: Algorithm, outcomes: Any, n: int) -> None:
    searched = space(algorithm)
    is_slow = algorithm.name in SLOW
    history = history_of(searched, outcomes, min(n, 30) if is_slow else n)
    for seed in range(1 if is_slow else 3):
        searched.check(algorithm.choose(searched, history, seed=seed))


def some_number(algorithm: Algorithm, label: str) -> Any:
    return hp.quniform(label, 0, 1, 0.125) if algorithm.name == "grid" else hp.uniform(label, 0, 1)


EXTREMES: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "constant dimensions": (
        40,
        lambda x: {
            "x": x("x"),
            "c": hp.choice("c", ["only"]),
            "r": hp.randint("r", 1),
            "q": hp.quniform("q", 0, 0.4, 1),
        },
    ),
    "nothing but constants": (3, lambda _: {"c": hp.choice("c", ["only"]), "r": hp.randint("r", 1)}),
    "a q larger than the range": (
        40,
        lambda x: {"x": x("x"), "q": hp.quniform("q", 0, 1, 5), "l": hp.qloguniform("l", -5, -3, 1)},
    ),
    "q that rounds to 0": (40, lambda x: {"x": x("x"), "l": hp.qloguniform("l", -9, 2, 1)}),
    "300 labels": (30, lambda x: {f"x{i}": x(f"x{i}") for i in range(300)}),
    "1,000 options": (60, lambda x: {"x": x("x"), "c": hp.choice("c", list(range(1_000)))}),
    "nothing": (2, lambda _: {}),
}
SETTINGS: dict[str, dict[str, Any]] = {"cmaes": {"categorical": "random"}}


@each_algorithm_and_arm
@pytest.mark.parametrize(("n", "expression"), EXTREMES.values(), ids=EXTREMES)
def test_extreme_spaces_are_searched(algorithm: Algorithm, n: int, expression: Any) -> None:
    searched = compile_space(expression(partial(some_number, algorithm)))
    history = history_of(searched, quadratic, n)
    for seed in range(1 if algorithm.name in (*SLOW, "cmaes") else 2):
        try:
            point = algorithm.choose(searched, history, seed=seed, **SETTINGS.get(algorithm.name, {}))
        except Exhausted:
            assert endless(searched) is None
            continue
        searched.check(point)


@pytest.mark.parametrize("name", ["rand", "qmc", "grid", "mtpe", "cmaes"])
def test_the_seed_of_an_experiment_may_be_a_label(name: str) -> None:
    algorithm = ALGORITHMS[name]
    searched = compile_space({"x": some_number(algorithm, "x"), "seed": hp.randint("seed", 2**31 - 1)})
    history = history_of(searched, quadratic, 40)
    searched.check(algorithm.choose(searched, history, seed=0, **SETTINGS.get(name, {})))


@each_algorithm
def test_it_has_a_version_and_its_settings_are_plain(algorithm: Algorithm) -> None:
    assert isinstance(algorithm.version, int)
    assert algorithm.version >= 1
    described = describe_algorithm(algorithm, {})
    assert json.loads(json.dumps(described)) == described
    assert resolve(described)[0] is algorithm
    assert set(algorithm.limits) <= set(algorithm.defaults)
    in_full = algorithm.plain(algorithm.defaults)
    assert algorithm.plain(in_full) == in_full


@each_algorithm_and_arm
def test_the_same_input_gives_the_same_point_in_the_same_order(algorithm: Algorithm) -> None:
    first = algorithm.choose(space(algorithm), history_of(space(algorithm), mixed, 60), seed=5)
    again = algorithm.choose(space(algorithm), history_of(space(algorithm), mixed, 60), seed=5)
    assert list(first.items()) == list(again.items())
    if algorithm.name not in ("grid", "qmc"):  # whose order does not depend on it
        assert algorithm.choose(space(algorithm), history_of(space(algorithm), mixed, 60), seed=6) != first


@each_algorithm
def test_a_history_that_was_asked_on_the_way_gives_the_same_point(algorithm: Algorithm) -> None:
    searched = space(algorithm)
    asked, rng = History(searched), np.random.default_rng(0)
    for tid in range(60):
        if algorithm.name not in SLOW or tid % 10 == 5:
            algorithm.choose(searched, asked, seed=tid)
        point = searched.sample(rng)
        kind, loss = mixed(point, tid)
        asked.observe(asked.add(point), kind=kind, loss=loss)
    at_once = history_of(searched, mixed, 60)
    assert algorithm.choose(searched, asked, seed=5) == algorithm.choose(searched, at_once, seed=5)


@each_algorithm_and_arm
def test_inputs_are_left_as_they_were(algorithm: Algorithm) -> None:
    searched = space(algorithm)
    history = history_of(searched, mixed, 60)
    before = history.copy()
    algorithm.choose(searched, history, seed=1)
    np.testing.assert_array_equal(history.kinds, before.kinds)
    np.testing.assert_array_equal(history.losses, before.losses)
    for label in searched.labels:
        np.testing.assert_array_equal(history.column(label), before.column(label))


@each_algorithm_and_arm
def test_no_clock_and_no_shared_generator_is_asked(algorithm: Algorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    searched = space(algorithm)
    history = history_of(searched, quadratic, 60)

    algorithm.choose(searched, history, seed=1)  # imports what it needs, which may look at the clock
    beside = set(threading.enumerate()) - {threading.current_thread()}  # of a client that another test left, for one

    def refusing(call: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*args: Any, **kwargs: Any) -> Any:
            if threading.current_thread() in beside:
                return call(*args, **kwargs)
            raise AssertionError("an algorithm looked at something that is not its input")

        return refuse

    for module, names in {
        np.random: [
            "seed",
            "random",
            "rand",
            "randn",
            "uniform",
            "normal",
            "randint",
            "choice",
            "multinomial",
            "standard_normal",
            "permutation",
            "shuffle",
            "get_state",
        ],
        random: ["random", "uniform", "randint", "choice", "gauss", "seed", "shuffle", "getrandbits"],
        time: ["time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "process_time"],
        os: ["urandom"],
    }.items():
        for name in names:
            monkeypatch.setattr(module, name, refusing(getattr(module, name)))
    point = algorithm.choose(searched, history, seed=1)
    monkeypatch.undo()
    searched.check(point)


@each_algorithm
def test_it_can_be_called_in_hyperopts_shape(algorithm: Algorithm) -> None:
    searched = space(algorithm)
    history = history_of(searched, quadratic, 40)
    documents = [
        {
            "tid": tid,
            "state": 2,
            "result": {"status": "ok", "loss": float(history.losses[tid])},
            "misc": {
                "tid": tid,
                "vals": {
                    label: [] if math.isnan(value := float(history.column(label)[tid])) else [value]
                    for label in searched.labels
                },
            },
        }
        for tid in range(40)
    ]
    (document,) = algorithm([40], SimpleNamespace(space=searched), SimpleNamespace(trials=documents), 3)
    point = algorithm.choose(searched, history, seed=3)
    assert {label: v[0] for label, v in document["misc"]["vals"].items() if v} == point
    assert {label for label, tids in document["misc"]["idxs"].items() if tids == [40]} == set(point)
    assert (document["tid"], document["misc"]["tid"], document["state"]) == (40, 40, 0)
    kept = SimpleNamespace(history=lambda _: history, exp_key="mine")
    other, *_ = algorithm([40, 41], SimpleNamespace(space=searched), kept, 3)
    assert (other["misc"], other["exp_key"]) == (document["misc"], "mine")
    assert algorithm([], SimpleNamespace(space=searched), kept, 3) == []


@each_algorithm
def test_points_are_those_on_record(algorithm: Algorithm) -> None:
    # A change of numbers is a decision: raise the version of the algorithm, run this once to put its points
    # on record, and say so in CHANGELOG.md.
    searched = space(algorithm)
    history = history_of(searched, mixed, 80)
    points = [
        {label: float(value).hex() for label, value in algorithm.choose(searched, history, seed=seed).items()}
        for seed in range(8)
    ]
    key = f"{algorithm.name} {algorithm.version}"
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if key not in recorded:
        RECORDED.write_text(json.dumps(recorded | {key: points}, indent=1) + "\n")
        pytest.fail(f"{key} was not on record and is now: look at it and commit it")
    if algorithm.is_portable:
        assert points == recorded[key]
    else:  # linear algebra rounds differently elsewhere, and may then end on another peak: most points are alike
        assert sum(map(is_alike, points, recorded[key])) >= 5


def is_alike(one: dict[str, str], other: dict[str, str]) -> bool:
    return one.keys() == other.keys() and all(
        math.isclose(float.fromhex(one[label]), float.fromhex(other[label]), rel_tol=1e-3, abs_tol=1e-3)
        for label in one
    )


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "cmaes"])
@pytest.mark.parametrize("p", [[0.33] * 3, [0.3, 0.3], [0.9, 0.0]], ids=str)
@pytest.mark.filterwarnings("ignore:c. the probabilities add up to")
def test_every_algorithm_searches_probabilities_that_do_not_add_up_to_1(name: str, p: list[float]) -> None:
    searched = compile_space({"c": hp.pchoice("c", list(zip(p, "abc", strict=False))), "x": hp.quniform("x", 0, 9, 1)})
    history = History(searched)
    taken = set()
    for seed in range(26):
        try:
            point = ALGORITHMS[name].choose(searched, history, seed=seed)
        except Exhausted:
            break
        searched.check(point)
        taken.add(point["c"])
        history.observe(history.add(point), kind="ok", loss=(point["x"] - 4.0) ** 2 - point["c"])
    assert taken == set(range(len(p)))
