"""ExternalProblem: the space, the noisy loss that a search gets, and the true loss that its answer is judged by."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Config: TypeAlias = Mapping[str, Any]
Generator: TypeAlias = np.random.Generator


@dataclass(frozen=True)
class ExternalProblem:
    """*observe* is the loss that a search gets, *true* the one that it is judged by, *optimum* the least of that."""

    name: str
    family: str
    space: Any
    true: Callable[[Config], float]
    optimum: float
    budget: int = 50
    noise: Callable[[Config, Generator], float] | None = None

    def observe(self, config: Config, rng: Generator) -> float:
        """Return what one evaluation returns: the same each time, unless the problem is noisy."""
        return self.true(config) if self.noise is None else self.noise(config, rng)
