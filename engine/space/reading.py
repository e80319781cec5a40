"""Reading: from a point as a person gives it to its raw values, or to one line that says what is wrong with it."""

from __future__ import annotations

import difflib
import math
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hstore.engine.plain_numbers import as_real
from hstore.engine.space.compiling import chooser, label_of
from hstore.engine.space.data import short_repr
from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.engine.space.parameter import Parameter, Point, Value
from hstore.engine.space.space import Space
from hstore.store.errors import InvalidPoint

EXPLICIT = ("index", "value")
"""{"index": 2} and {"value": 2} say which of both is meant, where a bare 2 could be either."""

Ints: TypeAlias = typing.Literal["index", "value", "ask"]
Fits: TypeAlias = Callable[[str, float], bool]
"""Whether a number can be drawn for a label."""


class PointReader:
    """Reads points of *space*.

    A point is {label: value} with a value for each active label; what it says of others counts for nothing. A choice
    takes an option, or the index of one:

    - An int is an index, as in hyperopt, if there is such an index. Else it is the option that equals it, unless other
      options of the choice equal indices: who reads `hp.choice("n", [1, 2, 3])` cannot tell what 3 was meant to be.
    - All else is an option: text, a float, None, True or False, a list, a dict. A dict or list with hyperparameters in
      it gives their values as well: {"model": {"name": "svm", "C": 10.0}}.
    - {"index": 2} or {"value": 2} says so.

    ints: what an int is that could be both an index and another option: "index", "value", or "ask" to refuse it. Other
        than with "index", an int that is no index is the option that equals it, whatever the options are.

    A whole point may also be as the objective gets it, unless its keys are labels.

    outside: called with one line that says so for each number out of range, which is then taken, as in hyperopt.
        Without it such a number is refused.
    """

    def __init__(self, space: Space, *, ints: Ints = "index", outside: Callable[[str], None] | None = None) -> None:
        self.space = space
        self._ints = ints
        self._outside = outside
        self._options: dict[str, list[Apply]] = {}
        for node in dfs(space.expression):
            if (label := _chosen_by(node)) is not None:
                self._options[label] = node.pos_args[1:]

    def read(self, given: Any) -> Point:
        """Return the raw value of each active label; raises `InvalidPoint`, which names the label."""
        if not isinstance(given, Mapping):
            raise InvalidPoint(f"a point is {{label: value}}, not {short_repr(given)}")
        values = dict(given)
        if unknown := [label for label in values if label not in self.space]:
            whole = self.space.expression
            values = _bound(whole, values, self._fits) or _bound(whole, values) or self._refuse_unknown(unknown[0])
        point: Point = {}
        missing = []
        for parameter in self.space:
            label = parameter.label
            if not self.space.is_active(label, point):
                continue
            if label not in values:
                missing.append(label)
                continue
            point[label], inner = self._read(parameter, _scalar(values[label]))
            for below, value in inner.items():
                if below in values and not _is_same(values[below], value):
                    raise InvalidPoint(
                        f"{below}: is given twice, as {short_repr(values[below])} and within {label}", label=below
                    )
                values[below] = value
        if missing:
            label, *more = missing
            also = f"; nor {'have' if len(more) > 1 else 'has'} {', '.join(more)}" if more else ""
            raise InvalidPoint(
                f"{label}: has no value, but is active at this point{also}", label=label,
                hint=f"{label} takes {accepted(self.space[label])}",
            )  # fmt: skip
        return point

    def _refuse_unknown(self, label: Any) -> Any:
        near = difflib.get_close_matches(str(label), self.space.labels, n=1)
        shown = label if isinstance(label, str) else short_repr(label)
        raise InvalidPoint(
            f"{shown}: the space has no such label; it has {', '.join(sorted(self.space.labels)) or 'none'}",
            label=label, hint=f"did you mean {near[0]}?" if near else "",
        )  # fmt: skip

    def _read(self, parameter: Parameter, value: Any) -> tuple[Value, Mapping[str, Any]]:
        """Return the raw value, and what it says of other labels."""
        if parameter.options is None:
            return self._number(parameter, value), {}
        how: str | None = None
        if isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in EXPLICIT:
            ((how, value),) = value.items()
            value = _scalar(value)
        elif _is_int(value):
            how = self._meaning(parameter, value)
        if how == "index":
            if not _is_int(value) or not 0 <= value < parameter.n_options:
                raise _refused(parameter, value)
            return value, {}
        return self._option(parameter, value, is_sure=how is not None)

    def _number(self, parameter: Parameter, value: Any) -> Value:
        real = as_real(value)
        if real is None:
            raise _refused(parameter, value)
        if not _is_in_range(parameter, real):
            if self._outside is None or not _is_usable(parameter, real):
                raise _refused(parameter, value)
            self._outside(str(_refused(parameter, value)))
        return int(real) if parameter.is_categorical else float(real)

    def _meaning(self, parameter: Parameter, value: int) -> str:
        """Return whether a bare *value* is an "index" or a "value"."""
        options = parameter.options or ()
        is_index = 0 <= value < len(options)
        is_option = any(_is_same(option, value) for option in options)
        if is_index and is_option and not _is_same(options[value], value):
            if self._ints == "ask":
                indexed = options[value]
                raise InvalidPoint(
                    f"{parameter.label}: {value} may be the option {value}, or the index of the option {indexed}",
                    hint=f'write {{"value": {value}}} or {{"index": {value}}}', label=parameter.label,
                )  # fmt: skip
            return self._ints
        if is_index:
            return "index"
        return "index" if self._ints == "index" and _has_options_like_indices(parameter) else "value"

    def _option(self, parameter: Parameter, value: Any, *, is_sure: bool) -> tuple[Value, Mapping[str, Any]]:
        # Without an option that can have this value, the error names the label whose range it is out of.
        found = self._options_with(parameter, value, is_sure, self._fits)
        found = found or self._options_with(parameter, value, is_sure, _fits_any)
        if len(found) == 1:
            return found[0]
        if found:
            which = ", ".join(str(i) for i, _ in found)
            raise InvalidPoint(
                f"{parameter.label}: {short_repr(value)} is several of its options", label=parameter.label,
                hint=f"give the index of one: {which}",
            )  # fmt: skip
        raise _refused(parameter, value)

    def _options_with(
        self, parameter: Parameter, value: Any, is_sure: bool, fits: Fits
    ) -> list[tuple[int, Mapping[str, Any]]]:
        """Return the options that can have *value*, each with what it says of other labels."""
        found: list[tuple[int, Mapping[str, Any]]] = []
        is_bare_float = isinstance(value, float) and not is_sure and _has_options_like_indices(parameter)
        for i, (node, readable) in enumerate(zip(self._options[parameter.label], parameter.options or (), strict=True)):
            if is_bare_float and not isinstance(readable, float):
                continue  # 2.0 is what a table makes of an index and of an option alike
            bound = _bound(node, value, fits)
            if bound is not None:
                found.append((i, bound))
            elif _is_same(readable, value):
                found.append((i, {}))
        return found

    def _fits(self, label: str, value: float) -> bool:
        parameter = self.space[label]
        return parameter.options is not None or _is_in_range(parameter, value)


def accepted(parameter: Parameter) -> str:
    """Return what a person may give for *parameter*, in words."""
    what = parameter.describe()
    if parameter.options is not None:
        n = parameter.n_options
        of = f"{what}, or its index, 0 to {n - 1}" if n > 1 else f"{what}, or its index, 0"
        return f"an option of {of}"
    kind = "a whole number" if _is_whole(parameter) else "a number"
    low, high = parameter.bounds
    if parameter.low is not None:
        return f"{kind} from {low:g} to {high:g}: {what}"
    return f"{kind} of at least 0: {what}" if parameter.is_log else f"{kind}: {what}"


def _refused(parameter: Parameter, value: Any) -> InvalidPoint:
    shown, label = short_repr(value), parameter.label
    if parameter.options is None:
        hint = "a number stands without quotes" if isinstance(value, str) and _reads_as_number(value) else ""
    elif isinstance(value, (int, float)) and any(_is_same(option, value) for option in parameter.options):
        how = "is not an index" if _is_int(value) else "may be an index"
        return InvalidPoint(
            f"{label}: {shown} {how} of {parameter.describe()}, whose options look like indices", label=label,
            hint=f'{{"value": {value}}} is the option {value}, {{"index": 0}} the first one',
        )  # fmt: skip
    else:
        texts = {str(option): option for option in parameter.options}
        near = difflib.get_close_matches(str(value), texts, n=1)
        hint = f"did you mean {texts[near[0]]!r}?" if near else ""
    real = as_real(value)
    if parameter.options is not None:
        what = "is not an option"
    elif real is not None and not (_is_whole(parameter) and real % 1 != 0):
        what = "is out of range"
    else:
        what = "is not a whole number" if _is_whole(parameter) else "is not a number"
    return InvalidPoint(f"{label}={shown} {what}; {label} takes {accepted(parameter)}", label=label, hint=hint)


def _is_in_range(parameter: Parameter, value: float) -> bool:
    low, high = parameter.bounds
    return low <= value <= high and not (_is_whole(parameter) and value % 1 != 0)


def _is_usable(parameter: Parameter, value: float) -> bool:
    """Return whether algorithms can learn from *value* although it is out of range; a category there is none of."""
    is_of_kind = not parameter.is_categorical and not (_is_whole(parameter) and value % 1 != 0)
    return is_of_kind and math.isfinite(value) and (value > 0 or not parameter.is_log)


def _is_whole(parameter: Parameter) -> bool:
    """Return whether all that is drawn is whole; scope.int(hp.uniform(…)) is not, although what is meant is."""
    return parameter.is_integer and (parameter.is_categorical or (parameter.q or 0.5) % 1 == 0)


def _has_options_like_indices(parameter: Parameter) -> bool:
    """Return whether some option equals the index of another one."""
    options = parameter.options or ()
    return any(_is_int(option) and 0 <= option < len(options) and option != i for i, option in enumerate(options))


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _reads_as_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _scalar(value: Any) -> Any:
    """Return numpy's scalars as Python's."""
    return value.item() if hasattr(value, "item") and getattr(value, "ndim", 1) == 0 else value


def _chosen_by(node: Apply) -> str | None:
    """Return the label of the choice that *node* is; None if it is none."""
    param = chooser(node) if node.name == "switch" else None
    return None if param is None else label_of(param)


def _uncast(node: Apply) -> Apply:
    while node.name in ("int", "float"):
        node = node.pos_args[0]
    return node


def _fits_any(label: str, value: float) -> bool:
    return True


def _bound(node: Apply, value: Any, fits: Fits = _fits_any) -> dict[str, Any] | None:
    """Return {label: value} with which *node* evaluates to *value*; None if it cannot, or nothing says how.

    fits: whether a number can be drawn for a label. Without it each number can.
    """
    node, value = _uncast(node), _scalar(value)
    if isinstance(node, Literal):
        return {} if _is_same(node.obj, value) else None
    if node.name == "hyperopt_param":
        real = as_real(value)
        return {label_of(node): real} if real is not None and fits(label_of(node), real) else None
    if (choice := _chosen_by(node)) is not None:
        is_one = any(_bound(option, value, fits) is not None for option in node.pos_args[1:])
        return {choice: {"value": value}} if is_one else None
    pairs: list[tuple[Apply, Any]]
    if node.name == "pos_args" and isinstance(value, (list, tuple)) and len(value) == len(node.pos_args):
        pairs = list(zip(node.pos_args, value, strict=True))
    elif (
        node.name == "dict"
        and not node.pos_args
        and isinstance(value, Mapping)
        and set(value) == {name for name, _ in node.named_args}
    ):
        pairs = [(child, value[name]) for name, child in node.named_args]
    else:
        return None
    bound: dict[str, Any] = {}
    for child, part in pairs:
        inner = _bound(child, part, fits)
        if inner is None or any(label in bound and not _is_same(bound[label], inner[label]) for label in inner):
            return None
        bound |= inner
    return bound


def _is_same(a: Any, b: Any) -> bool:
    """Return whether *a* and *b* are one value to a person: 1 and 1.0 are, "1" is not, True is not."""
    a, b = _scalar(a), _scalar(b)
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    x, y = as_real(a), as_real(b)
    if x is not None and y is not None:
        return x == y or (x != x and y != y)
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_is_same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_is_same, a, b))
    try:
        return a is b or (type(a) is type(b) and bool(a == b))
    except Exception:  # noqa: BLE001 - whatever a user's own __eq__ does
        return False
