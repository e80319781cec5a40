"""Measure one suggestion of tpe against hyperopt's and Optuna's: ten mixed dimensions, and a large nested space."""

import math
import statistics
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from bench import convolutional
from bench.table import show, verdict
from hstore.engine.algorithms import tpe
from hstore.engine.algorithms.history import History
from hstore.engine.space import Point, Space, compile_space, hp, scope

LARGE_GOALS = {"compile": 1_000, "suggest": 300}  # ms, at 300 trials
GOALS = {100: 1, 1_000: 6, 10_000: 10}  # trials: times as fast as hyperopt; always faster than Optuna
OPTIONS = ["a", "b", "c", "d"]
WEIGHTS = [0.2, 0.5, 0.3]


def make_space(hp: Any) -> dict[str, Any]:
    return {
        "uniform": hp.uniform("uniform", -5, 5),
        "loguniform": hp.loguniform("loguniform", -9, 0),
        "quniform": hp.quniform("quniform", 0, 100, 5),
        "normal": hp.normal("normal", 0, 2),
        "choice": hp.choice("choice", OPTIONS),
        "randint": hp.randint("randint", 12),
        "uniformint": hp.uniformint("uniformint", 1, 64),
        "lognormal": hp.lognormal("lognormal", 0, 1),
        "qloguniform": hp.qloguniform("qloguniform", 0, 6, 1),
        "pchoice": hp.pchoice("pchoice", list(zip(WEIGHTS, OPTIONS, strict=False))),
    }


def loss_of(point: Point) -> float:
    return sum((math.log1p(abs(value)) - 0.7) ** 2 for value in point.values())


def sample(space: Space, n: int) -> list[Point]:
    rng = np.random.default_rng(1)
    return [space.sample(rng) for _ in range(n)]


def hstore_suggest(space: Space, points: list[Point]) -> Callable[[int], Any]:
    history = History(space)

    def tell(point: Point) -> None:
        history.observe(history.add(point), kind="ok", loss=loss_of(point))

    for point in points:
        tell(point)
    # A search adds a trial before it asks again, so that the caches are one row behind.
    return lambda seed: tell(tpe.choose(space, history, seed=seed))


def hyperopt_suggest(points: list[Point], space: Any = None) -> Callable[[int], Any]:
    import hyperopt

    domain = hyperopt.Domain(lambda _: 0.0, make_space(hyperopt.hp) if space is None else space)
    trials = hyperopt.Trials()
    tids = trials.new_trial_ids(len(points))
    trials.insert_trial_docs(
        {
            "tid": tid,
            "state": hyperopt.JOB_STATE_DONE,
            "spec": None,
            "result": {"status": "ok", "loss": loss_of(point)},
            "misc": {
                "tid": tid,
                "cmd": domain.cmd,
                "workdir": None,
                "idxs": {label: [tid] if label in point else [] for label in domain.params},
                "vals": {label: [point[label]] if label in point else [] for label in domain.params},
            },
            "exp_key": None,
            "owner": None,
            "version": 0,
            "book_time": None,
            "refresh_time": None,
        }
        for tid, point in zip(tids, points, strict=True)
    )
    trials.refresh()
    return lambda seed: hyperopt.tpe.suggest([len(points)], domain, trials, seed)


def optuna_suggest(points: list[Point]) -> Callable[[int], Any]:
    import optuna
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    # Optuna has no normal kinds: the bounds that hold nearly all of the mass stand in for them.
    space = {
        "uniform": FloatDistribution(-5, 5),
        "loguniform": FloatDistribution(math.exp(-9), 1, log=True),
        "quniform": FloatDistribution(0, 100, step=5),
        "normal": FloatDistribution(-8, 8),
        "choice": CategoricalDistribution(range(len(OPTIONS))),
        "randint": IntDistribution(0, 11),
        "uniformint": IntDistribution(1, 64),
        "lognormal": FloatDistribution(math.exp(-4), math.exp(4), log=True),
        "qloguniform": IntDistribution(1, 403, log=True),
        "pchoice": CategoricalDistribution(range(len(WEIGHTS))),
    }
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))

    def inside(label: str, value: float) -> float:
        distribution = space[label]
        if isinstance(distribution, FloatDistribution):
            return float(min(max(value, distribution.low), distribution.high))
        return int(value)

    study.add_trials(
        [
            optuna.create_trial(
                params={label: inside(label, value) for label, value in point.items()},
                distributions=space,
                value=loss_of(point),
            )
            for point in points
        ]
    )
    return lambda _: study.ask(space)


def large_space() -> list[tuple[str, ...]]:
    """Return the rows for the convolutional space of 238 hyperparameters at 300 trials."""
    import hyperopt
    from hyperopt.pyll import scope as hyperopts_scope

    def theirs() -> Any:
        return convolutional.make_space(hyperopt.hp, hyperopts_scope)

    ours = milliseconds(lambda _: compile_space(convolutional.make_space(hp, scope)), 7)
    hyperopts = milliseconds(lambda _: hyperopt.Domain(lambda _: 0.0, theirs()), 3)
    space = compile_space(convolutional.make_space(hp, scope))
    points = sample(space, 300)
    ours_suggest = milliseconds(hstore_suggest(space, points), 20)
    hyperopts_suggest = milliseconds(hyperopt_suggest(points, theirs()), 3)
    return [
        ("compile", verdict(ours, LARGE_GOALS["compile"]), f"{hyperopts:.0f}"),
        ("suggest", verdict(ours_suggest, LARGE_GOALS["suggest"]), f"{hyperopts_suggest:.0f}"),
    ]


def milliseconds(suggest: Callable[[int], Any], repeats: int) -> float:
    suggest(0)
    times = []
    for seed in range(1, repeats + 1):
        start = time.perf_counter()
        suggest(seed)
        times.append(time.perf_counter() - start)
    return 1e3 * statistics.median(times)


def main() -> None:
    space = compile_space(make_space(hp))
    rows = [("trials", "hstore", "hyperopt", "times faster", "optuna", "times faster")]
    for n, goal in GOALS.items():
        points = sample(space, n)
        ours = milliseconds(hstore_suggest(space, points), 50)
        hyperopts = milliseconds(hyperopt_suggest(points), 7)
        optunas = milliseconds(optuna_suggest(points), 7)
        rows.append(
            (
                f"{n:,}",
                f"{ours:.2f}",
                f"{hyperopts:.1f}",
                verdict(hyperopts / ours, goal, at_most=False),
                f"{optunas:.1f}",
                verdict(optunas / ours, 1, at_most=False),
            )
        )
    show("One suggestion of tpe on ten mixed dimensions, ms", rows)
    show(
        f"A nested space of {convolutional.LABELS} hyperparameters at 300 trials, ms",
        [("", "hstore", "hyperopt"), *large_space()],
    )


if __name__ == "__main__":
    main()
