"""Expressions: the graph that a search space is written in, and its lazy evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from hstore.engine.space.symbols import SYMBOLS
from hstore.store.errors import BadSearchSpace

MAX_NESTING = 100
"""Levels of lists and dicts in a space; an objective that needs more is not one that people tune."""


class Apply:
    """A node: the symbol *name* applied to other nodes. Nodes are equal only to themselves."""

    __slots__ = ("__weakref__", "name", "named_args", "o_len", "pos_args")
    __array_ufunc__ = None  # so that numpy leaves `np.float64(2) * node` to the node

    def __init__(
        self, name: str, pos_args: Sequence[Apply] = (), named_args: Mapping[str, Apply] | None = None,
        o_len: int | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self.pos_args = list(pos_args)
        self.named_args = dict(sorted((named_args or {}).items()))
        self.o_len = o_len

    def inputs(self) -> list[Apply]:
        """Return the nodes that this one is computed from."""
        return [*self.pos_args, *self.named_args.values()]

    # Python's operators make nodes; `==` does not, since nodes are keys.

    def __add__(self, other: Any) -> Apply:
        return apply("add", self, other)

    def __radd__(self, other: Any) -> Apply:
        return apply("add", other, self)

    def __sub__(self, other: Any) -> Apply:
        return apply("sub", self, other)

    def __rsub__(self, other: Any) -> Apply:
        return apply("sub", other, self)

    def __mul__(self, other: Any) -> Apply:
        return apply("mul", self, other)

    def __rmul__(self, other: Any) -> Apply:
        return apply("mul", other, self)

    def __truediv__(self, other: Any) -> Apply:
        return apply("truediv", self, other)

    def __rtruediv__(self, other: Any) -> Apply:
        return apply("truediv", other, self)

    def __floordiv__(self, other: Any) -> Apply:
        return apply("floordiv", self, other)

    def __rfloordiv__(self, other: Any) -> Apply:
        return apply("floordiv", other, self)

    def __pow__(self, other: Any) -> Apply:
        return apply("pow", self, other)

    def __rpow__(self, other: Any) -> Apply:
        return apply("pow", other, self)

    def __neg__(self) -> Apply:
        return apply("neg", self)

    def __lt__(self, other: Any) -> Apply:
        return apply("lt", self, other)

    def __le__(self, other: Any) -> Apply:
        return apply("le", self, other)

    def __gt__(self, other: Any) -> Apply:
        return apply("gt", self, other)

    def __ge__(self, other: Any) -> Apply:
        return apply("ge", self, other)

    def __getitem__(self, index: Any) -> Apply:
        if self.o_len is not None and isinstance(index, int) and index >= self.o_len:
            raise IndexError(f"index {index} of an expression of length {self.o_len}")
        return apply("getitem", self, index)

    def __call__(self, *args: Any, **kwargs: Any) -> Apply:
        """Return a node that calls the value of this one."""
        return apply("call", self, list(args), kwargs)

    def __len__(self) -> int:
        if self.o_len is None:
            raise TypeError(f"the length of a {self.name} expression is only known once it is evaluated")
        return self.o_len

    def __iter__(self) -> Iterator[Apply]:
        # Without it Python would ask for [0], [1], … and never be told to stop.
        return iter([self[i] for i in range(len(self))])

    def __bool__(self) -> bool:
        raise TypeError(f"whether a {self.name} expression is true is only known once it is evaluated")

    def __repr__(self) -> str:
        return f"<{self.name} expression>"


class Literal(Apply):
    """A node that stands for *obj*."""

    __slots__ = ("obj",)

    def __init__(self, obj: Any = None) -> None:
        super().__init__("literal", o_len=len(obj) if hasattr(obj, "__len__") and not isinstance(obj, type) else None)
        self.obj = obj

    def __repr__(self) -> str:
        return f"Literal({self.obj!r:.60})"


def apply(name: str, *args: Any, **kwargs: Any) -> Apply:
    """Return a node of symbol *name* over anything `as_apply` takes."""
    return Apply(name, [as_apply(arg) for arg in args], {key: as_apply(arg) for key, arg in kwargs.items()})


def as_apply(obj: Any, _nesting: int = 0) -> Apply:
    """Return *obj* as an expression: nodes as they are, containers as nodes over their items, all else as `Literal`.

    A list evaluates to a tuple, as in hyperopt; a dict to one with its keys sorted if they can be.
    """
    if isinstance(obj, Apply):
        return obj
    if not isinstance(obj, (dict, list, tuple)):
        return Literal(obj)
    if _nesting >= MAX_NESTING:
        raise BadSearchSpace(f"a search space nested deeper than {MAX_NESTING} levels, or one that holds itself")
    if isinstance(obj, dict):
        items = {key: as_apply(value, _nesting + 1) for key, value in obj.items()}
        if all(isinstance(key, str) for key in items):
            return Apply("dict", (), items, o_len=len(items))
        pairs = [Apply("pos_args", (Literal(key), items[key]), o_len=2) for key in _in_order(items)]
        return Apply("dict", (Apply("pos_args", pairs, o_len=len(pairs)),), o_len=len(pairs))
    return Apply("pos_args", [as_apply(item, _nesting + 1) for item in obj], o_len=len(obj))


def _in_order(keys: Iterable[Any]) -> list[Any]:
    listed = list(keys)
    try:
        return sorted(listed)
    except TypeError:  # keys of several types stay as they are
        return listed


def dfs(expr: Apply) -> list[Apply]:
    """Return the nodes of *expr*, each once and after its inputs; raises `BadSearchSpace` for a cycle."""
    order: list[Apply] = []
    state: dict[Apply, bool] = {}  # False: begun, True: in order
    stack = [expr]
    while stack:
        node = stack[-1]
        if node not in state:
            state[node] = False
            for child in reversed(node.inputs()):
                if state.get(child) is False:
                    raise BadSearchSpace(f"the search space has a cycle through {child!r}")
                if child not in state:
                    stack.append(child)
        else:
            stack.pop()
            if not state[node]:
                state[node] = True
                order.append(node)
    return order


def evaluate(expr: Apply, memo: Mapping[Apply, Any]) -> Any:
    """Return the value of *expr*, given those of the nodes in *memo*. Options that were not chosen are left alone."""
    values: dict[Apply, Any] = dict(memo)
    stack = [expr]
    while stack:
        node = stack[-1]
        if node in values:
            stack.pop()
        elif isinstance(node, Literal):
            values[node] = node.obj
        elif node.name == "hyperopt_param":
            label = getattr(node.pos_args[0], "obj", "?")
            raise BadSearchSpace(f"{label}: is active at this point but has no value", label=label)
        elif node.name == "switch":
            index, *options = node.pos_args
            if index not in values:
                stack.append(index)
                continue
            chosen = options[_position(values[index], len(options))]
            if chosen in values:
                values[node] = values[chosen]
            else:
                stack.append(chosen)
        else:
            missing = [child for child in node.inputs() if child not in values]
            if missing:
                stack.extend(missing)
                continue
            function = _symbol(node.name)
            args = [values[child] for child in node.pos_args]
            values[node] = function(*args, **{key: values[child] for key, child in node.named_args.items()})
    return values[expr]


def _symbol(name: str) -> Callable[..., Any]:
    try:
        return SYMBOLS[name]
    except KeyError:
        raise BadSearchSpace(
            f"the space uses scope.{name}, which this process does not define",
            hint="import the module that has @scope.define on it",
        ) from None


def _position(index: Any, n: int) -> int:
    position = index.__index__() if hasattr(index, "__index__") else None
    if position is None:
        raise TypeError(f"a choice is made by a whole number, not by {index!r}")
    if not 0 <= position < n:
        raise IndexError(f"a choice of {n} options has no option {position}")
    return int(position)
