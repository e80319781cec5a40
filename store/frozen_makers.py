"""Makers: what makes instances of a frozen dataclass in a fraction of the time that its own `__init__` takes.

That one sets each field by `object.__setattr__`, since the class refuses every other way. Events and trials are made by
the hundred thousand, and then it is half of what it costs to read them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from hstore.store.lazy_dataclass import parameters

T = TypeVar("T")


def maker(kind: type[T]) -> Callable[..., T]:
    """Return a function that makes an instance of *kind* of the keywords that its `__init__` takes.

    kind: a frozen dataclass with slots and without `__post_init__`. The fields are set on an instance of a class that
    has the same ones and may be changed; then that becomes one of *kind*.
    """
    slots = kind.__dict__["__slots__"]
    body = {"__slots__": slots, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    draft = type(kind.__name__, kind.__bases__, body)
    taken, values, names = parameters(kind)
    names |= {"new": object.__new__, "draft": draft, "kind": kind}
    lines = ["made = new(draft)", *(f"made.{name} = {value}" for name, value in values.items())]
    lines += ["made.__class__ = kind", "return made"]
    # As dataclasses make `__init__`: all of the text is names of fields.
    exec(f"def make({taken}):\n " + "\n ".join(lines), names)
    made: Callable[..., T] = names["make"]
    return made
