"""Measure what stopping early saves: a small neural network on scikit-learn's digits, trained in epochs.

The same search with each pruner and without one, at several seeds: how many epochs it trained in all, and how good the
best network is, by its error on a third of the digits that it was not trained on.

`python -m bench.pruning [--algorithms auto,mtpe] [--pruners none,asha] [--seeds 100-109]`; all of them without.
"""

import argparse
import math
import statistics
import sys
import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from bench.table import show, verdict
from hstore import Ctrl, Trials, auto, fmin, hp, mtpe, pruners, rand, tpe

EPOCHS, TRIALS, SEEDS = 27, 60, "100-109"
GOAL = 0.333
SPACE = {
    "rate": hp.loguniform("rate", math.log(1e-5), 0),
    "alpha": hp.loguniform("alpha", math.log(1e-6), 0),
    "units": hp.uniformint("units", 4, 64),
    "batch": hp.choice("batch", [16, 64, 256]),
    "solver": hp.choice("solver", [{"name": "adam"}, {"name": "sgd", "momentum": hp.uniform("momentum", 0, 0.99)}]),
}
ALGORITHMS = {"rand": rand.suggest, "tpe": tpe.suggest, "mtpe": mtpe.suggest, "auto": auto.suggest}
PRUNERS: dict[str, tuple[Any, int]] = {
    "none": (None, TRIALS),
    "median": (pruners.median, TRIALS),
    "hyperband": (pruners.hyperband(max_steps=EPOCHS), TRIALS),
    "auto": (pruners.auto(max_steps=EPOCHS), TRIALS),
    "asha": (pruners.asha(max_steps=EPOCHS), TRIALS),
    "asha with twice the trials": (pruners.asha(max_steps=EPOCHS), 2 * TRIALS),
}


@cache
def digits() -> Any:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    return train_test_split(x / 16, y, test_size=1 / 3, random_state=0, stratify=y)


def train(config: Mapping[str, Any], ctrl: Ctrl) -> float:
    from sklearn.neural_network import MLPClassifier

    x, x_held, y, y_held = digits()
    solver = config["solver"]
    network = MLPClassifier(
        (int(config["units"]),), solver=solver["name"], momentum=solver.get("momentum", 0.9), alpha=config["alpha"],
        learning_rate_init=config["rate"], batch_size=config["batch"], random_state=0,
    )  # fmt: skip
    error = 1.0
    for epoch in range(1, EPOCHS + 1):
        try:
            network.partial_fit(x, y, classes=range(10))
            error = 1.0 - float(network.score(x_held, y_held))
        except ValueError:  # its weights are not finite any more
            error = 1.0
        ctrl.report(epoch, error)
        if ctrl.should_stop():
            break
    return error


def search(algorithm: str, pruner: str, seed: int) -> tuple[int, float]:
    """Return how many epochs were trained in all, and the best error."""
    trials = Trials()
    rule, n = PRUNERS[pruner]
    fmin(
        train, SPACE, algo=ALGORITHMS[algorithm], max_evals=n, trials=trials, rstate=seed, verbose=False, pruner=rule
    )  # fmt: skip
    best = trials.experiment.best.loss
    assert best is not None
    return sum(len(trial.reports) for trial in trials.experiment.trials), best


def main(arguments: Sequence[str] = ()) -> None:
    """Run what *arguments* ask for, all of it unless told otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.pruning", description=__doc__)
    parser.add_argument("--algorithms", default=",".join(ALGORITHMS))
    parser.add_argument("--pruners", default=",".join(PRUNERS), help="the first is what the others are compared with")
    parser.add_argument("--seeds", default=SEEDS, help="the first and the last, or one")
    options = parser.parse_args(arguments)
    first, _, last = options.seeds.partition("-")
    compare(options.algorithms.split(","), options.pruners.split(","), range(int(first), int(last or first) + 1))


def compare(algorithms: Sequence[str], rules: Sequence[str], seeds: Sequence[int]) -> None:
    """Print what each pruner saves with each algorithm, and costs, beside the first of them."""
    warnings.filterwarnings("ignore", category=UserWarning)
    warnings.filterwarnings("ignore", category=RuntimeWarning)
    rows = [("algorithm", "pruner", "epochs", "of all", "best error", "paired difference (95 %)", "as good or better")]
    for algorithm in algorithms:
        whole: list[tuple[int, float]] = []
        for pruner in rules:
            came = [search(algorithm, pruner, seed) for seed in seeds]
            whole = whole or came
            epochs, errors = [c[0] for c in came], [c[1] for c in came]
            share = sum(epochs) / sum(w[0] for w in whole)
            apart = [error - w[1] for error, w in zip(errors, whole, strict=True)]
            rows.append(
                (
                    algorithm,
                    pruner,
                    f"{statistics.mean(epochs):.0f}",
                    verdict(share, GOAL) if pruner != "none" else "1.00",
                    f"{statistics.mean(errors):.4f}",
                    f"{statistics.mean(apart):+.4f} ± {half_interval(apart):.4f}",
                    f"{sum(d <= 0 for d in apart)} of {len(seeds)} seeds",
                )
            )
    title = f"Stopping early: {TRIALS} small networks of up to {EPOCHS} epochs on digits"
    show(f"{title}, seeds {seeds[0]} to {seeds[-1]}", rows)


def half_interval(apart: Sequence[float]) -> float:
    """Return half the width of the 95 % interval of the mean of *apart*, by Student's t."""
    from scipy.stats import t

    if len(apart) < 2:
        return math.inf
    return float(t.ppf(0.975, len(apart) - 1)) * statistics.stdev(apart) / math.sqrt(len(apart))


if __name__ == "__main__":
    main(sys.argv[1:])
