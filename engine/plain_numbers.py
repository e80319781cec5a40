"""Numbers as users write them (Python's, numpy's, Decimal, Fraction, arrays of one), read as plain ones. Pure."""

from __future__ import annotations

import decimal
import numbers
from typing import Any


def as_real(value: Any) -> int | float | None:
    """Return *value* as an int or a float; None for what is no real number: a bool, text, an array of several."""
    if type(value) in (int, float):
        return value  # type: ignore[no-any-return]
    if isinstance(value, bool):
        return None
    try:
        if isinstance(value, numbers.Integral):
            return int(value)
        if isinstance(value, (numbers.Real, decimal.Decimal)):
            return float(value)
        if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):  # numpy's, torch's or jax's array of one
            item = value.item()
            return None if type(item) is type(value) else as_real(item)
    except (ArithmeticError, ValueError, TypeError):  # beyond all floats, a signalling NaN
        return None
    return None


def as_whole(value: Any) -> int | None:
    """Return *value* as an int; None for what is no whole number (see `as_real`), infinities and NaN included."""
    real = as_real(value)
    try:
        return int(value) if real is not None and int(value) == value else None
    except (ArithmeticError, ValueError, TypeError):
        return None
