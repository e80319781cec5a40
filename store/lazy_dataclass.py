"""Frozen dataclasses that get their methods when these are first needed: a process imports a hundred, and makes few.

`dataclasses` writes and compiles six methods for each class. For those of `events` that took a tenth of what `hstore
status` takes as a whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, FrozenInstanceError, fields
from functools import cache
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

__all__ = ["lazy_dataclass", "parameters"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass as lazy_dataclass  # to type checkers it is no other
else:
    from dataclasses import dataclass

    def lazy_dataclass(*, frozen: bool, slots: bool, kw_only: bool = False, repr: bool = True) -> Callable:
        """Return what makes a class what `dataclass` makes of it; only frozen ones with slots."""
        assert frozen
        assert slots

        def make(kind: type[T]) -> type[T]:
            made = dataclass(slots=True, kw_only=kw_only, init=False, repr=False, eq=False)(kind)
            made.__init__ = _first_init
            for name, method in _METHODS.items():
                if name not in kind.__dict__ and (repr or name != "__repr__"):
                    setattr(made, name, method)
            return made

        return make


def parameters(kind: type) -> tuple[str, dict[str, str], dict[str, Any]]:
    """Return what the `__init__` of the dataclass *kind* takes, as text.

    Returns its parameters, an expression of the value of each field, and the names that both need.
    """
    names: dict[str, Any] = {"MISSING": MISSING}
    values: dict[str, str] = {}
    by_place: list[str] = []
    by_name: list[str] = []
    for field in fields(kind):
        name = field.name
        parameter, values[name] = name, name
        if field.default_factory is not MISSING:
            names[f"new_{name}"] = field.default_factory
            parameter, values[name] = f"{name}=MISSING", f"new_{name}() if {name} is MISSING else {name}"
        elif field.default is not MISSING:
            names[f"default_{name}"] = field.default
            parameter = f"{name}=default_{name}"
        (by_name if field.kw_only else by_place).append(parameter)
    return ", ".join([*by_place, *(["*", *by_name] if by_name else [])]), values, names


def _first_init(self: Any, *args: Any, **given: Any) -> None:
    """Give the class of *self* its own `__init__`, and call that."""
    kind = type(self)
    taken, values, names = parameters(kind)
    names["put"] = object.__setattr__
    lines = [f"put(self, {name!r}, {value})" for name, value in values.items()]
    if hasattr(kind, "__post_init__"):
        lines.append("self.__post_init__()")
    # As dataclasses make `__init__`: all of the text is names of fields.
    exec(f"def __init__(self, {taken}):\n " + "\n ".join(lines or ["pass"]), names)
    init = names["__init__"]
    init.__qualname__ = f"{kind.__qualname__}.__init__"
    kind.__init__ = init
    init(self, *args, **given)


@cache
def _names(kind: Any, what: str) -> tuple[str, ...]:
    """Return the names of the fields of *kind*; of those that are of its `repr` or of its comparison, or of all."""
    return tuple(field.name for field in fields(kind) if what == "all" or getattr(field, what))


@cache
def _compared(kind: Any) -> Callable[[Any], Any]:
    """Return what gives of an instance of *kind* what is compared."""
    names: tuple[str, ...] = _names(kind, "compare")
    return attrgetter(*names) if names else type


def _eq(self: Any, other: Any) -> Any:
    if type(other) is not type(self):
        return NotImplemented
    compared = _compared(self.__class__)
    return compared(self) == compared(other)


def _hash(self: Any) -> int:
    return hash(_compared(self.__class__)(self))


@recursive_repr()
def _repr(self: Any) -> str:
    shown = ", ".join(f"{name}={getattr(self, name)!r}" for name in _names(self.__class__, "repr"))
    return f"{type(self).__qualname__}({shown})"


def _setattr(self: Any, name: str, value: Any) -> NoReturn:
    raise FrozenInstanceError(f"cannot assign to field {name!r}")


def _delattr(self: Any, name: str) -> NoReturn:
    raise FrozenInstanceError(f"cannot delete field {name!r}")


def _getstate(self: Any) -> list[Any]:
    return [getattr(self, name) for name in _names(self.__class__, "all")]


def _setstate(self: Any, state: list[Any]) -> None:
    for name, value in zip(_names(self.__class__, "all"), state, strict=True):
        object.__setattr__(self, name, value)


_METHODS: dict[str, Any] = {
    "__eq__": _eq, "__hash__": _hash, "__repr__": _repr, "__setattr__": _setattr, "__delattr__": _delattr,
    "__getstate__": _getstate, "__setstate__": _setstate,
}  # fmt: skip
