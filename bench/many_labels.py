"""Measure what a search of 100 trials reaches in 20, 50 and 100 dimensions, one trial at a time and 32 at a time.

`python -m bench.many_labels [--first 1200] [--seeds 2]`. Each figure is the best loss divided by that of a random
search of the same seed, as a geometric mean; 1 is no better than random.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable

import numpy as np

from bench.table import show

N_TRIALS, DIMENSIONS, BATCHES, ALGORITHMS = 100, (20, 50, 100), (1, 32), ("auto", "mtpe")
KINDS = ("bowl", "few", "rugged")
Loss = Callable[[dict[str, float]], float]


def main() -> None:
    """Print a table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--first", type=int, default=1200)
    arguments.add_argument("--seeds", type=int, default=2)
    options = arguments.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    rows = [["labels", "loss", *(f"{name} {n} at a time" for name in ALGORITHMS for n in BATCHES), "auto, ms"]]
    for d in DIMENSIONS:
        for kind in KINDS:
            base = [best(kind, d, "rand", 1, seed)[0] for seed in seeds]
            cells, cost = [], 0.0
            for name in ALGORITHMS:
                for batch in BATCHES:
                    found = [best(kind, d, name, batch, seed) for seed in seeds]
                    logs = [math.log(loss / of_random) for (loss, _), of_random in zip(found, base, strict=True)]
                    cells.append(f"{math.exp(math.fsum(logs) / len(logs)):.3g}")
                    if (name, batch) == ("auto", 1):
                        cost = math.fsum(seconds for _, seconds in found) / len(found)
            rows.append([str(d), kind, *cells, f"{1e3 * cost:.0f}"])
    show(f"best loss of {N_TRIALS} trials beside random search; CPU time of a suggestion", rows)


def best(kind: str, d: int, name: str, batch: int, seed: int) -> tuple[float, float]:
    """Return the lowest loss that algorithm *name* finds, and its CPU seconds a trial; *batch* trials are pending."""
    from hstore.engine import algorithms
    from hstore.engine.algorithms.history import History
    from hstore.engine.space import compile_space, hp

    space = compile_space({f"x{i}": hp.uniform(f"x{i}", -5, 5) for i in range(d)})
    loss, history = problem(kind, d, np.random.default_rng([seed, d])), History(space)
    waiting: list[tuple[int, float]] = []
    lowest, spent = math.inf, 0.0
    for k in range(N_TRIALS):
        begun = time.process_time()
        point = algorithms.ALGORITHMS[name].choose(space, history, seed=1000 * seed + k)
        spent += time.process_time() - begun
        waiting.append((history.add(point), loss(point)))
        if len(waiting) == batch or k == N_TRIALS - 1:
            for tid, value in waiting:
                history.observe(tid, kind="ok", loss=value)
                lowest = min(lowest, value)
            waiting.clear()
    return lowest, spent / N_TRIALS


def problem(kind: str, d: int, rng: np.random.Generator) -> Loss:
    """Return a loss with its optimum anywhere: a bowl, one in six of the labels, or a bowl with many valleys."""
    optimum = rng.uniform(-3, 3, d)
    which = rng.permutation(d)[:6] if kind == "few" else np.arange(d)
    weights = np.exp(rng.uniform(-1, 1, d))[which]

    def loss(point: dict[str, float]) -> float:
        z = (np.array([point[f"x{i}"] for i in range(d)]) - optimum)[which]
        valleys = 10.0 * (1.0 - np.cos(2.0 * np.pi * z)).sum() if kind == "rugged" else 0.0
        return float((weights * z * z).sum() + valleys)

    return loss


if __name__ == "__main__":
    main()
