"""Numpy's values in a pickle, made without numpy's own constructors: those believe whatever the pickle says of memory.

A pickle of an array names a dtype and brings bytes. numpy's `dtype`, `ndarray`, `scalar` and `_frombuffer` take both
at their word: a dtype with an object field reads addresses out of those bytes, and a shape reads beyond them. The
stand-ins here know plain dtypes only and compare sizes before they read; what is not plain is named and left out.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

PLAIN_DTYPE = re.compile(
    r"[|<>=]?(?:b1|[iu][1248]|f[248]|f16|c8|c16|c32|[SU]\d{1,7}|[mM]8(?:\[[0-9a-zA-Z/]{1,12}\])?|O8?)"
)
"""Bool, integers, floats, complex, text, times; and `O`, whose values come as a list and never as bytes."""


class NotPlain(Exception):
    """What a pickle says of a numpy value that is not read; the value is imported as this text."""


class Dtype:
    """Stands for `numpy.dtype`: `plain` is the real one if what the pickle says of it is plain, else None."""

    def __init__(self, kind: Any, align: Any = False, copy: Any = True) -> None:
        text = kind.decode("ascii", "replace") if isinstance(kind, bytes) else str(kind)
        self.is_object = text.lstrip("|<>=") in ("O", "O8")
        self.plain: np.dtype[Any] | None = np.dtype(text) if PLAIN_DTYPE.fullmatch(text) else None

    def __setstate__(self, state: Any) -> None:
        """Take (version, byte order, subarray, names, fields, item size, alignment, flags[, metadata])."""
        plain, self.plain = self.plain, None
        if plain is None or not isinstance(state, tuple) or not 8 <= len(state) <= 9 or state[2:5] != (None,) * 3:
            return
        order = state[1].decode("ascii", "replace") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "=") or (plain.kind in "SU" and state[5] != plain.itemsize):
            return
        if plain.kind in "mM" and len(state) == 9:
            plain = _in_unit(plain, state[8])
        if plain is not None and not self.is_object and order in ("<", ">"):
            plain = plain.newbyteorder("<" if order == "<" else ">")
        self.plain = plain


def _in_unit(plain: np.dtype[Any], metadata: Any) -> np.dtype[Any] | None:
    """Return the dtype of times in the unit that a pickle's *metadata* ({}, (b"ms", 1, 1, 1)) holds, if it is one."""
    try:
        unit, count = metadata[1][:2]
        text = unit.decode("ascii") if isinstance(unit, bytes) else str(unit)
    except (TypeError, ValueError, LookupError, UnicodeDecodeError):
        return None
    if text == "generic":
        return plain
    if not re.fullmatch(r"[YMWDhms]|ms|us|ns|ps|fs|as", text) or type(count) is not int or not 0 < count < 10**6:
        return None
    return np.dtype(f"{plain.kind}8[{count}{text}]")


class Array:
    """Stands for `numpy.ndarray`; `values` is the real one, a list of objects, or why it is not read."""

    def __init__(self, *arguments: Any) -> None:
        self.values: np.ndarray[Any, Any] | list[Any] | NotPlain = (
            NotPlain("a numpy array made as numpy's own pickles never do") if arguments else np.empty(0)
        )

    def __setstate__(self, state: Any) -> None:
        """Take (version, shape, dtype, whether columns come first, bytes or a list of objects)."""
        try:
            _, shape, dtype, is_fortran, content = state
        except (TypeError, ValueError):
            self.values = NotPlain("a numpy array without a state")
            return
        if isinstance(dtype, Dtype) and dtype.is_object and isinstance(content, list):
            self.values = content  # in one row, whatever the shape
        else:
            self.values = _read(content, dtype, shape, "F" if is_fortran else "C")

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """As numpy's, for arrays of plain numbers."""
        return self.values.dtype if isinstance(self.values, np.ndarray) else None

    def astype(self, kind: str) -> np.ndarray[Any, Any]:
        """As numpy's. Raises `NotPlain`."""
        return np.asarray(self.tolist() if self.dtype is None else self.values).astype(kind)

    def tolist(self) -> Any:
        """Return the values as plain lists. Raises `NotPlain` for an array that was not read."""
        if isinstance(self.values, NotPlain):
            raise self.values
        return self.values if isinstance(self.values, list) else self.values.tolist()

    def __repr__(self) -> str:
        return repr(self.values)


def reconstruct(kind: Any, shape: Any, typecode: Any) -> Array:
    """Return an empty array, whose state comes next; stands for `numpy.core.multiarray._reconstruct`."""
    return Array() if kind is Array else Array(kind)


def scalar(dtype: Any, content: Any = b"") -> Any:
    """Return one number; stands for `numpy.core.multiarray.scalar`."""
    found = frombuffer(content, dtype, (1,), "C")
    return found.values[0] if isinstance(found.values, np.ndarray) else found


def frombuffer(content: Any, dtype: Any, shape: Any, order: Any, axis_order: Any = None) -> Array:
    """Return the array of *shape* whose bytes *content* is; stands for `numpy.core.numeric._frombuffer`."""
    found = Array()
    found.values = NotPlain("a numpy array in an unknown order")
    if order in ("C", "F") and axis_order is None:
        found.values = _read(content, dtype, shape, order)
    return found


def _read(content: Any, dtype: Any, shape: Any, order: Literal["C", "F"]) -> np.ndarray[Any, Any] | NotPlain:
    if isinstance(content, str):  # as the protocols of Python 2 have bytes
        content = content.encode("latin1", "replace")
    if not isinstance(dtype, Dtype) or dtype.plain is None or dtype.is_object:
        return NotPlain("a numpy array of a dtype that is not plain")
    if not isinstance(content, (bytes, bytearray)):
        return NotPlain("a numpy array without bytes")
    is_shape = isinstance(shape, tuple) and len(shape) <= 32 and all(type(n) is int and 0 <= n < 2**40 for n in shape)
    if not is_shape or math.prod(shape) * dtype.plain.itemsize != len(content):
        return NotPlain("a numpy array whose shape and bytes contradict each other")
    if not content:  # of no values, or of empty texts, which take no bytes and may not be many
        return np.zeros(shape if math.prod(shape) < 10**6 else 0, dtype.plain)
    return np.frombuffer(bytes(content), dtype.plain).reshape(shape, order=order)


STAND_INS: dict[str, Callable[..., Any] | type] = {
    "ndarray": Array, "dtype": Dtype, "multiarray.scalar": scalar, "multiarray._reconstruct": reconstruct,
    "numeric._frombuffer": frombuffer,
}  # fmt: skip
"""By the name in `numpy`, or in `numpy.core`, which is called `numpy._core` now."""


def stand_in(module: str, name: str) -> Any:
    """Return what stands for *name* of *module*; None for all that a pickle of plain values does not need."""
    package, _, rest = module.partition(".")
    if package != "numpy":
        return None
    core, _, part = rest.partition(".")
    if not rest:
        return STAND_INS.get(name)
    return STAND_INS.get(f"{part}.{name}") if core in ("core", "_core") else None
