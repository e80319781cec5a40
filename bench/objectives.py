"""Measure searches for two or three things at once, within constraints: the hypervolume that each algorithm comes to.

`python -m bench.objectives [--algorithms rand tpe auto optuna-nsga2] [--problems dtlz2 osy] [--seeds 100-119]`; the
first algorithm is what the others are compared with. `optuna-nsga2` and `optuna-tpe` are Optuna's samplers, where it is
installed (the group bench).

Problems: ZDT1 (Zitzler, Deb and Thiele, Evolutionary Computation 2000) in five dimensions; DTLZ2 (Deb, Thiele, Laumanns
and Zitzler, Scalable multi-objective optimization test problems, CEC 2002) with three losses in six; OSY (Osyczka and
Kundu, A new method to solve generalized multicriteria optimization problems, Structural Optimization 1995), six
dimensions and six constraints; and a conditional one, two kinds of model with hyperparameters of their own.
"""

import argparse
import math
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from bench.hypervolume import hypervolume
from bench.table import show
from hstore import Trials, fmin, hp
from hstore.engine.algorithms import named
from hstore.engine.space import compile_space
from hstore.engine.space.parameter import Parameter

TRIALS = 100
ALGORITHMS = ("rand", "tpe", "anneal", "auto")
OSY_RANGES = {"a": (0, 10), "b": (0, 10), "c": (1, 5), "d": (0, 6), "e": (1, 5), "f": (0, 10)}
MODELS = hp.choice(
    "model",
    [
        {"kind": "linear", "penalty": hp.loguniform("penalty", -9, 3), "features": hp.uniformint("features", 2, 60)},
        {
            "kind": "deep",
            "rate": hp.loguniform("rate", -9, 0),
            "layers": hp.uniformint("layers", 1, 8),
            "width": hp.qloguniform("width", 1, 6, 1),
        },
    ],
)


def zdt1(x: Mapping[str, float]) -> list[float]:
    first, *rest = (x[f"x{i}"] for i in range(5))
    g = 1 + 9 * sum(rest) / len(rest)
    return [first, g * (1 - math.sqrt(first / g))]


def dtlz2(x: Mapping[str, float]) -> list[float]:
    one, two, *rest = (x[f"x{i}"] for i in range(6))
    g = 1 + sum((value - 0.5) ** 2 for value in rest)
    one, two = one * math.pi / 2, two * math.pi / 2
    return [g * math.cos(one) * math.cos(two), g * math.cos(one) * math.sin(two), g * math.sin(one)]


def osy(x: Mapping[str, float]) -> dict[str, Any]:
    a, b, c, d, e, f = (x[label] for label in "abcdef")
    first = -(25 * (a - 2) ** 2 + (b - 2) ** 2 + (c - 1) ** 2 + (d - 4) ** 2 + (e - 1) ** 2)
    kept = [a + b - 2, 6 - a - b, 2 - b + a, 2 - a + 3 * b, 4 - (c - 3) ** 2 - d, (e - 3) ** 2 + f - 4]
    losses = [first, a * a + b * b + c * c + d * d + e * e + f * f]
    return {"status": "ok", "losses": losses, "constraints": [-value for value in kept]}


def models(config: Mapping[str, Any]) -> list[float]:
    """Return error and cost, both between 0 and 1 or so."""
    if config["kind"] == "linear":
        error = 0.35 + 0.4 * math.exp(-config["features"] / 12) + 0.02 * (math.log(config["penalty"]) + 2) ** 2
        return [error, config["features"] / 200]
    size = config["layers"] * config["width"]
    fit = 0.02 * (math.log(config["rate"]) + 5 + 0.2 * config["layers"]) ** 2
    return [0.05 + 0.6 / math.log(math.e + size) + fit, 0.1 + size / 1600]


class Problem(NamedTuple):
    name: str
    objective: Callable[[Any], Any]
    space: Any
    reference: tuple[float, ...]


PROBLEMS = {
    "zdt1": Problem("zdt1, 5 dimensions", zdt1, {f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(5)}, (1.1, 6.0)),
    "models": Problem("two kinds of model", models, MODELS, (1.0, 1.0)),
    "dtlz2": Problem("dtlz2, 3 losses", dtlz2, {f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(6)}, (1.2, 1.2, 1.2)),
    "osy": Problem("osy, constrained", osy, {x: hp.uniform(x, *ends) for x, ends in OSY_RANGES.items()}, (0.0, 80.0)),
}


def front_of(problem: Problem, algorithm: str, seed: int, trials: int) -> list[Sequence[float]]:
    """Return the losses of the feasible trials that a search ends with."""
    if algorithm.startswith("optuna-"):
        return optuna_losses(problem, algorithm.removeprefix("optuna-"), seed, trials)
    searched = Trials()
    fmin(
        problem.objective, problem.space, algo=named(algorithm), max_evals=trials, trials=searched, rstate=seed,
        verbose=False, objectives=len(problem.reference),
    )  # fmt: skip
    return [trial.losses or () for trial in searched.experiment.pareto]


def optuna_losses(problem: Problem, sampler: str, seed: int, trials: int) -> list[Sequence[float]]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    warnings.simplefilter("ignore", FutureWarning)  # of constraints_func, which older ones need
    space = compile_space(problem.space)
    kind = {"nsga2": optuna.samplers.NSGAIISampler, "tpe": optuna.samplers.TPESampler}[sampler]
    settings: dict[str, Any] = {}
    if problem.objective is osy:
        settings["constraints_func"] = lambda trial: trial.user_attrs["constraints"]
    kept: list[Sequence[float]] = []

    def objective(trial: Any) -> tuple[float, ...]:
        point: dict[str, Any] = {}
        for parameter in space:
            if space.is_active(parameter.label, point):
                point[parameter.label] = optuna_value(trial, parameter)
        returned = problem.objective(space.evaluate(point))
        losses = returned["losses"] if isinstance(returned, dict) else returned
        constraints = returned["constraints"] if isinstance(returned, dict) else []
        trial.set_user_attr("constraints", constraints)
        if all(value <= 0 for value in constraints):
            kept.append(losses)
        return tuple(losses)

    study = optuna.create_study(directions=["minimize"] * len(problem.reference), sampler=kind(seed=seed, **settings))
    study.optimize(objective, n_trials=trials)
    return kept


def optuna_value(trial: Any, parameter: Parameter) -> Any:
    if parameter.is_categorical:
        return trial.suggest_categorical(parameter.label, list(range(parameter.n_options)))
    low, high = parameter.bounds
    if parameter.q is not None:
        return trial.suggest_int(parameter.label, round(low), round(high), log=parameter.is_log)
    return trial.suggest_float(parameter.label, low, high, log=parameter.is_log)


def compare(problem: Problem, algorithms: Sequence[str], seeds: Sequence[int], trials: int) -> list[tuple[str, ...]]:
    """Return a row for each of *algorithms*, with paired differences to the first of them."""
    rows: list[tuple[str, ...]] = []
    base: list[float] = []
    for algorithm in algorithms:
        volumes = [hypervolume(front_of(problem, algorithm, seed, trials), problem.reference) for seed in seeds]
        base = base or volumes
        more = [v - b for v, b in zip(volumes, base, strict=True)]
        found = ("", "")
        if len(rows) and len(seeds) > 1:
            half = student(len(seeds) - 1) * statistics.stdev(more) / math.sqrt(len(seeds))
            found = (f"{statistics.mean(more):+.4g} ± {half:.2g}", f"{sum(m > 0 for m in more)} of {len(seeds)}")
        rows.append((problem.name, algorithm, f"{statistics.mean(volumes):.4g}", *found))
    return rows


def student(degrees: int) -> float:
    """Return the factor of a 95 % interval."""
    from scipy.stats import t

    return float(t.ppf(0.975, degrees))


def main(arguments: Sequence[str] = ()) -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.objectives")
    parser.add_argument("--algorithms", nargs="+", default=ALGORITHMS)
    parser.add_argument("--problems", nargs="+", choices=PROBLEMS, default=list(PROBLEMS))
    parser.add_argument("--seeds", default="100-119", help="first-last")
    parser.add_argument("--trials", type=int, default=TRIALS)
    asked = parser.parse_args(arguments)
    first, _, last = asked.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    rows: list[tuple[str, ...]] = [
        ("problem", "algorithm", "hypervolume", f"more than {asked.algorithms[0]} (95 %)", "better")
    ]
    for name in asked.problems:
        rows += compare(PROBLEMS[name], asked.algorithms, seeds, asked.trials)
    show(f"Several losses, {asked.trials} trials, {len(seeds)} seeds: the hypervolume of the front", rows)


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
