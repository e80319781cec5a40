"""Densities: how a Parzen estimator compared a point, among the good trials and among the others. Pure.

It is made by the same code as the choice, from the same history and seed, so nothing of it is stored.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]

ALIKE = 1e-9
"""Candidates whose logarithms of the ratio are closer than that have the same rank."""


class Densities(NamedTuple):
    """Of one label, or of a whole point, as it was chosen among candidates."""

    label: str | None
    """None: of the whole point."""
    kind: str
    """density (for a log label: of its logarithm), or probability, of a category or of a rounded value."""
    below: float
    """Among the trials with the smallest losses."""
    above: float
    """Among the others."""
    rank: int
    """Of the ratio among those of the candidates; 1 is the largest."""
    candidates: int

    @property
    def ratio(self) -> float:
        """How much likelier the value is among the good trials; the candidate with the largest ratio is chosen."""
        return math.inf if self.above == 0.0 else self.below / self.above


Note: TypeAlias = Callable[[str | None, str, Floats, Floats, int], None]
"""Is told label, kind, log densities below and above of the candidates, and which of them was chosen."""


def compared(label: str | None, kind: str, below: Floats, above: Floats, chosen: int) -> Densities:
    """Return the notes of `Note` as `Densities`."""
    with np.errstate(invalid="ignore"):
        score = below - above
    rank = 1 + int(np.count_nonzero(score > score[chosen] + ALIKE))
    likely = [math.exp(float(each[chosen])) for each in (below, above)]
    return Densities(label, kind, below=likely[0], above=likely[1], rank=rank, candidates=len(score))


def of_point(found: Sequence[Densities]) -> float:
    """Return how much likelier a point is among the good trials: the product over its labels, as tpe has them."""
    return math.prod(each.ratio for each in found)
