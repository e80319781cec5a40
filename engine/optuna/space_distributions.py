"""Parameters of a space as Optuna's distributions: those that a sampler draws from, and those that people read."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from hstore.engine import portable
from hstore.engine.space import Parameter
from hstore.engine.space.parameter import Value

SIGMAS = 4.0
"""How far from the mean a normal parameter is searched: Optuna has no unbounded distribution."""

Choice: TypeAlias = bool | int | float | str | None


def sampled_from(parameter: Parameter) -> BaseDistribution:
    """Return the distribution that a sampler draws *parameter* from; an option is drawn by its position."""
    if parameter.is_range:
        low, high = parameter.bounds
        return IntDistribution(int(low), int(high))
    if parameter.is_categorical:
        low, high = parameter.bounds
        return CategoricalDistribution(tuple(range(int(low), int(high) + 1)))
    low, high = _limits(parameter)
    if parameter.q is None or parameter.is_log or parameter.is_normal:
        return FloatDistribution(low, high, log=parameter.is_log)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the range is no exact multiple of the step
        return FloatDistribution(low, high, step=parameter.q)


def _limits(parameter: Parameter) -> tuple[float, float]:
    low, high = parameter.low, parameter.high
    if parameter.mu is not None and parameter.sigma is not None:
        low, high = parameter.mu - SIGMAS * parameter.sigma, parameter.mu + SIGMAS * parameter.sigma
    assert low is not None
    assert high is not None
    if parameter.is_log:
        return portable.exp(low), portable.exp(high)
    return (low, high) if parameter.q is None or parameter.is_normal else parameter.bounds


def as_sampled(raw: float, distribution: BaseDistribution) -> Any:
    """Return the *raw* value of a trial as a sampler knows it; what lies beyond its range becomes the nearest end."""
    if isinstance(distribution, CategoricalDistribution):
        return int(raw)
    nearest = min(max(raw, distribution.low), distribution.high)
    return int(nearest) if isinstance(distribution, IntDistribution) else float(nearest)


def raw_value(parameter: Parameter, sampled: Any) -> Value:
    """Return the raw value that *sampled*, drawn from `sampled_from`, stands for: rounded and within the bounds."""
    if parameter.is_categorical:
        return int(sampled)
    low, high = parameter.bounds
    value = float(sampled) if parameter.q is None else round(float(sampled) / parameter.q) * parameter.q
    return min(max(value, low), high)


class Shown(NamedTuple):
    """A parameter as people read it in Optuna."""

    distribution: BaseDistribution
    parameter: Parameter

    def value(self, raw: Value) -> Any:
        """Return what Optuna shows for the *raw* value."""
        if isinstance(self.distribution, CategoricalDistribution):
            return self.distribution.choices[int(raw) - int(self.parameter.low or 0)]
        return int(raw) if isinstance(self.distribution, IntDistribution) else float(raw)


def shown(parameter: Parameter, values: Iterable[Value]) -> Shown:
    """Return *parameter* as Optuna shows it; *values*: its raw values in all trials, which lie within its range."""
    if parameter.options is not None:
        return Shown(CategoricalDistribution(_choices(parameter.options)), parameter)
    seen = [float(value) for value in values]
    if parameter.kind == "seen" or parameter.is_normal:
        low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    else:
        low, high = (float(end) for end in parameter.bounds)
        low, high = min([low, *seen]), max([high, *seen])
    is_log = parameter.is_log and low > 0
    if parameter.is_integer or parameter.kind == "randint":
        return Shown(IntDistribution(int(low), int(high), log=is_log and low >= 1), parameter)
    return Shown(FloatDistribution(low, high, log=is_log), parameter)


def _choices(options: Iterable[Any]) -> tuple[Choice, ...]:
    choices = tuple(plain(option) for option in options)
    if len(set(choices)) < len(choices):
        return tuple(f"{position}: {choice}" for position, choice in enumerate(choices))
    return choices


def plain(value: Any) -> Choice:
    """Return *value* as Optuna and a log can both hold it: itself, or its text."""
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
