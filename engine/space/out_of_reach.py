"""Hyperparameters out of reach: those within an object that a space takes as a constant are refused by name.

A space looks into dicts, lists and tuples. An objective would get an hp expression within anything else as it is, where
it expects a number.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any

from hstore.engine.space.expressions import Apply, Literal, dfs
from hstore.store.errors import BadSearchSpace

MAX_DEPTH = 4
MAX_ITEMS = 1000
"""Levels of an object, and items of a level, that are looked through."""
_PLAIN = (str, bytes, int, float, complex, type(None), type, types.ModuleType, types.FunctionType, Literal)


def refuse_out_of_reach(expression: Apply) -> None:
    """Raise `BadSearchSpace`, naming the label, if a constant of *expression* holds a hyperparameter."""
    for node in dfs(expression):
        if isinstance(node, Literal) and not isinstance(node.obj, _PLAIN):
            label = next(_labels_within(node.obj, 0, set()), None)
            if label is not None:
                kind = type(node.obj).__name__
                raise BadSearchSpace(
                    f"{label}: is within an object of type {kind}, where no hyperparameter is looked for", label=label,
                    hint=f"use a dict, list or tuple in the space, and make the {kind} of it in the objective",
                )  # fmt: skip


def _labels_within(obj: Any, depth: int, seen: set[int]) -> Iterator[str]:
    if isinstance(obj, Apply):
        for node in dfs(obj):
            if node.name == "hyperopt_param":
                yield str(getattr(node.pos_args[0], "obj", "?"))
        return
    if isinstance(obj, _PLAIN) or depth > MAX_DEPTH or id(obj) in seen or _is_ours(obj):
        return
    seen.add(id(obj))
    for part in islice(_parts(obj), MAX_ITEMS):
        yield from _labels_within(part, depth + 1, seen)


def _parts(obj: Any) -> Iterator[Any]:
    if isinstance(obj, Mapping):
        for key, value in obj.items():
            yield key
            yield value
    elif isinstance(obj, (list, tuple, AbstractSet)) or type(obj).__module__ == "collections":
        yield from obj
    elif isinstance(obj, functools.partial):
        yield from (*obj.args, *obj.keywords.values())
    if not _is_array(obj):
        yield from _attributes(obj)
    elif any(getattr(dtype, "hasobject", False) for dtype in _dtypes(obj)):
        import numpy as np

        yield from np.asarray(obj, dtype=object).ravel()[:MAX_ITEMS].tolist()


def _attributes(obj: Any) -> Iterable[Any]:
    held = getattr(obj, "__dict__", None)
    if isinstance(held, dict):
        yield from list(held.values())
    for kind in type(obj).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for name in [slots] if isinstance(slots, str) else slots:
            try:
                yield getattr(obj, name)
            except AttributeError:  # it has no value yet
                continue


def _dtypes(obj: Any) -> Iterable[Any]:
    """Return the types of what an array, a series or the columns of a frame hold."""
    return [obj.dtype] if hasattr(obj, "dtype") else list(obj.dtypes)


def _is_array(obj: Any) -> bool:
    return hasattr(obj, "dtype") or hasattr(obj, "dtypes")


def _is_ours(obj: Any) -> bool:
    """Return whether *obj* is of hstore itself, such as a `Domain`, which holds the expression that it is about."""
    return type(obj).__module__.partition(".")[0] in ("hstore", "hyperopt")
