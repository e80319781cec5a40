"""Versions of documents: when one was written, which of several is the latest."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def coarse_utcnow() -> dt.datetime:
    """Return the time as a MongoDB document holds it: UTC without saying so, whole milliseconds."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000, tzinfo=None)


def get_most_recent_inds(obj: Sequence[Mapping[str, Any]]) -> NDArray[np.intp]:
    """Return the places in *obj* of the latest `version` of each `_id`, by ascending `_id`."""
    latest: dict[Any, int] = {}
    for place, document in enumerate(obj):
        known = latest.get(document["_id"])
        if known is None or document["version"] >= obj[known]["version"]:
            latest[document["_id"]] = place
    return np.array([latest[_id] for _id in sorted(latest)], dtype=np.intp)


def fast_isin(X: ArrayLike, Y: ArrayLike) -> NDArray[np.bool_]:  # noqa: N803
    """Return which elements of *X* are in *Y*."""
    return np.isin(X, Y)
