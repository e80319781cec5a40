"""Outlines: a space as lines that a person reads, one a label, with what depends on a choice below its options.

Made from the nodes alone, not from a compiled `Space`, so that expressions can show themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from hstore.engine.space.parameter import FIELDS, Parameter

Outline: TypeAlias = "tuple[str, list[Outline]]"
"""A line, and those below it."""

_LINES = 500
"""After which the rest of a space is an ellipsis."""
_NODES = 5000
_WRAPPERS = ("float", "int")


def outline_of(expression: Any) -> Outline:
    """Return *expression*, an `Apply`, as a tree of lines."""
    return _outline(expression, "", [_LINES])


def hyperparameters(expression: Any) -> Iterator[str]:
    """Yield each hyperparameter of *expression* once, such as `x: uniform(0, 1)`, in the order of the nodes."""
    seen: set[int] = set()
    stack = [expression]
    while stack and len(seen) < _NODES:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.name == "hyperopt_param":
            yield _leaf(node, is_integer=False)
        stack.extend(reversed(_inputs(node)))


def _outline(node: Any, name: str, left: list[int]) -> Outline:
    left[0] -= 1
    if left[0] < 0:
        return f"{name}…", []
    inner = node
    while inner.name in _WRAPPERS and len(inner.pos_args) == 1:
        inner = inner.pos_args[0]
    if inner.name == "hyperopt_param":
        return f"{_key(name, inner)}{_leaf(inner, is_integer=node.name == 'int')}", []
    if node.name == "literal":
        return f"{name}{node.obj!r:.80}", []
    if node.name == "switch":
        index, *options = node.pos_args
        while index.name in _WRAPPERS and len(index.pos_args) == 1:
            index = index.pos_args[0]
        if index.name != "hyperopt_param":
            return f"{name}switch", [_outline(option, "", left) for option in options]
        line = f"{_key(name, index)}{_label(index)}: {_choice(index)}"
        return line, [_outline(option, "", left) for option in options]
    if node.name == "dict":
        named = dict(node.named_args)
        keys = [*(key for key in getattr(node, "written", ()) if key in named)]
        keys += [key for key in named if key not in keys]
        return f"{name}dict", [_outline(named[key], f"{key} = ", left) for key in keys]
    kind = "list" if node.name == "pos_args" else node.name
    return f"{name}{kind}", [_outline(child, "", left) for child in _inputs(node)]


def _inputs(node: Any) -> list[Any]:
    return [*node.pos_args, *(child for _, child in node.named_args)]


def _key(name: str, node: Any) -> str:
    """Return *name*, what comes before the line of a hyperparameter; nothing if the key is the label."""
    return "" if name == f"{_label(node)} = " else name


def _label(node: Any) -> str:
    return str(getattr(node.pos_args[0], "obj", "?"))


def _choice(node: Any) -> str:
    drawn = node.pos_args[1]
    if drawn.name != "categorical":
        return "choice"
    shares = [getattr(each, "obj", "?") for part in drawn.pos_args for each in (_inputs(part) or [part])]
    return f"pchoice ({', '.join(str(share) for share in shares[:8])}{', …' if len(shares) > 8 else ''})"


def _leaf(node: Any, *, is_integer: bool) -> str:
    label, drawn = _label(node), node.pos_args[1]
    given = {name: getattr(child, "obj", None) for name, child in drawn.named_args}
    fields = FIELDS.get(drawn.name, ())
    given.update(zip(fields, (getattr(child, "obj", None) for child in drawn.pos_args), strict=False))
    if drawn.name == "randint":
        return f"{label}: randint({', '.join(str(value) for value in given.values() if value is not None)})"
    numbers: dict[str, Any] = {name: given.get(name) for name in fields}
    if drawn.name == "categorical" or not all(isinstance(value, (int, float)) for value in numbers.values()):
        return f"{label}: {'pchoice' if drawn.name == 'categorical' else drawn.name}"
    kind = "uniformint" if is_integer and drawn.name == "quniform" and numbers["q"] == 1 else drawn.name
    return f"{label}: {Parameter(label, kind, **numbers).describe()}"
