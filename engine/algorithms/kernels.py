"""Trials as rows of arrays, and densities over whole points: products of one kernel per label.

A row has a value for each label that is active in it. The kernel of a row has one factor for each label of another
point: a label that is active in both has a density around the row's value, a label that is active in the point alone
that of the prior, and a label that is active in the row alone has no factor. So a choice and the labels that depend on
it are drawn together, and every point of a conditional space has a density, even if few trials took the same branch.

Notation (n: rows, one for each trial; m: candidates; a: numerical labels; c: categorical labels):

    numbers   (n, a)  values on a scale without unit, on which the prior is uniform on [0, 1], or normal with mean 0 and
                      deviation 1; nan where the label is inactive
    raw       (m, a)  the same as the space draws them; logarithms of them where `Scales.resolve` says so
    cells     (n, a)  widths, on the scale, of what rounding to a multiple of q makes one value; 0 without rounding
    options   (n, c)  which option, counted from 0; -1 where the label is inactive
    weights   (n,)    of the kernels; what they lack to 1 is the weight of the prior
    widths    (n, a)  deviations of the kernels, on the scale

Candidates are drawn with the same bits on every machine. A density need not be the same to the bit: only the order of
densities counts.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hstore.engine import portable
from hstore.engine.algorithms.history import History
from hstore.engine.space import Parameter, Point, Space

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

_LOG_ROOT_2_PI = 0.5 * math.log(2.0 * math.pi)
_LARGEST_NORMAL = 3.65  # beyond it numpy's draws come by way of the C library
_LEAST_MASS = 1e-3
_LEAST_PRIOR = 1e-300  # of an option that a person gave and that is never drawn


@dataclass(frozen=True)
class Rows:
    """Points: *numbers* (rows, numerical labels), nan where inactive, with the *cells* that rounding makes one value
    of (their widths, 0 without rounding); *options* (rows, categorical labels), from 0 on, -1 where inactive.
    """

    numbers: Floats
    cells: Floats
    options: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: NDArray[np.intp]) -> "Rows":
        return Rows(self.numbers[rows], self.cells[rows], self.options[rows])


class Scales:
    """The labels of a space in the columns of `Rows`."""

    def __init__(self, space: Space) -> None:
        self.space = space
        self.numerical = tuple(p for p in space.parameters if not p.is_categorical)
        self.categorical = tuple(p for p in space.parameters if p.is_categorical)
        self.is_normal = np.array([p.is_normal for p in self.numerical], dtype=np.bool_)
        self._origins = np.array([_origin(p) for p in self.numerical])
        self._breadths = np.array([_breadth(p) for p in self.numerical])

    def rows(self, history: History) -> Rows:
        """Return all trials of *history*."""
        n = len(history)
        numbers, cells = np.empty((n, len(self.numerical))), np.zeros((n, len(self.numerical)))
        for k, parameter in enumerate(self.numerical):
            numbers[:, k] = history.centres(parameter.label)
            if parameter.q is not None:
                values = history.column(parameter.label)
                if parameter.is_log:
                    numbers[:, k] = self.centres(k, values)
                cells[:, k] = self._cells(k, values)
        numbers -= self._origins
        numbers /= self._breadths
        options = np.empty((n, len(self.categorical)), dtype=np.intp)
        for k, parameter in enumerate(self.categorical):
            column = history.column(parameter.label)
            options[:, k] = np.where(np.isnan(column), -1.0, column - float(parameter.low or 0))
        return Rows(numbers, cells, options)

    def centres(self, k: int, values: Floats) -> Floats:
        """Return raw *values* of numerical label *k* where its prior is uniform or normal, in its own units."""
        parameter = self.numerical[k]
        if not parameter.is_log:
            return values
        if parameter.q is not None:
            lowest = 0.25 * parameter.q if parameter.low is None else portable.exp(parameter.low)
            values = np.maximum(values, lowest)  # what was rounded to 0
        return portable.log(values)

    def _cells(self, k: int, values: Floats) -> Floats:
        parameter = self.numerical[k]
        assert parameter.q is not None
        if not parameter.is_log:
            return np.asarray(np.where(np.isnan(values), np.nan, parameter.q / self._breadths[k]))
        half = 0.5 * parameter.q
        lowest = 0.25 * parameter.q if parameter.low is None else portable.exp(parameter.low)
        distinct, places = np.unique(values, return_inverse=True)
        highs = portable.log(np.maximum(distinct + half, lowest))
        lows = portable.log(np.maximum(distinct - half, lowest))
        return np.asarray(((highs - lows) / self._breadths[k])[places])

    def resolve(self, numbers: Floats, options: NDArray[np.intp]) -> "Candidates":
        """Return the points at *numbers* and *options* (nowhere nan) with what is active in each, rounded."""
        n = len(numbers)
        place = {p.label: k for k, p in enumerate(self.numerical)}
        is_active: dict[str, Booleans] = {}
        option: dict[str, NDArray[np.intp]] = {p.label: options[:, k] for k, p in enumerate(self.categorical)}
        numbers = numbers.copy()
        raw = np.empty_like(numbers)
        for parameter in self.space.parameters:
            label = parameter.label
            is_active[label] = np.full(n, not parameter.conditions)
            for condition in parameter.conditions:
                holds = np.ones(n, dtype=np.bool_)
                for choice, index in condition:
                    low = int(self.space[choice].low or 0)
                    holds &= is_active[choice] & (option[choice] == index - low)
                is_active[label] |= holds
            if label in place:
                k = place[label]
                raw[:, k] = self._raw(k, numbers[:, k])
                if parameter.q is not None:
                    centres = self.centres(k, raw[:, k])
                    numbers[:, k] = (centres - self._origins[k]) / self._breadths[k]
        active_numbers = _columns([is_active[p.label] for p in self.numerical], n)
        active_options = _columns([is_active[p.label] for p in self.categorical], n)
        return Candidates(self, numbers, raw, options, active_numbers, active_options)

    def _raw(self, k: int, numbers: Floats) -> Floats:
        """Return raw values, but their logarithms for log kinds that are not rounded: one of them will be needed."""
        parameter = self.numerical[k]
        values = self._origins[k] + numbers * self._breadths[k]
        if parameter.low is not None and parameter.high is not None:
            values = np.clip(values, parameter.low, parameter.high)
        if parameter.q is None:
            return np.asarray(values)
        if parameter.is_log:
            values = portable.exp(values)
        return np.asarray(np.round(values / parameter.q) * parameter.q)


@dataclass(frozen=True)
class Candidates:
    """Points to choose from; what is inactive has values too, which mean nothing."""

    scales: Scales
    numbers: Floats
    raw: Floats
    options: NDArray[np.intp]
    active_numbers: Booleans
    active_options: Booleans

    def __len__(self) -> int:
        return len(self.numbers)

    def point(self, row: int) -> Point:
        """Return the point in *row*, its labels in the order of drawing."""
        values: Point = {}
        for k, parameter in enumerate(self.scales.numerical):
            if self.active_numbers[row, k]:
                value = float(self.raw[row, k])
                is_logarithm = parameter.is_log and parameter.q is None
                values[parameter.label] = portable.exp(value) if is_logarithm else value
        for k, parameter in enumerate(self.scales.categorical):
            if self.active_options[row, k]:
                values[parameter.label] = int(self.options[row, k]) + int(parameter.low or 0)
        return {label: values[label] for label in self.scales.space.labels if label in values}


@dataclass(frozen=True)
class KernelDensity:
    """A density: the kernels of *rows* with their *weights*, and with what is left to 1 the prior.

    weights: (n,). widths: (n, a). prior_shares: (c,) the probability that an option is drawn from the prior instead of
    being the row's.
    """

    scales: Scales
    rows: Rows
    weights: Floats
    widths: Floats
    prior_shares: Floats

    def draw(self, rng: np.random.Generator, n: int) -> Candidates:
        """Draw *n* points, the same ones on every machine."""
        scales, rows = self.scales, self.rows
        n_numbers, n_options = len(scales.numerical), len(scales.categorical)
        component = np.searchsorted(np.cumsum(self.weights), rng.random(n), side="right")
        is_prior = component >= len(rows)
        component = np.minimum(component, len(rows) - 1)
        steps = _normals(rng, (n, n_numbers))
        afresh = np.where(scales.is_normal, _normals(rng, (n, n_numbers)), rng.random((n, n_numbers)))
        centres = rows.numbers[component]
        is_near = ~np.isnan(centres) & ~is_prior[:, None]
        near = np.where(is_near, centres, 0.0) + self.widths[component] * steps
        near = np.where(scales.is_normal, near, _folded(near))
        options = rows.options[component]
        is_drawn = (options < 0) | is_prior[:, None] | (rng.random((n, n_options)) < self.prior_shares)
        quantiles = rng.random((n, n_options))
        for k, parameter in enumerate(scales.categorical):
            options[:, k] = np.where(is_drawn[:, k], _options_at(parameter, quantiles[:, k]), options[:, k])
        return scales.resolve(np.where(is_near, near, afresh), options)

    def log_density(self, candidates: Candidates) -> Floats:
        """Return the logarithm of the density at each of *candidates*."""
        scales, rows = self.scales, self.rows
        is_active, is_known = candidates.active_numbers, ~np.isnan(rows.numbers)
        # Far from 0 the squares below would cancel each other's digits.
        shift = np.where(is_known[0], rows.numbers[0], 0.0) if len(rows) else np.zeros(len(scales.numerical))
        x = np.where(is_active, candidates.numbers - shift, 0.0)
        centres, widths = np.where(is_known, rows.numbers - shift, 0.0), self.widths
        mass = np.where(scales.is_normal, 1.0, _mass_in_unit(np.where(is_known, rows.numbers, 0.0), widths))
        precisions = 1.0 / widths**2
        constants = -0.5 * centres**2 * precisions - np.log(widths * mass) - _LOG_ROOT_2_PI
        # log of a kernel = a x**2 + b x + c per active label: one matrix product for all of them.
        prior = np.where(scales.is_normal, -0.5, 0.0), -shift * scales.is_normal, _log_prior_at(shift, scales)
        a = np.vstack((np.where(is_known, -0.5 * precisions, prior[0]), prior[0]))
        b = np.vstack((np.where(is_known, centres * precisions, prior[1]), prior[1]))
        c = np.vstack((np.where(is_known, constants, prior[2]), prior[2]))
        table = np.hstack((x * x, x, is_active.astype(np.float64))) @ np.hstack((a, b, c)).T
        for k, parameter in enumerate(scales.categorical):
            table += self._log_options(k, parameter, candidates)
        weights = np.append(self.weights, max(1.0 - float(self.weights.sum()), 1e-12))
        with np.errstate(divide="ignore"):
            table += np.log(weights)
        largest = table.max(axis=1)
        return np.asarray(largest + np.log(np.exp(table - largest[:, None]).sum(axis=1)))

    def _log_options(self, k: int, parameter: Parameter, candidates: Candidates) -> Floats:
        drawn, known, share = (
            candidates.options[:, k],
            np.append(self.rows.options[:, k], -1),
            self.prior_shares[k],
        )
        p = parameter.probabilities
        prior = np.full(len(drawn), 1.0 / parameter.n_options) if p is None else np.array(p)[drawn]
        by_prior = np.log(np.maximum(prior, _LEAST_PRIOR))[:, None]
        other, same = (
            np.log(share) + by_prior,
            np.log((1.0 - share) + share * prior)[:, None],
        )
        table = np.where(known < 0, by_prior, np.where(drawn[:, None] == known, same, other))
        return np.asarray(np.where(candidates.active_options[:, k, None], table, 0.0))


def _origin(parameter: Parameter) -> float:
    origin = parameter.mu if parameter.is_normal else parameter.low
    assert origin is not None
    return float(origin)


def _breadth(parameter: Parameter) -> float:
    if parameter.is_normal:
        assert parameter.sigma is not None
        return float(parameter.sigma)
    assert parameter.low is not None
    assert parameter.high is not None
    return float(parameter.high - parameter.low)


def _options_at(parameter: Parameter, quantiles: Floats) -> NDArray[np.intp]:
    n = parameter.n_options  # which may be too many to list
    if (p := parameter.probabilities) is None:
        return np.minimum(quantiles * n, n - 1).astype(np.intp)
    return np.minimum(np.searchsorted(np.cumsum(p), quantiles, side="right"), n - 1)


def _log_prior_at(x: Floats, scales: Scales) -> Floats:
    return np.where(scales.is_normal, -0.5 * x * x - _LOG_ROOT_2_PI, 0.0)


def _columns(columns: list[Booleans], n: int) -> Booleans:
    return np.stack(columns, axis=1) if columns else np.empty((n, 0), dtype=np.bool_)


def _normals(rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
    return np.clip(rng.standard_normal(shape), -_LARGEST_NORMAL, _LARGEST_NORMAL)


def _folded(x: Floats) -> Floats:
    """Return *x* reflected at 0 and 1 until it is between them."""
    return np.asarray(1.0 - np.abs(1.0 - np.abs(x) % 2.0))


def _mass_in_unit(centres: Floats, widths: Floats) -> Floats:
    """Return how much of each normal is in [0, 1]."""
    root = math.sqrt(0.5) / widths
    return np.maximum(0.5 * (portable.erf((1.0 - centres) * root) + portable.erf(centres * root)), _LEAST_MASS)
