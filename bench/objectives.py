"""Measure searches for two things at once: the hypervolume that each algorithm comes to, against random search.

Both problems have two losses that work against each other. The first is ZDT1 (Zitzler, Deb and Thiele, Evolutionary
Computation 2000) in five dimensions, the second is conditional: two kinds of model, cheap and accurate ones, with
hyperparameters of their own.
"""

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from bench.table import show
from hstore import Trials, anneal, auto, fmin, hp, rand, tpe
from hstore.engine.hypervolume import hypervolume

TRIALS, SEEDS = 100, range(100, 120)
ALGORITHMS = {"rand": rand.suggest, "tpe": tpe.suggest, "anneal": anneal.suggest, "auto": auto.suggest}

ZDT1 = {f"x{i}": hp.uniform(f"x{i}", 0, 1) for i in range(5)}
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


def models(config: Mapping[str, Any]) -> list[float]:
    """Return error and cost, both between 0 and 1 or so."""
    if config["kind"] == "linear":
        error = 0.35 + 0.4 * math.exp(-config["features"] / 12) + 0.02 * (math.log(config["penalty"]) + 2) ** 2
        return [error, config["features"] / 200]
    size = config["layers"] * config["width"]
    fit = 0.02 * (math.log(config["rate"]) + 5 + 0.2 * config["layers"]) ** 2
    return [0.05 + 0.6 / math.log(math.e + size) + fit, 0.1 + size / 1600]


PROBLEMS: dict[str, tuple[Callable[[Any], list[float]], Any, tuple[float, float]]] = {
    "zdt1, 5 dimensions": (zdt1, ZDT1, (1.1, 6.0)),
    "two kinds of model": (models, MODELS, (1.0, 1.0)),
}


def volume(problem: str, algorithm: str, seed: int) -> float:
    objective, space, reference = PROBLEMS[problem]
    trials = Trials()
    fmin(
        objective, space, algo=ALGORITHMS[algorithm], max_evals=TRIALS, trials=trials, rstate=seed, verbose=False,
        objectives=2,
    )  # fmt: skip
    return hypervolume([trial.losses or () for trial in trials.experiment.pareto], reference)


def main() -> None:
    rows = [("problem", "algorithm", "hypervolume", "more than rand (95 %)", "better")]
    for problem in PROBLEMS:
        base: list[float] = []
        for algorithm in ALGORITHMS:
            volumes = [volume(problem, algorithm, seed) for seed in SEEDS]
            base = base or volumes
            more = [v - b for v, b in zip(volumes, base, strict=True)]
            half = 2.09 * statistics.stdev(more) / math.sqrt(len(SEEDS))  # Student's t with 19 degrees of freedom
            told = ("", "") if algorithm == "rand" else (
                f"{statistics.mean(more):+.4f} ± {half:.4f}", f"{sum(m > 0 for m in more)} of {len(SEEDS)}"
            )  # fmt: skip
            rows.append((problem, algorithm, f"{statistics.mean(volumes):.4f}", *told))
    show(f"Two losses at once, {TRIALS} trials, {len(SEEDS)} seeds: the hypervolume of the front", rows)


if __name__ == "__main__":
    main()
