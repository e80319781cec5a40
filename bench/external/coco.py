"""COCO's bbob and bbob-mixint: some of their functions, from `coco-experiment`.

Hansen et al., COCO: A Platform for Comparing Continuous Optimizers (2021); Tušar, Brockhoff and Hansen, Mixed-Integer
Benchmark Problems (2019).
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.external.problem import Config, ExternalProblem
from hstore.engine.space import hp

_BUDGET = 100


def problems(
    *, continuous: Sequence[int] = (3, 8, 15, 21), mixed: Sequence[int] = (3, 6, 17, 24), instance: int = 1
) -> Iterator[ExternalProblem]:
    """Yield the functions of these numbers in five dimensions; raises ImportError without the package."""
    import cocoex

    for suite, numbers in (("bbob", continuous), ("bbob-mixint", mixed)):
        chosen = f"function_indices:{','.join(map(str, numbers))} dimensions:5 instance_indices:{instance}"
        found = cocoex.Suite(suite, "", chosen)
        for name in found.ids():  # what iterating yields is freed with the next one
            yield _problem(suite, found.get_problem(name))


def _problem(suite: str, problem: Any) -> ExternalProblem:
    n_integers = problem.number_of_integer_variables
    bounds = [*zip(problem.lower_bounds, problem.upper_bounds, strict=True)]
    space = {
        f"x{i}": hp.uniformint(f"x{i}", int(low), int(high)) if i < n_integers else hp.uniform(f"x{i}", low, high)
        for i, (low, high) in enumerate(bounds)
    }

    def true(config: Config) -> float:
        return float(problem([float(config[label]) for label in space]))

    return ExternalProblem(problem.id, suite, space, true, float(problem(_best(problem))), _BUDGET)


def _best(problem: Any) -> Any:
    """Return where *problem* is least, which it says in a file of its working folder only."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        problem._best_parameter("print")
        (file,) = Path(folder).iterdir()
        return np.loadtxt(file)
