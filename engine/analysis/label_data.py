"""What figures of labels show, as plain columns: slices, parallel coordinates, contours. Pure.

All lists; what is missing is None. A label that is not active in a trial has the value None there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from hstore.engine.analysis.importance import importance
from hstore.engine.analysis.trial_columns import (
    LabelColumn,
    Outcome,
    TrialColumns,
    columns_of,
    label_columns,
    loss_column,
    ranked_positions,
)
from hstore.store.errors import InvalidValue

Floats = NDArray[np.float64]

CELLS = 40
"""Of a contour, along each number."""
_NEAR = 0.02
"""A cell is shown where the kernels of trials around it add up to this much of one."""


class SliceData(TypedDict):
    """Labels and losses of one search; the lists have one entry a trial, by tid."""

    name: str
    tid: list[int]
    outcome: list[Outcome]
    loss: list[float | None]
    rank: list[float | None]
    """Of ranked trials: 0 of the smallest loss, 1 of the largest; None of all others."""
    labels: list[LabelColumn]


class ContourData(TypedDict):
    """The rank of the loss over the plane of two labels."""

    name: str
    x: LabelColumn
    y: LabelColumn
    tid: list[int]
    outcome: list[Outcome]
    rank: list[float | None]
    x_edges: list[float]
    """Ends of the cells; of a category ±0.5 around the position of each option."""
    y_edges: list[float]
    field: list[list[float | None]]
    """Row by row (y), the mean rank of the trials in and around each cell; None where there are none."""


def slice_data(search: Any, labels: Sequence[str] | None = None, *, loss: int = 0) -> SliceData:
    """Return the values of *labels* (all for None) and the losses of *search*; `InvalidValue` for what it lacks."""
    columns = columns_of(search)
    found, losses = label_columns(columns, labels), loss_column(columns, loss)
    return {
        "name": columns["name"], "tid": columns["tid"], "outcome": columns["outcome"], "loss": losses,
        "rank": _ranks(columns, losses), "labels": found,
    }  # fmt: skip


def places(column: LabelColumn) -> list[float | None]:
    """Return where in its range each value of *column* is, 0 to 1, on the scale of its prior."""
    values = column["values"]
    if column["is_category"]:
        n = len(column["options"])
        return [None if value is None else (value + 0.5) / n for value in values]
    low, high = _ends(column)
    if not high > low:
        return [None if value is None else 0.5 for value in values]
    return [None if value is None else (_scaled(column, value) - low) / (high - low) for value in values]


def contour_data(search: Any, x: str, y: str, *, loss: int = 0) -> ContourData:
    """Return the rank of the loss of *search* over labels *x* and *y*, smoothed by a normal kernel.

    Ranks rather than losses, so a few terrible trials do not hide the differences among good ones. Only trials in which
    both labels are active count. Raises `InvalidValue` if there are none.
    """
    data = slice_data(search, (x, y), loss=loss)
    across, up = data["labels"]
    rows = zip(places(across), places(up), data["rank"], strict=True)
    known = np.array([row for row in rows if None not in row], dtype=float).reshape(-1, 3)
    if len(known) == 0:
        raise InvalidValue(f"no ranked trial of {data['name']!r} has both {x!r} and {y!r}")
    width = max(0.03, 0.25 * len(known) ** (-1.0 / 6.0))
    (x_edges, near_x), (y_edges, near_y) = _near(across, known[:, 0], width), _near(up, known[:, 1], width)
    weight = near_y @ near_x.T
    mean = (near_y * known[:, 2]) @ near_x.T / np.maximum(weight, 1e-300)
    field = [
        [float(m) if w >= _NEAR else None for m, w in zip(*row, strict=True)] for row in zip(mean, weight, strict=True)
    ]
    return {
        "name": data["name"], "x": across, "y": up, "tid": data["tid"], "outcome": data["outcome"],
        "rank": data["rank"], "x_edges": x_edges, "y_edges": y_edges, "field": field,
    }  # fmt: skip


def thinned(data: SliceData, most: int) -> SliceData:
    """Return *data* with at most about *most* trials: all of the best third of that, and of the others every n-th."""
    if len(data["tid"]) <= most:
        return data
    order = sorted(range(len(data["tid"])), key=lambda i: (data["rank"][i] is None, data["rank"][i] or 0.0, i))
    best, rest = order[: most // 3], sorted(order[most // 3 :])
    kept = sorted(best + rest[:: math.ceil(len(rest) / (most - len(best)))])

    def of(values: Sequence[Any]) -> list[Any]:
        return [values[i] for i in kept]

    return {
        "name": data["name"], "tid": of(data["tid"]), "outcome": of(data["outcome"]), "loss": of(data["loss"]),
        "rank": of(data["rank"]), "labels": [{**column, "values": of(column["values"])} for column in data["labels"]],
    }  # fmt: skip


def sampled_by_rank(data: SliceData, most: int) -> list[int]:
    """Return positions of ranked trials, the best at last: of more than *most* the best tenth, and some of the rest."""
    ranked = sorted((rank, i) for i, rank in enumerate(data["rank"]) if rank is not None)
    if len(ranked) > most:
        first, rest = ranked[: most // 10], ranked[most // 10 :]
        step = len(rest) / (most - len(first))
        ranked = first + [rest[int(n * step)] for n in range(most - len(first))]
    return [i for _, i in reversed(ranked)]


def two_labels(search: Any, x: str | None, y: str | None, loss: int) -> tuple[str, str]:
    """Return *x* and *y*, for those that are None the most important labels that trials have together.

    Raises `InvalidValue` if there are none.
    """
    if x and y:
        return x, y
    order = [each["label"] for each in importance(search, loss=loss, resamples=0)]
    chosen = x or y or (order[0] if order else None)
    others = [label for label in order if label != chosen]
    if chosen is None or not others:
        raise InvalidValue("a contour is of two labels, and the search has fewer")
    columns = columns_of(search)
    is_ok = np.array([outcome == "ok" for outcome in columns["outcome"]])
    active = {
        column["label"]: is_ok & np.array([value is not None for value in column["values"]])
        for column in columns["labels"]
    }
    # Labels of options that exclude each other are in no trial together.
    mine = active.get(chosen, ~is_ok)
    other = next((label for label in others if (mine & active[label]).any()), others[0])
    return (chosen, other) if y is None else (other, chosen)


def _ranks(columns: TrialColumns, losses: Sequence[float | None]) -> list[float | None]:
    ranked = ranked_positions(columns, losses)
    values = np.array([losses[i] for i in ranked], dtype=float)
    distinct, group = np.unique(values, return_inverse=True)
    ranks: list[float | None] = [None] * len(losses)
    below = np.searchsorted(np.sort(values), distinct)
    for i, place in zip(ranked, below[group], strict=True):
        ranks[i] = float(place) / max(1, len(ranked) - 1)
    return ranks


def _near(column: LabelColumn, known: Floats, width: float) -> tuple[list[float], Floats]:
    """Return the edges of the cells along *column*, and how near each trial (column) is to each cell (row)."""
    if column["is_category"]:
        n = len(column["options"])
        centres = (np.arange(n)[:, None] + 0.5) / n
        return [i - 0.5 for i in range(n + 1)], (np.abs(centres - known[None, :]) < 0.25 / n).astype(float)
    centres = (np.arange(CELLS)[:, None] + 0.5) / CELLS
    low, high = _ends(column)
    edges = [low + (high - low) * i / CELLS for i in range(CELLS + 1)]
    if column["is_log"]:
        edges = [math.exp(edge) for edge in edges]
    return edges, np.exp(-0.5 * ((centres - known[None, :]) / width) ** 2)


def _ends(column: LabelColumn) -> tuple[float, float]:
    low, high = column["low"], column["high"]
    if low is None or high is None:
        return 0.0, 0.0
    return _scaled(column, low), _scaled(column, high)


def _scaled(column: LabelColumn, value: float) -> float:
    if not column["is_log"]:
        return value
    low = column["low"]
    assert low is not None
    return math.log(max(value, low))  # what was rounded to 0 is shown at the lower end
