"""Defaults: what an experiment is created with if nothing else is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hstore.engine.search import seeds
from hstore.engine.search.fingerprint import fingerprint
from hstore.engine.space import Space

if TYPE_CHECKING:
    pass


RETRIES = {"lost": 2, "interrupted": 2, "failed": 0, "timeout": 0}
"""Retries per failure cause, unless a search has others."""


def created_without_fmin(space: Space, *, objective: str, algorithm: str) -> dict[str, Any]:
    """Return the data of the `Created` of a search in *space* that has no limits.

    objective, algorithm: what to call what evaluates and what suggests; neither is known.
    """
    return {
        "space": space.to_data(),
        "objective": {"name": objective, "version": None},
        "algorithm": {"name": algorithm, "version": None, "settings": {}},
        # None is known; with this one every call that continues without an rstate draws the same seeds.
        "generator": seeds.to_data(np.random.default_rng(0)),
        "limits": {"max_evals": None, "timeout": None, "loss_threshold": None, "max_queue_len": None},
        "retries": dict(RETRIES),
        "fingerprint": fingerprint(),
    }
