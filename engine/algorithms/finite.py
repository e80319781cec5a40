"""Finite spaces: how many points there are, and the one with a number, without listing them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

from hstore.engine import portable
from hstore.engine.space import Parameter, Point, Space, Value

_ROUNDING = 1e-9  # of logarithms: no value is counted that only their last digits would reach
Chosen = tuple[tuple[str, Value], ...]
"""The choices made so far that anything still to come depends on."""


def levels(parameter: Parameter) -> tuple[int, Callable[[int], Value]]:
    """Return how many values *parameter*, a finite one, can have, and the function from their numbers to them."""
    low, high, q = parameter.low, parameter.high, parameter.q
    if parameter.probabilities is not None:
        drawn = [option for option, p in enumerate(parameter.probabilities) if p > 0.0]
        return len(drawn), drawn.__getitem__
    assert low is not None
    assert high is not None
    if parameter.is_categorical:
        return int(high - low), lambda k: int(low) + k
    if parameter.is_log:
        low, high = portable.exp(low), portable.exp(high)
    assert q is not None
    slack = _ROUNDING * high if parameter.is_log else 0.0
    first, last = round((low + slack) / q), round((high - slack) / q)
    return last - first + 1, lambda k: (first + k) * q


def endless(space: Space) -> Parameter | None:
    """Return the first label of *space* that has no end of values; None if the space is finite."""
    return next((p for p in space.parameters if not p.is_categorical and (p.q is None or p.low is None)), None)


class Finite:
    """The points of a finite space in a fixed order, in which later labels change first.

    Only combinations that the conditions allow are counted. `endless` must have said that the space is finite.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._order = _choices_before_theirs(space)
        self._levels = {p.label: levels(p) for p in self._order}
        # Per place in the order, the choices that labels from there on depend on.
        self._asked = [frozenset[str]()]
        for parameter in reversed(self._order):
            above = frozenset(choice for condition in parameter.conditions for choice, _ in condition)
            self._asked.insert(0, above | self._asked[0])
        self._count = cache(self._count_from)

    @property
    def size(self) -> int:
        """Number of points, which may be astronomical."""
        return self._count(0, ())

    def __getitem__(self, number: int) -> Point:
        """Return point *number*, from 0 on, its labels in the order of drawing."""
        point: Point = {}
        for k, parameter in enumerate(self._order):
            if not self._is_active(parameter, point):
                continue
            n, value_of = self._levels[parameter.label]
            if not self._is_asked(k, parameter.label):
                each = self._count(k + 1, self._still_asked(k + 1, point))
                place, number = divmod(number, each)
            else:
                for place in range(n):
                    each = self._count(k + 1, self._still_asked(k + 1, point | {parameter.label: value_of(place)}))
                    if number < each:
                        break
                    number -= each
            point[parameter.label] = value_of(place)
        return {label: point[label] for label in self._space.labels if label in point}

    def _count_from(self, k: int, chosen: Chosen) -> int:
        """Return how many ways there are to go on from place *k* of the order."""
        ways, known = 1, dict(chosen)
        for place, parameter in enumerate(self._order[k:], k):
            if self._is_active(parameter, known):
                n, value_of = self._levels[parameter.label]
                if self._is_asked(place, parameter.label):
                    branches = (known | {parameter.label: value_of(option)} for option in range(n))
                    return ways * sum(self._count(place + 1, self._still_asked(place + 1, b)) for b in branches)
                ways *= n
        return ways

    def _is_asked(self, k: int, label: str) -> bool:
        return label in self._asked[k + 1]

    def _still_asked(self, k: int, point: Mapping[str, Value]) -> Chosen:
        return tuple((label, value) for label, value in point.items() if label in self._asked[k])

    @staticmethod
    def _is_active(parameter: Parameter, point: Mapping[str, Value]) -> bool:
        # What is in the point is active, so the choices just above settle it.
        conditions = parameter.conditions
        return not conditions or any(all(point.get(c) == o for c, o in condition) for condition in conditions)


def _choices_before_theirs(space: Space) -> list[Parameter]:
    """Return the parameters with what depends on a choice as close behind it as can be: little to keep in mind."""
    order: dict[str, Parameter] = {}

    def visit(parameter: Parameter) -> None:
        order[parameter.label] = parameter
        for other in space.parameters:
            above = {choice for condition in other.conditions for choice, _ in condition}
            if other.label not in order and parameter.label in above and above <= order.keys():
                visit(other)

    for parameter in space.parameters:
        if not parameter.conditions:
            visit(parameter)
    return list(order.values())
