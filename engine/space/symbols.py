"""The symbols that expressions may use: name by name a Python function, and `scope`, which makes nodes of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from hstore.store.errors import BadSearchSpace

if TYPE_CHECKING:
    from hstore.engine.space.expressions import Apply

F = TypeVar("F", bound=Callable[..., Any])


def _elementwise(name: str) -> Callable[..., Any]:
    """Return a function that takes numbers by `math`, arrays by numpy."""

    def function(x: Any) -> Any:
        if isinstance(x, (int, float)):
            return getattr(math, name)(x)
        import numpy as np

        return getattr(np, name)(x)

    return function


def _undrawn(*_: Any, **__: Any) -> Any:
    raise BadSearchSpace("a distribution has a value only as a hyperparameter of a point; write hp.… with a label")


SYMBOLS: dict[str, Callable[..., Any]] = {
    # arithmetic and order
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "floordiv": operator.floordiv, "pow": operator.pow, "neg": operator.neg,
    "eq": operator.eq, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
    "exp": _elementwise("exp"), "log": _elementwise("log"), "sqrt": _elementwise("sqrt"),
    "sin": _elementwise("sin"), "cos": _elementwise("cos"), "tan": _elementwise("tan"),
    "max": max, "min": min, "sum": sum,
    # containers
    "pos_args": lambda *items: items, "dict": dict, "list": list, "len": len, "getitem": operator.getitem,
    "range": range, "map": lambda function, items: [function(item) for item in items],
    "repeat": lambda n, item: [item] * n, "str_join": lambda separator, items: separator.join(items),
    # types and control
    "int": int, "float": float, "identity": lambda x: x, "getattr": getattr,
    "call": lambda function, args=(), kwargs=None: function(*args, **(kwargs or {})),
    # what a sampler gives a value to; evaluation gets here only if nobody did
    "hyperopt_param": _undrawn, "literal": _undrawn, "switch": _undrawn,
    "uniform": _undrawn, "quniform": _undrawn, "loguniform": _undrawn, "qloguniform": _undrawn,
    "normal": _undrawn, "qnormal": _undrawn, "lognormal": _undrawn, "qlognormal": _undrawn,
    "randint": _undrawn, "categorical": _undrawn,
}  # fmt: skip
_BUILT_IN = frozenset(SYMBOLS)


class Scope:
    """`scope.NAME(…)` is an expression that calls symbol NAME when it is evaluated; `@scope.define` adds one.

    A symbol is looked up by name at evaluation, so every process that evaluates the space must have defined it.
    """

    def __getattr__(self, name: str) -> Callable[..., Apply]:
        if name.startswith("__") or name not in SYMBOLS:
            raise AttributeError(f"scope has no symbol {name!r}; define one with @scope.define")
        from hstore.engine.space.expressions import apply

        return lambda *args, **kwargs: apply(name, *args, **kwargs)

    def define(self, function: F) -> F:
        """Add *function* under its name; raises `ValueError` if there is another one of that name."""
        name = function.__name__
        if SYMBOLS.setdefault(name, function) is not function:
            raise ValueError(f"scope has a symbol {name!r} already")
        return function

    define_pure = define

    def undefine(self, function: Callable[..., Any] | str) -> None:
        """Remove a symbol that was defined."""
        name = function if isinstance(function, str) else function.__name__
        if name in _BUILT_IN:
            raise ValueError(f"{name!r} is part of hstore and stays")
        SYMBOLS.pop(name, None)


scope = Scope()
