"""Encoding: the points of a space as rows of numbers, and back, for algorithms that work on arrays.

A row has one entry per label, in the order of the space. That of a numeric label is its place in the range of
its prior, 0 to 1 (a normal prior's range is mu -+ 3 sigma, and it may lie outside), on the scale on which the
prior is uniform or normal; that of a categorical one is its option, counted from 0. Whether a label is active
follows from the options above it: an inactive number is at the middle, 0.5, and an inactive category has a level
of its own, -1, so that two trials in which a label does not matter are equal in it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms.history import History
from hstore.engine.space import Parameter, Point, Space, Value

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

INACTIVE = -1.0
MIDDLE = 0.5
_SIGMAS = 6.0  # of a normal prior, in one unit
_FARTHEST = 4.5  # sigmas from the mean at which values of an unbounded label are still proposed
_PART_OF_CELL = 0.25  # that 0 counts as on a logarithmic grid
_ROUNDING = 1e-12  # by which a value may differ from the one that its row stands for
_FINE = 40  # a grid of more cells than this is as good as a continuum


class Scale(NamedTuple):
    """A numeric label: its entry is (x - *low*) / *width* of its value, or of its value's logarithm."""

    low: float
    width: float
    lowest: float
    highest: float
    """Entries between which values are proposed."""
    step: float
    """Distance of two cells where that is fixed, nearly so for a logarithmic grid; 0 for a continuum."""
    is_log: bool
    floor: float
    """What the logarithm of a value that was rounded to 0 counts as; -inf where there are none."""
    q: float | None


class Encoding:
    """How the labels of a space are written as numbers. Treat as read-only; `encoding` returns shared instances."""

    def __init__(self, space: Space) -> None:
        self.parameters = space.parameters
        self.index = index = {label: j for j, label in enumerate(space.labels)}
        d = len(self.parameters)
        self.is_category: Booleans = np.array([p.is_categorical for p in self.parameters], dtype=bool).reshape(d)
        self.n_options = np.array([p.n_options if p.is_categorical else 0 for p in self.parameters], dtype=np.intp)
        self.scales = [None if p.is_categorical else _scale(p) for p in self.parameters]
        self.numbers = np.flatnonzero(~self.is_category)
        self.categories = np.flatnonzero(self.is_category)
        self.above: list[tuple[tuple[int, float], ...]] = [
            tuple((index[choice], float(option)) for ((choice, option),) in p.conditions) for p in self.parameters
        ]
        """For each label the (column, option) of the choices just above it, of which one must be taken."""
        self.conditional = [j for j in range(d) if self.above[j]]
        kept = [s for s in self.scales if s is not None]
        self.lowest = np.array([s.lowest for s in kept])
        self.highest = np.array([s.highest for s in kept])
        self.steps = np.array([s.step for s in kept])
        # Cells that are too few for a gradient to say anything about the next one; the others are rounded at the end.
        self.is_coarse: Booleans = self.steps > 1.0 / _FINE
        self.leads = sorted({choice for above in self.above for choice, _ in above})
        """The choices that others depend on."""
        self._gridded = [(int(j), s) for j in self.numbers if (s := self.scales[j]) is not None and s.q is not None]

    def __len__(self) -> int:
        return len(self.parameters)

    @cached_property
    def n_active(self) -> float:
        """How many labels are active in a point from the prior, on average."""
        if not self.conditional:
            return float(len(self))
        return float(self.active(self.draw(np.random.default_rng(0), 256)).sum(1).mean())

    def rows(self, history: History) -> Floats:
        """Return one row per trial of *history*."""
        table = np.empty((len(history), len(self)))
        for j, parameter in enumerate(self.parameters):
            scale = self.scales[j]
            if scale is None:
                assert parameter.low is not None
                column = history.column(parameter.label) - parameter.low
                np.nan_to_num(column, copy=False, nan=INACTIVE)
            else:
                column = (np.maximum(history.centres(parameter.label), scale.floor) - scale.low) / scale.width
                np.nan_to_num(column, copy=False, nan=MIDDLE)
            table[:, j] = column
        return table

    def entry(self, label: str, value: Value) -> float:
        """Return what stands for *value* of *label*."""
        j = self.index[label]
        scale = self.scales[j]
        if scale is None:
            return float(value) - float(self.parameters[j].low or 0)
        x = portable.log(float(value)) if scale.is_log else float(value)
        return (max(x, scale.floor) - scale.low) / scale.width

    def row(self, point: Mapping[str, Value]) -> Floats | None:
        """Return the tidy row (labels,) that stands for *point*; None if it is no point that `point` would return.

        Such a point has another label or lacks one, has an option that there is not, or a value off the grid.
        """
        row = np.full((1, len(self)), MIDDLE)
        row[0, self.categories] = INACTIVE
        for label, value in point.items():
            if label not in self.index or not math.isfinite(value):
                return None
            row[0, self.index[label]] = self.entry(label, value)
        if not np.isfinite(row).all():  # a negative value on a logarithmic scale
            return None
        options = row[0, self.categories]
        if not ((options == INACTIVE) | ((options >= 0.0) & (options < self.n_options[self.categories]))).all():
            return None
        self.tidy(row)
        again = self.point(row[0])
        is_whole = again.keys() == point.keys() and all(
            type(value) is type(point[label]) and abs(value - point[label]) <= _ROUNDING * max(1.0, abs(value))
            for label, value in again.items()
        )
        return row[0] if is_whole else None

    def active(self, rows: Floats) -> Booleans:
        """Return for each entry of *rows* whether its label is active, given the options in its row."""
        active = np.ones(rows.shape, dtype=bool)
        for j in self.conditional:
            met = np.zeros(len(rows), dtype=bool)
            for choice, option in self.above[j]:
                met |= active[:, choice] & (rows[:, choice] == option)
            active[:, j] = met
        return active

    def filled(self, rows: Floats, drawn: Floats) -> Floats:
        """Return *rows* with an entry for every label: what is inactive, or an option that there is not, is *drawn*."""
        lacks = ~self.active(rows) if self.conditional else np.zeros(rows.shape, dtype=bool)
        options = rows[:, self.categories]  # those of trials of an older space may be others
        lacks[:, self.categories] |= (options < 0.0) | (options >= self.n_options[self.categories])
        return np.where(lacks, drawn, rows)

    def tidy(self, rows: Floats) -> Floats:
        """Round *rows* to values that exist and blank out what the options make inactive, both in place."""
        for j, scale in self._gridded:
            rows[:, j] = _round(rows[:, j], scale)
        if self.conditional:
            active = self.active(rows)
            for j in self.conditional:
                rows[~active[:, j], j] = INACTIVE if self.is_category[j] else MIDDLE
        return rows

    def draw(self, rng: np.random.Generator, n: int) -> Floats:
        """Return *n* rows from the prior, with an entry for every label, active or not, and not yet on the grids."""
        rows = rng.random((n, len(self)))
        for j, parameter in enumerate(self.parameters):
            scale = self.scales[j]
            column = rows[:, j]
            if scale is None:
                if (p := parameter.probabilities) is None:
                    column[:] = np.minimum(np.floor(column * self.n_options[j]), self.n_options[j] - 1)
                else:
                    bounds = np.cumsum(p)
                    column[:] = np.minimum(np.searchsorted(bounds, column * bounds[-1], "right"), len(bounds) - 1)
            elif parameter.is_normal:
                column[:] = np.clip(MIDDLE + rng.standard_normal(n) / _SIGMAS, scale.lowest, scale.highest)
        return rows

    def point(self, row: Floats) -> Point:
        """Return the point that a tidy *row* stands for."""
        (active,) = self.active(row[None])
        return {
            parameter.label: _value(parameter, self.scales[j], float(row[j]))
            for j, parameter in enumerate(self.parameters)
            if active[j]
        }


@lru_cache(maxsize=8)
def encoding(space: Space) -> Encoding:
    """Return the `Encoding` of *space*, which is worked out once."""
    return Encoding(space)


def _scale(parameter: Parameter) -> Scale:
    p = parameter
    if p.is_normal:
        assert p.mu is not None
        assert p.sigma is not None
        width = _SIGMAS * p.sigma
        low = p.mu - MIDDLE * width
        lowest, highest = MIDDLE - _FARTHEST / _SIGMAS, MIDDLE + _FARTHEST / _SIGMAS
    else:
        assert p.low is not None
        assert p.high is not None
        low, width = p.low, p.high - p.low
        lowest, highest = 0.0, 1.0
        if p.q is not None:
            least, greatest = p.bounds
            if p.is_log:
                least, greatest = (max(portable.log(x), p.low) for x in (least, greatest))
            low, width = min(low, least), max(p.high, greatest) - min(low, least)
            lowest, highest = 0.0, 1.0
    floor = -math.inf
    if p.is_log and p.q is not None:
        floor = math.log(_PART_OF_CELL * p.q)
        floor = floor if p.low is None else max(floor, p.low)
    if p.q is None:
        step = 0.0
    elif not p.is_log:
        step = p.q / width
    else:  # as if the cells were alike; a logarithmic grid is coarse at its lower end
        ends = [low + width * x for x in (max(lowest, 0.0), min(highest, 1.0))]
        cells = max(1.0, (portable.exp(min(ends[1], 300.0)) - portable.exp(min(ends[0], 300.0))) / p.q)
        step = 1.0 / cells
    return Scale(low, width, lowest, highest, step, p.is_log, floor, p.q)


def _round(column: Floats, scale: Scale) -> Floats:
    """Return the entries of the cells that those of *column* lie in."""
    assert scale.q is not None
    x = scale.low + scale.width * np.clip(column, scale.lowest, scale.highest)
    if scale.is_log:
        x = portable.exp(x)
    x = np.rint(x / scale.q) * scale.q
    if scale.is_log:
        x = np.maximum(portable.log(x), scale.floor)
    return (x - scale.low) / scale.width


def _value(parameter: Parameter, scale: Scale | None, entry: float) -> Value:
    if scale is None:
        assert parameter.low is not None
        return int(parameter.low) + int(entry)
    x = scale.low + scale.width * min(max(entry, scale.lowest), scale.highest)
    if scale.is_log:
        x = portable.exp(x)
    least, greatest = parameter.bounds
    if scale.q is None:
        return min(max(x, least), greatest)
    return min(max(round(x / scale.q) * scale.q, least), greatest)
