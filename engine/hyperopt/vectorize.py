"""Draws for several trials at once, in the form in which hyperopt's `Domain` offers them to algorithms.

A program's own algorithm evaluates `domain.s_idxs_vals` with `domain.s_new_ids` and `domain.s_rng` given, and gets by
label the ids of the trials in which it is active and its values there.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from hstore.engine.space import Apply, Space, as_apply
from hstore.engine.space.symbols import scope

__all__ = ["VectorizeHelper", "draw_idxs_vals"]


@scope.define_info(o_len=2)
def draw_idxs_vals(labels: Any, draw: Any, new_ids: Iterable[int], rng: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return ids and values by label, as arrays, of a point for each of *new_ids*, drawn from the prior with *rng*."""
    ids = list(new_ids)
    if rng is None or isinstance(rng, (int, np.integer)):
        rng = np.random.default_rng(rng)
    idxs: dict[str, list[int]] = {label: [] for label in sorted(labels)}
    vals: dict[str, list[Any]] = {label: [] for label in sorted(labels)}
    for tid in ids:
        for label, value in draw(rng).items():
            idxs[label].append(tid)
            vals[label].append(value)
    return {label: np.array(ids) for label, ids in idxs.items()}, {label: np.array(v) for label, v in vals.items()}


class VectorizeHelper:
    """The draws of *space* as expressions over `new_ids` and `rng`."""

    def __init__(self, space: Space) -> None:
        self.new_ids = as_apply([])
        """Stands for the ids of the trials to draw for; give it in the memo of `pyll.rec_eval`."""
        self.rng = as_apply(None)
        """Stands for the generator to draw with."""
        drawn = scope.draw_idxs_vals(list(space.labels), _literal(space.sample), self.new_ids, self.rng)
        self.idxs_vals = as_apply([drawn[0], drawn[1]])
        """(ids, values), both by label."""


def _literal(value: Any) -> Apply:
    from hstore.engine.space import Literal

    return Literal(value)
