"""The functions that expressions can call without a user defining them first."""

from __future__ import annotations

import copy
import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from hstore.engine.space.expressions import Apply, as_apply
from hstore.engine.space.symbols import SymbolTableEntry, scope


def call(fn: Callable[..., Any], args: Sequence[Any] = (), kwargs: Any = None) -> Any:
    """Return *fn* of *args* and *kwargs*."""
    return fn(*args, **(kwargs or {}))


def callpipe1(fn_list: Iterable[Callable[[Any], Any]], arg: Any) -> Any:
    """Return *arg* after each function of *fn_list* in turn, of which some may make nodes."""
    for function in fn_list:
        arg = scope.call(function, (arg,)) if isinstance(arg, Apply) else function(arg)
    return arg


def partial(name: str | SymbolTableEntry, *args: Any, **kwargs: Any) -> Callable[..., Apply]:
    """Return symbol *name* with its first arguments given: called with the others, it makes the node."""
    entry = name if isinstance(name, SymbolTableEntry) else getattr(scope, name)
    return functools.partial(entry, *args, **kwargs)


def identity(obj: Any) -> Any:
    """Return *obj*."""
    return obj


def hyperopt_param(label: str, obj: Any) -> Any:
    """Return *obj*: what a hyperparameter was drawn as."""
    return obj


def pos_args(*args: Any) -> tuple[Any, ...]:
    """Return the arguments as a tuple."""
    return args


def exp(a: Any) -> Any:
    """Return e to the *a*, of a number or each item of an array."""
    import numpy as np

    return np.exp(a)


def log(a: Any) -> Any:
    """Return the natural logarithm of *a*, of a number or each item of an array."""
    import numpy as np

    return np.log(a)


def pow(a: Any, b: Any) -> Any:  # the symbol's name
    """Return *a* to the *b*."""
    return a**b


def sin(a: Any) -> Any:
    """Return the sine of *a*, of a number or each item of an array."""
    import numpy as np

    return np.sin(a)


def cos(a: Any) -> Any:
    """Return the cosine of *a*, of a number or each item of an array."""
    import numpy as np

    return np.cos(a)


def tan(a: Any) -> Any:
    """Return the tangent of *a*, of a number or each item of an array."""
    import numpy as np

    return np.tan(a)


def sum(x: Any, axis: int | None = None) -> Any:  # the symbol's name
    """Return the sum of *x* along *axis*, over all of it by default."""
    import numpy as np

    return np.sum(x, axis=axis)


def sqrt(x: Any) -> Any:
    """Return the square root of *x*, of a number or each item of an array."""
    import numpy as np

    return np.sqrt(x)


def minimum(x: Any, y: Any) -> Any:
    """Return the smaller of *x* and *y*, item by item."""
    import numpy as np

    return np.minimum(x, y)


def maximum(x: Any, y: Any) -> Any:
    """Return the larger of *x* and *y*, item by item."""
    import numpy as np

    return np.maximum(x, y)


def array_union1(args: Sequence[Any]) -> Any:
    """Return the distinct items of the arrays *args* in ascending order."""
    import numpy as np

    return functools.reduce(np.union1d, args[1:], np.unique(args[0])) if args else np.array([])


def array_union(*args: Any) -> Any:
    """Return the distinct items of all arguments in ascending order."""
    return array_union1(args)


def asarray(a: Any, dtype: Any = None) -> Any:
    """Return *a* as an array."""
    import numpy as np

    return np.asarray(a) if dtype is None else np.asarray(a, dtype=dtype)


def str_join(s: str, seq: Iterable[str]) -> str:
    """Return the strings of *seq* with *s* between them."""
    return s.join(seq)


def bincount(x: Any, offset: int = 0, weights: Any = None, minlength: int = 0, p: Any = None) -> Any:
    """Return how many items of *x* are offset, offset + 1, …, or the sums of their *weights*.

    There are at least *minlength* counts, or as many as probabilities *p*, if given.
    """
    import numpy as np

    y = np.asarray(x, dtype=np.intp).ravel() - offset
    return np.bincount(y, weights=weights, minlength=minlength if p is None else np.shape(p)[-1])


def repeat(n_times: int, obj: Any) -> list[Any]:
    """Return a list that holds *obj* *n_times*."""
    return [obj] * n_times


def call_method(obj: Any, methodname: str, *args: Any, **kwargs: Any) -> Any:
    """Return what the method of *obj* returns."""
    return getattr(obj, methodname)(*args, **kwargs)


def call_method_pure(obj: Any, methodname: str, *args: Any, **kwargs: Any) -> Any:
    """Return what the method of *obj* returns, which changes nothing."""
    return getattr(obj, methodname)(*args, **kwargs)


def copy_call_method_pure(obj: Any, methodname: str, *args: Any, **kwargs: Any) -> Any:
    """Return what the method returns of a copy of *obj*, which may be changed by it."""
    return getattr(copy.copy(obj), methodname)(*args, **kwargs)


def switch(pos: int, *args: Any) -> Any:
    """Return one of *args*. In an expression only that one is evaluated."""
    return args[pos]


def kwswitch(kw: Any, **kwargs: Any) -> Apply:
    """Return a node for the argument whose name *kw* evaluates to; only that one is evaluated."""
    names, options = zip(*sorted(kwargs.items()), strict=True)
    return scope.switch(scope.call_method_pure(as_apply(names), "index", kw), *options)


def Raise(etype: Callable[..., BaseException], *args: Any, **kwargs: Any) -> Any:  # noqa: N802 - the symbol's name
    """Raise *etype* of the arguments."""
    raise etype(*args, **kwargs)


PURE = (
    identity, pos_args, exp, log, pow, sin, cos, tan, sum, sqrt, minimum, maximum, array_union1, array_union, asarray,
    str_join, bincount, repeat, call_method_pure, copy_call_method_pure, switch, Raise,
    operator.getitem, operator.add, operator.sub, operator.mul, operator.truediv, operator.floordiv, operator.neg,
    operator.eq, operator.lt, operator.le, operator.gt, operator.ge,
)  # fmt: skip
for function in PURE:
    scope.define_pure(function)
for function in (call, callpipe1, partial, hyperopt_param, call_method):
    scope.define(function)
