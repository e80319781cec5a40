"""What an objective was given beside the point: a partial's arguments, defaults, values that it closes over.

Their digests tell that a later call searches with other data or settings although the code is the same.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hstore.engine.space.content import content

MOST_VALUES = 50
LARGEST = 2**27
"""Bytes of an array or a frame of which more than shape and types is looked at."""
_BEGINNING = ("__init__", "__post_init__", "__setstate__")
_DIGITS = 8
_FIXED = (type(None), bool, int, float, complex, str, bytes, enum.Enum)


def given_values(fn: Callable[..., Any]) -> dict[str, str]:
    """Return for each value that *fn* was given, by its name, a digest that is the same in every process.

    Values that an evaluation may change are left out, such as the lists in which closures keep what they have seen; of
    the arguments of a `functools.partial`, and of defaults, lists and dicts of plain values count as well.
    """
    try:
        found: dict[str, str | None] = {}
        for name, digest in _values(fn):
            found.setdefault(name, digest)  # a partial's argument comes before the default in its place
    except Exception:  # noqa: BLE001 - whatever the user's objects raise when they are looked at
        return {}
    known = sorted((name, digest) for name, digest in found.items() if digest is not None)
    return dict(known[:MOST_VALUES])


def _values(fn: Any) -> Iterator[tuple[str, str | None]]:
    while isinstance(fn, functools.partial):
        named = {f"argument {i + 1}": value for i, value in enumerate(fn.args)} | fn.keywords
        yield from ((name, _digest(value, may_nest=True)) for name, value in named.items())
        fn = fn.func
    if isinstance(fn, types.MethodType):
        yield from _attributes(fn.__self__)
        fn = fn.__func__
    if not isinstance(fn, types.FunctionType):
        yield from _attributes(fn)
        return
    code = fn.__code__
    defaults = fn.__defaults__ or ()
    named = dict(zip(code.co_varnames[code.co_argcount - len(defaults) : code.co_argcount], defaults, strict=True))
    yield from ((name, _digest(value, may_nest=True)) for name, value in {**named, **(fn.__kwdefaults__ or {})}.items())
    written = {i.argval for i in dis.get_instructions(code) if i.opname == "STORE_DEREF"}
    for name, cell in zip(code.co_freevars, fn.__closure__ or (), strict=True):
        if name not in written:
            yield name, _digest(cell.cell_contents)


def _attributes(obj: Any) -> Iterator[tuple[str, str | None]]:
    if isinstance(obj, (types.ModuleType, type)):
        return
    changing = _set_by_methods(type(obj))
    for name, value in getattr(obj, "__dict__", {}).items():
        if not name.startswith("__") and name not in changing:
            yield name, _digest(value)


def _set_by_methods(kind: type) -> set[str]:
    """Return the names of attributes that methods other than `__init__` set, as one that counts its calls does."""
    methods = [each for cls in kind.__mro__ for name, each in vars(cls).items() if name not in _BEGINNING]
    return {
        i.argval
        for method in methods
        if isinstance(method, types.FunctionType)
        for i in dis.get_instructions(method.__code__)
        if i.opname in ("STORE_ATTR", "DELETE_ATTR")
    }


def _digest(value: Any, *, may_nest: bool = False) -> str | None:
    if _is_plain(value, may_nest):
        return content(value)[:_DIGITS]
    if hasattr(value, "dtype") or hasattr(value, "dtypes"):  # an array, a tensor, a frame
        size = getattr(value, "nbytes", None)
        if size is None and hasattr(value, "memory_usage"):
            usage = value.memory_usage()
            size = usage.sum() if hasattr(usage, "sum") else usage
        if size is not None and size <= LARGEST:
            return content(value)[:_DIGITS]
        text = f"{getattr(value, 'shape', '')} {getattr(value, 'dtype', None) or list(value.dtypes)}"
        return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
    return None


def _is_plain(value: Any, may_nest: bool) -> bool:
    if isinstance(value, _FIXED):
        return True
    if isinstance(value, (tuple, frozenset)) or (may_nest and type(value) in (list, set)):
        return all(_is_plain(each, may_nest) for each in value)
    return (
        may_nest
        and isinstance(value, Mapping)
        and all(_is_plain(key, False) and _is_plain(each, True) for key, each in value.items())
    )
