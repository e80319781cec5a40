"""Space: a search space compiled from its expression: labels, what they are drawn from, when they are active."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from hstore.engine.space import data
from hstore.engine.space.compiling import label_of, labels_as_written, parameters_of
from hstore.engine.space.evaluation import evaluate
from hstore.engine.space.expressions import Apply, Literal, as_apply, dfs
from hstore.engine.space.out_of_reach import refuse_out_of_reach
from hstore.engine.space.parameter import Parameter, Point, Value
from hstore.store.errors import BadSearchSpace, ListedValue
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    import numpy as np


class Space:
    """What points are drawn from. Raises `BadSearchSpace` for an expression that cannot be searched."""

    __module__ = "hstore"

    def __init__(self, expression: Apply) -> None:
        refuse_out_of_reach(expression)
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
        """Return whether *label* takes part, given the raw values *chosen* for the choices above it."""
        pending = self._by_label[label].conditions
        if not pending:
            return True
        seen: set[str] = set()
        while pending:
            met = {choice for ((choice, option),) in pending if chosen.get(choice) == option} - seen
            seen |= met
            above = [self._by_label[choice].conditions for choice in met]
            if not all(above):
                return True
            pending = tuple(condition for conditions in above for condition in conditions)
        return False

    def sample(self, rng: np.random.Generator) -> Point:
        """Return a point drawn from the prior."""
        point: Point = {}
        for parameter in self.parameters:
            # What is in the point is active, so the choices just above settle it.
            conditions = parameter.conditions
            if not conditions or any(point.get(choice) == option for ((choice, option),) in conditions):
                point[parameter.label] = parameter.draw(rng)
        return point

    def __repr__(self) -> str:
        shown = [f"{label}: {self._by_label[label].describe()}" for label in self.as_written[:4]]
        return printable(f"<hstore.Space {', '.join(shown)}{', …' if len(self) > 4 else ''}>")

    def _repr_html_(self) -> str:
        return self.expression._repr_html_()

    def memo(self, point: Mapping[str, Any], ctrl: Any = None) -> dict[Apply, Any]:
        """Return the values that *point* gives to nodes of the expression."""
        nodes = self._nodes
        memo = {nodes[label]: value for label, value in point.items() if label in nodes}
        for node in self._ctrls:
            memo[node] = ctrl
        return memo

    @property
    def draws(self) -> dict[str, Apply]:
        """By label the expression that its values are drawn from."""
        return {label: node.pos_args[1] for label, node in self._nodes.items()}

    def evaluate(self, point: Mapping[str, Any], ctrl: Any = None) -> Any:
        """Return what the objective gets at *point*; labels that are not of this space are ignored."""
        return evaluate(self.expression, self.memo(point, ctrl))

    def usable(self, point: Mapping[str, Any]) -> Point:
        """Return the values of *point*, one of another space, that algorithms can do with in this one."""
        return {label: value for label, value in point.items() if label in self and self[label].is_usable(value)}

    def params(self, point: Mapping[str, Value]) -> dict[str, Any]:
        """Return the readable value of each label of *point*: options rather than indices, integers as integers.

        They stand in the order in which the user wrote the space.
        """
        return {label: self._by_label[label].read(point[label]) for label in self.as_written if label in point}

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

    @cached_property
    def as_written(self) -> tuple[str, ...]:
        """The labels in the order in which the user wrote them, as far as that is known; for people to read."""
        found = dict.fromkeys(label for label in labels_as_written(self.expression) if label in self._by_label)
        return (*found, *(label for label in self.labels if label not in found))

    def to_data(self) -> dict[str, Any]:
        """Return the space as plain, JSON-able data; see `hstore.engine.space.data`."""
        return data.to_data(self.expression)

    @property
    def has_opaque_options(self) -> bool:
        """Whether there are objects in it of which data can only keep the text."""
        return not data.is_plain(self.expression) or any(
            isinstance(node, Literal) and isinstance(node.obj, data.Opaque) for node in dfs(self.expression)
        )

    @property
    def is_known(self) -> bool:
        """Whether points can be drawn from it; not from one of which there were only points (see `seen_space`)."""
        return all(parameter.kind != "seen" for parameter in self.parameters)

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
            elif _drawn(mine) != _drawn(theirs):
                exactly = mine.describe() == theirs.describe()
                lines.append(f"{label}: {mine.describe(exactly=exactly)} is now {theirs.describe(exactly=exactly)}")
            elif (position := _changed_option(mine, theirs)) is not None:
                lines.append(f"{label}: {_change(mine, theirs, position)}")
            elif mine.conditions != theirs.conditions:
                lines.append(f"{label}: {self.describe(label)} is now {other.describe(label)}")
        return lines


def _is_ctrl_class(node: Apply) -> bool:
    return isinstance(node, Literal) and getattr(node.obj, "is_hstore_ctrl_class", False) is True


def _drawn(parameter: Parameter) -> tuple[Any, ...]:
    p = parameter
    n_options = None if p.options is None else len(p.options)
    return p.kind, p.low, p.high, p.mu, p.sigma, p.q, p.p, n_options


def _changed_option(mine: Parameter, theirs: Parameter) -> int | None:
    """Return the position of the first option that is another one; None if there is none."""
    pairs = enumerate(zip(mine.constants or (), theirs.constants or (), strict=True))
    return next((i for i, (was, is_now) in pairs if not data.is_same(was, is_now)), None)


def _change(mine: Parameter, theirs: Parameter, position: int) -> str:
    if mine.describe() != theirs.describe():
        return f"{mine.describe()} is now {theirs.describe()}"
    was, is_now = ((p.options or ())[position] for p in (mine, theirs))
    if repr(was) == repr(is_now):
        return f"option {position} {was!r:.60} holds other values now"
    return f"option {position} {was!r:.60} is now {is_now!r:.60}"


def _check_value(parameter: Parameter, value: Any) -> None:
    import numpy as np

    label = parameter.label
    kinds = (int, np.integer) if parameter.options is not None else (int, float, np.integer, np.floating)
    is_one = isinstance(value, kinds) and not isinstance(value, bool) and value == value
    if not is_one or (parameter.is_categorical and value % 1 != 0):
        wanted = ", of which a point holds the position as an int" if parameter.options is not None else ""
        raise BadSearchSpace(f"{label}={value!r:.60} is not a value of {parameter.describe()}{wanted}", label=label)
    low, high = parameter.bounds
    if not low <= value <= high:
        raise BadSearchSpace(f"{label}={value!r:.60} is out of range of {parameter.describe()}", label=label)


def compile_space(expr: Any) -> Space:
    """Return the `Space` of a nest of dicts, lists and `hp` expressions."""
    return Space(as_apply(expr))


def seen_space(points: Iterable[Mapping[str, Value]]) -> Space:
    """Return what is known of the space that *points* were drawn from: labels, and the range of their values.

    It can be written down, shown and compared, but nothing can be drawn from it.
    """
    ranges: dict[str, tuple[Value, Value]] = {}
    for point in points:
        for label, value in point.items():
            low, high = ranges.get(label, (value, value))
            ranges[label] = min(low, value), max(high, value)
    seen = {
        label: Apply("hyperopt_param", [Literal(label), Apply("seen", [Literal(low), Literal(high)])])
        for label, (low, high) in ranges.items()
    }
    return compile_space(seen)


def space_eval(space: Any, hp_assignment: Mapping[str, Any]) -> Any:
    """Return *space* with each hyperparameter replaced by its value in *hp_assignment* ({label: raw value}).

    Raises `ListedValue`, an `InvalidPoint` that names the label, for a list, such as those of a document's `misc.vals`.
    """
    if not isinstance(hp_assignment, Mapping):
        raise ListedValue(
            f"a point is {{label: value}}, not {hp_assignment!r:.60}", hint="trials.argmin is one; fmin returns one"
        )
    for label, value in hp_assignment.items():
        if isinstance(value, (list, tuple)):
            raise ListedValue(
                f"{label}={value!r:.60} is a list, where a point has one value for each label", label=label,
                hint="trials.argmin is a point, as is {label: v[0] for label, v in doc['misc']['vals'].items() if v}",
            )  # fmt: skip
    if isinstance(space, Space):
        return space.evaluate(hp_assignment)
    expression = as_apply(space)  # evaluated as it is: what cannot be searched may still have a value
    params = [node for node in dfs(expression) if node.name == "hyperopt_param"]
    memo = {node: hp_assignment[label] for node in params if (label := label_of(node)) in hp_assignment}
    return evaluate(expression, memo)
