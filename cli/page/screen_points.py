"""Which trials a screen can show apart: of many, one for each place on the chart, and every extreme. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hstore.store.errors import InvalidValue

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Row = Mapping[str, Any]

MOST_WHOLE = 6000
"""So many trials are sent whole."""
ACROSS, UP = 300, 60
"""Places of a chart. On a screen 1,200 pixels wide each is as large as a mark, about 4 by 4 pixels."""
MOST_STEPS = 2000
"""Of the best loss so far; of more, the last in each column is kept."""
MOST_LOSSES = 6
"""Objectives of which any two can be shown against each other without a trial missing."""
_KINDS = {"done": 0, "failed": 1, "pruned": 2, "void": 2, "infeasible": 2}
"""States by the mark that they have in the chart; others have none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPart:
    """A part of the chart: trials *first* to *last*, losses *low* to *high*."""

    first: float
    last: float
    low: float
    high: float


def part_of(asked: Mapping[str, str]) -> ChartPart | None:
    """Return the part that a request asks for by first, last, low and high; None: the whole chart."""
    names = ("first", "last", "low", "high")
    if not any(name in asked for name in names):
        return None
    try:
        values = {name: float(asked[name]) for name in names}
    except (KeyError, ValueError):
        raise InvalidValue("a part of the chart is given by four numbers: first, last, low and high") from None
    if not (values["first"] <= values["last"] and values["low"] <= values["high"]):  # NaN is refused too
        raise InvalidValue("a part of the chart must not end before it begins")
    return ChartPart(**values)


class ScreenPoints:
    """The trials of a search in arrays, *rows* of `trial_rows.slim_row` by tid."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = rows
        self._tid = np.array([row["tid"] for row in rows], dtype=float)
        self._loss = np.array([_finite(row.get("loss")) for row in rows], dtype=float)
        self._kind = np.array([_KINDS.get(row["state"], -1) for row in rows], dtype=np.int8)

    def within(self, part: ChartPart | None = None) -> tuple[list[Row], int]:
        """Return the rows that can be told apart in *part*, and how many it has; without one, of the whole chart.

        Where there are more than `MOST_WHOLE`, one is kept for each place and mark, the one with the least loss there;
        also the greatest loss of each column, and all that the best loss so far and Pareto fronts are made of.
        """
        if part is None:
            chosen = np.arange(len(self.rows))
        else:
            is_beside = (self._loss < part.low) | (self._loss > part.high)  # without a loss it is at the edge
            chosen = np.flatnonzero((self._tid >= part.first) & (self._tid <= part.last) & ~is_beside)
        count = len(chosen)
        if count > MOST_WHOLE:
            chosen = chosen[self._kept(chosen)]
        return [self.rows[at] for at in chosen.tolist()], count

    def common(self) -> float | None:
        """Return the loss below which nine tenths of the losses lie: the chart's range follows from it."""
        finite = self._loss[np.isfinite(self._loss)]
        at = int(0.9 * (finite.size - 1))
        return float(np.partition(finite, at)[at]) if finite.size else None

    def _kept(self, chosen: Positions) -> Positions:
        """Return which of *chosen* are kept, in order."""
        tid, loss = self._tid[chosen], self._loss[chosen]
        kept = [np.array([0, len(chosen) - 1])]
        for kind in range(3):
            mine = np.flatnonzero(self._kind[chosen] == kind)
            seen = mine[np.isfinite(loss[mine])]
            unseen = mine[~np.isfinite(loss[mine])]
            kept.append(unseen[_leaders(_places(tid[unseen], ACROSS), tid[unseen])])
            columns = _places(tid[seen], ACROSS, tid)
            kept.append(seen[_leaders(columns, -loss[seen])])
            # Of the losses that a chart shows without its outliers, and of all.
            for high in {_shown_high(loss), float(loss[np.isfinite(loss)].max(initial=-np.inf))}:
                inside = np.flatnonzero(loss[seen] <= high)
                cells = columns[inside] * UP + _places(loss[seen][inside], UP)
                kept.append(seen[inside][_leaders(cells, loss[seen][inside])])
        kept.append(self._steps(chosen, tid, loss))
        kept.append(self._against(chosen))
        return np.unique(np.concatenate(kept))

    def _steps(self, chosen: Positions, tid: Floats, loss: Floats) -> Positions:
        """Return those with which the best loss so far changed, and the first and the last that are ranked."""
        is_ranked = np.array([bool(self.rows[at].get("ranked")) for at in chosen.tolist()], dtype=bool)
        ranked = np.flatnonzero(is_ranked & np.isfinite(loss))
        steps = ranked[_steps(loss[ranked])]
        if len(steps) > MOST_STEPS:
            steps = steps[_leaders(_places(tid[steps], ACROSS), loss[steps])]
        return np.concatenate((ranked[:1], steps, ranked[-1:]))

    def _against(self, chosen: Positions) -> Positions:
        """Return those that can be told apart where two of several losses are shown against each other."""
        rows = [self.rows[at] for at in chosen.tolist()]
        several = np.array([at for at, row in enumerate(rows) if row.get("losses")], dtype=np.intp)
        rows = [row for row in rows if row.get("losses")]
        if not rows:
            return several
        count = min(MOST_LOSSES, max(len(row["losses"]) for row in rows))
        losses = np.full((len(rows), count), np.nan)
        for n, row in enumerate(rows):
            found = [_finite(value) for value in row["losses"][:count]]
            losses[n, : len(found)] = found
        is_ranked = np.array([bool(row.get("ranked")) for row in rows])
        kept = [several[:1]]  # it says how many losses there are
        for x, y in combinations(range(count), 2):
            finite = np.flatnonzero(np.isfinite(losses[:, x]) & np.isfinite(losses[:, y]))
            across, up = losses[finite, x], losses[finite, y]
            cells = _places(across, ACROSS // 2) * UP + _places(up, UP)
            kept += [several[finite[_leaders(cells, across)]]]
            for value in (across, up):
                kept += [several[finite[np.argmax(value)]][None]] if finite.size else []
            kept.append(several[finite[_front(across, up, is_ranked[finite])]])
        return np.concatenate(kept)


def _finite(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) and np.isfinite(value) else np.nan


def _places(values: Floats, count: int, among: Floats | None = None) -> Positions:
    """Return in which of *count* equal parts of the range of *among* (else of *values*) each of *values* lies."""
    if not values.size:
        return np.zeros(0, dtype=np.intp)
    within = values if among is None else among
    # Halves: the width of the range of two finite losses may be none.
    low, high = within.min() / 2, within.max() / 2
    share = (values / 2 - low) / ((high - low) or 1.0)
    places: Positions = np.clip((share * count).astype(np.intp), 0, count - 1)
    return places


def _leaders(cells: Positions, values: Floats) -> Positions:
    """Return for each of the *cells* the position of its least value."""
    order = np.lexsort((values, cells))
    _, first = np.unique(cells[order], return_index=True)
    leaders: Positions = order[first]
    return leaders


def _shown_high(loss: Floats) -> float:
    """Return the greatest loss that the chart shows without its outliers; `lossRange` in `page.js` has the rule."""
    finite = np.sort(loss[np.isfinite(loss)])
    if not finite.size:
        return -np.inf
    low, common, high = (float(finite[int(part * (finite.size - 1))]) for part in (0.0, 0.9, 1.0))
    is_flat = common > low and high - low > 4 * (common - low)
    return common + (common - low) / 2 if is_flat else high


def _front(x: Floats, y: Floats, is_ranked: NDArray[np.bool_]) -> Positions:
    """Return those of the ranked than which none is at least as good in both and better in one."""
    ranked = np.flatnonzero(is_ranked)
    order = ranked[np.lexsort((y[ranked], x[ranked]))]
    return order[_steps(y[order])]


def _steps(values: Floats) -> Positions:
    """Return the positions of values that are less than all before them."""
    least = np.minimum.accumulate(values)
    return np.flatnonzero(np.append([True], least[1:] < least[:-1])) if values.size else np.zeros(0, dtype=np.intp)
