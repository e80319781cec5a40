"""What a trial costs beyond its objective in memory: hstore and hyperopt."""

import logging
import time
from typing import Any

import numpy as np

from bench.durable import in_rounds, objective
from bench.table import show, verdict


def seconds(library: Any, trials: int) -> list[float]:
    """Moments at which the objective was called."""
    moments: list[float] = []

    def timed(config: dict[str, float]) -> float:
        moments.append(time.perf_counter())
        return objective(config)

    hp = library.hp
    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    library.fmin(
        timed,
        space,
        algo=library.rand.suggest,
        max_evals=trials,
        rstate=np.random.default_rng(0),
        verbose=False,
        trials=library.Trials(),
    )
    return moments


def around(library: Any, at: int) -> float:
    return float(np.median(np.diff(seconds(library, at + 100))[at - 100 :]))


def main() -> None:
    import hyperopt

    import hstore

    logging.getLogger("hyperopt").setLevel(logging.ERROR)
    ours, theirs = in_rounds(lambda: around(hstore, 1000), lambda: around(hyperopt, 1000))
    steps = np.diff(seconds(hstore, 10_300))
    early, late = float(np.median(steps[100:400])), float(np.median(steps[10_000:]))
    show(
        "A trial in memory at 1,000 trials, random search, trivial objective",
        [
            ("", "ms a trial", "hstore's cost as a ratio"),
            ("hstore", f"{ours * 1e3:.3f}", ""),
            ("hyperopt", f"{theirs * 1e3:.3f}", verdict(ours / theirs, 1 / 4)),
            ("hstore at trial 100", f"{early * 1e3:.3f}", ""),
            ("hstore at trial 10,000", f"{late * 1e3:.3f}", verdict(late / early, 1.15)),
        ],
    )
