"""Space: a search space compiled from its expression: labels, what they are drawn from, when they are active."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hstore.engine import portable
from hstore.engine.space import data
from hstore.engine.space.compiling import parameters_of
from hstore.engine.space.expressions import Apply, Literal, as_apply, dfs, evaluate
from hstore.engine.space.parameter import Parameter, Point, Value
from hstore.store.errors import BadSearchSpace


class Space:
    """What points are drawn from. Raises `BadSearchSpace` for an expression that cannot be searched."""

    def __init__(self, expression: Apply) -> None:
        self.expression = expression
        found = parameters_of(expression)
        self.parameters: tuple[Parameter, ...] = tuple(found.values())
        """In the order in which they are drawn, hyperopt's: a choice before what depends on it."""
        self.labels: tuple[str, ...] = tuple(p.label for p in self.parameters)
        self._by_label = {p.label: p for p in self.parameters}
        self._nodes = {p.label: node for node, p in found.items()}
        self._ctrls = [node for node in dfs(expression) if _is_ctrl_class(node)]

    def __getitem__(self, label: str) -> Parameter:
        return self._by_label[label]

    def __contains__(self, label: object) -> bool:
        return label in self._by_label

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __len__(self) -> int:
        return len(self.parameters)

    def is_active(self, label: str, chosen: Mapping[str, Value]) -> bool:
        """Return whether *label* takes part, given the raw values *chosen* for the active choices above it."""
        conditions = self._by_label[label].conditions
        if not conditions:
            return True
        return any(all(chosen.get(choice) == option for choice, option in condition) for condition in conditions)

    def sample(self, rng: np.random.Generator) -> Point:
        """Return a point drawn from the prior."""
        point: Point = {}
        for parameter in self.parameters:
            if not parameter.conditions or self.is_active(parameter.label, point):
                point[parameter.label] = parameter.draw(rng)
        return point

    def memo(self, point: Mapping[str, Any], ctrl: Any = None) -> dict[Apply, Any]:
        """Return the values that *point* gives to nodes of the expression."""
        nodes = self._nodes
        memo = {nodes[label]: value for label, value in point.items() if label in nodes}
        for node in self._ctrls:
            memo[node] = ctrl
        return memo

    def evaluate(self, point: Mapping[str, Any], ctrl: Any = None) -> Any:
        """Return what the objective is handed at *point*; labels that are not of this space are ignored."""
        return evaluate(self.expression, self.memo(point, ctrl))

    def params(self, point: Mapping[str, Value]) -> dict[str, Any]:
        """Return the readable value of each label of *point*: options rather than indices, integers as integers."""
        return {label: self._by_label[label].read(value) for label, value in point.items()}

    def describe(self, label: str) -> str:
        """Return what *label* is drawn from, and when: uniform(0, 1) if model = svm."""
        parameter = self._by_label[label]
        clauses = [
            " and ".join(f"{choice} = {self._by_label[choice].read(option)}" for choice, option in condition)
            for condition in parameter.conditions
        ]
        return parameter.describe() + (f" if {' or '.join(clauses)}" if clauses else "")

    def check(self, point: Mapping[str, Any]) -> None:
        """Raise `BadSearchSpace`, naming the label, unless *point* has a possible value for each active label only."""
        for label in point:
            if label not in self._by_label:
                raise BadSearchSpace(f"{label}: the space has no such label; it has {', '.join(sorted(self.labels))}")
        for parameter in self.parameters:
            label = parameter.label
            if not self.is_active(label, point):
                if label in point:
                    raise BadSearchSpace(f"{label}: has a value, but is not active at this point")
            elif label not in point:
                raise BadSearchSpace(f"{label}: has no value, but is active at this point")
            else:
                _check_value(parameter, point[label])

    def to_data(self) -> dict[str, Any]:
        """Return the space as plain, JSON-able data; see `hstore.engine.space.data`."""
        return data.to_data(self.expression)

    @classmethod
    def from_data(cls, plain: Mapping[str, Any]) -> Space:
        """Return the space that `to_data` returned *plain* for."""
        return cls(data.from_data(plain))

    def differences(self, other: Space) -> list[str]:
        """Return a line for each label that *other* lacks, adds or draws differently; none if they search the same."""
        lines = []
        for label in sorted({*self.labels, *other.labels}):
            mine, theirs = self._by_label.get(label), other._by_label.get(label)
            if mine is None:
                lines.append(f"{label}: {theirs.describe()} is new")  # type: ignore[union-attr]
            elif theirs is None:
                lines.append(f"{label}: {mine.describe()} is gone")
            elif mine.describe() != theirs.describe() or _drawn(mine) != _drawn(theirs):
                lines.append(f"{label}: {mine.describe()} is now {theirs.describe()}")
            elif mine.conditions != theirs.conditions:
                lines.append(f"{label}: {self.describe(label)} is now {other.describe(label)}")
        return lines


def _is_ctrl_class(node: Apply) -> bool:
    return isinstance(node, Literal) and getattr(node.obj, "is_hstore_ctrl_class", False) is True


def _drawn(parameter: Parameter) -> tuple[Any, ...]:
    return (
        parameter.kind,
        parameter.low,
        parameter.high,
        parameter.mu,
        parameter.sigma,
        parameter.q,
        parameter.p,
    )


def _check_value(parameter: Parameter, value: Any) -> None:
    label = parameter.label
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)) or math.isnan(value):
        raise BadSearchSpace(f"{label}: {value!r:.60} is no value of {parameter.describe()}")
    if parameter.is_normal:
        is_in = math.isfinite(value) and (value >= 0 or not parameter.is_log)
    else:
        assert parameter.low is not None
        assert parameter.high is not None
        low, high = float(parameter.low), float(parameter.high)
        if parameter.is_log:
            low, high = portable.exp(low), portable.exp(high)
        if parameter.q is not None:
            low, high = round(low / parameter.q) * parameter.q, round(high / parameter.q) * parameter.q
        if parameter.is_categorical:
            is_in = low <= value < high and value == int(value)
        else:
            is_in = low <= value <= high
    if not is_in:
        raise BadSearchSpace(f"{label}: {value!r} is outside {parameter.describe()}")


def compile_space(expr: Any) -> Space:
    """Return the `Space` of a nest of dicts, lists and `hp` expressions."""
    return Space(as_apply(expr))


def space_eval(space: Any, hp_assignment: Mapping[str, Any]) -> Any:
    """Return *space* with each hyperparameter replaced by its value in *hp_assignment* ({label: raw value})."""
    compiled = space if isinstance(space, Space) else compile_space(space)
    return compiled.evaluate(hp_assignment)
