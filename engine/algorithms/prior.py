"""The prior by its quantiles: a point of a space for each point of the unit cube."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from hstore.engine import portable
from hstore.engine.algorithms import sobol
from hstore.engine.algorithms.history import History
from hstore.engine.space import Parameter, Point, Space, Value


def point_at(space: Space, quantiles: Sequence[float]) -> Point:
    """Return the point whose k-th label is at its k-th quantile, each in (0, 1); those of inactive labels go unused."""
    point: Point = {}
    for parameter, quantile in zip(space.parameters, quantiles, strict=True):
        if space.is_active(parameter.label, point):
            point[parameter.label] = value_at(parameter, quantile)
    return point


def value_at(parameter: Parameter, quantile: float) -> Value:
    """Return the raw value of *parameter* at *quantile*, in (0, 1), of its prior: the same bits on every machine."""
    if parameter.is_categorical:
        return int(parameter.low or 0) + _option_at(parameter, quantile)
    if parameter.mu is not None and parameter.sigma is not None:
        x = parameter.mu + parameter.sigma * portable.normal_quantile(quantile)
    else:
        assert parameter.low is not None
        assert parameter.high is not None
        x = min(parameter.low + (parameter.high - parameter.low) * quantile, parameter.high)
    if parameter.is_log:
        x = portable.exp(x)
    return x if parameter.q is None else round(x / parameter.q) * parameter.q


def _option_at(parameter: Parameter, quantile: float) -> int:
    n = parameter.n_options
    probabilities = parameter.probabilities
    if probabilities is None:
        return min(int(quantile * n), n - 1)
    below = 0.0
    for option, probability in enumerate(probabilities):
        below += probability
        if quantile < below:
            return option
    return max(option for option, probability in enumerate(probabilities) if probability > 0.0)


def spread_points(space: Space, history: History, seed: int) -> Iterator[Point]:
    """Yield the points that continue the low-discrepancy sequence of a search; the first is the one to take.

    The sequence is scrambled by the first trial's point, which *seed* chooses; so all points of a search are of one
    sequence, and those of another search of another one, though each suggestion has a seed of its own.
    """
    index = len(history)
    key = _key(space, history) if index else sobol.mix(seed, 0)
    while True:
        yield point_at(space, sobol.point(key, index, len(space)))
        index += 1


def _key(space: Space, history: History) -> int:
    key = 0
    for label in space.labels:
        value = float(history.column(label)[0])
        key = sobol.mix(key, 0 if math.isnan(value) else int(np.float64(value).view(np.int64)))
    return key
