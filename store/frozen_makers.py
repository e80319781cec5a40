"""Makers: what makes instances of a frozen dataclass in a fraction of the time that its own `__init__` takes.

That one sets each field by `object.__setattr__`, since the class refuses every other way. Events and trials are made by
the hundred thousand, and then it is half of what it costs to read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def maker(kind: type[T]) -> Callable[..., T]:
    """Return a function that makes an instance of *kind* of the keywords that its `__init__` takes.

    kind: a frozen dataclass with slots and without `__post_init__`. The fields are set on an instance of a class that
    has the same ones and may be changed; then that becomes one of *kind*.
    """
    slots = kind.__dict__["__slots__"]
    body = {"__slots__": slots, "__setattr__": object.__setattr__, "__delattr__": object.__delattr__}
    draft = type(kind.__name__, kind.__bases__, body)
    names: dict[str, Any] = {"new": object.__new__, "draft": draft, "kind": kind, "MISSING": MISSING}
    parameters, lines = [], ["made = new(draft)"]
    for field in fields(kind):  # type: ignore[arg-type]
        name = field.name
        if field.default_factory is not MISSING:
            names[f"new_{name}"] = field.default_factory
            parameters.append(f"{name}=MISSING")
            lines.append(f"made.{name} = new_{name}() if {name} is MISSING else {name}")
            continue
        names[f"default_{name}"] = field.default
        parameters.append(name if field.default is MISSING else f"{name}=default_{name}")
        lines.append(f"made.{name} = {name}")
    lines += ["made.__class__ = kind", "return made"]
    # As dataclasses make `__init__`: all of the text is names of fields.
    exec(f"def make(*, {', '.join(parameters)}):\n " + "\n ".join(lines), names)
    made: Callable[..., T] = names["make"]
    return made
