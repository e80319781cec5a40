"""Spaces of separate points: how many there are, and the one with a number, without listing them.

Of a label without bounds, such as a `qnormal`, only values within reach count: those with prior mass to speak of.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import cache

from hstore.engine import portable
from hstore.engine.space import Parameter, Point, Space, Value

REACH = 4.5  # sigmas from the mean of a normal prior; what is beyond is drawn once in 150,000 times
_LARGEST = 2.0**53  # steps that can be counted
_PART_OF_STEP = 0.25  # that 0 counts as on a logarithmic scale
_ROUNDING = 1e-9  # of logarithms: no value is counted that only their last digits would reach
Chosen = tuple[tuple[str, Value], ...]
"""The choices made so far that anything still to come depends on."""


def levels(parameter: Parameter) -> tuple[int, Callable[[int], Value]]:
    """Return how many values *parameter* can have, and the function from their numbers to them.

    It is a categorical one or has a step. Without bounds it has the values within `REACH`.
    """
    low, high, q = parameter.low, parameter.high, parameter.q
    if parameter.mu is not None and parameter.sigma is not None:
        low, high = (parameter.mu + sign * REACH * parameter.sigma for sign in (-1.0, 1.0))
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
    first, last = (round(max(-_LARGEST, min(x / q, _LARGEST))) for x in (low + slack, high - slack))
    return last - first + 1, lambda k: (first + k) * q


def endless(space: Space) -> Parameter | None:
    """Return the first label of *space* that has no end of values; None if the space is finite."""
    return next((p for p in space.parameters if not p.is_categorical and (p.q is None or p.low is None)), None)


def is_separate(space: Space) -> bool:
    """Return whether each label of *space* is categorical or has a step, be there an end of values or not."""
    return all(p.is_categorical or p.q is not None for p in space.parameters)


def remoteness(space: Space, point: Point) -> float:
    """Return the squared distance of *point* from the means of all normal priors, in their sigmas."""
    squares = []
    for label, value in point.items():
        parameter = space[label]
        if parameter.mu is None or not parameter.sigma:
            continue
        x = float(value)
        if parameter.is_log:
            x = portable.log(max(x, _PART_OF_STEP * (parameter.q or 1.0)))
        distance = (x - parameter.mu) / parameter.sigma
        squares.append(distance * distance)
    return math.fsum(squares)


class Finite:
    """The points of a space in a fixed order, in which later labels change first; of one without ends those in reach.

    Only combinations that the conditions allow are counted. `is_separate` must be true of the space.
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
