"""What an event can hold: any value a user brings, made plain once, before anything is sent."""

from __future__ import annotations

import datetime as dt
import math
import numbers
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from hstore.store.errors import InvalidName, InvalidValue

MAX_DEPTH = 64  # MongoDB refuses documents nested deeper than 100; the envelope and the index take their share
MAX_NAME = 200  # characters; four bytes each still leave an index key far below any limit
INT64 = range(-(2**63), 2**63)

Replace = Callable[[Any, str, str], Any]
"""Called with (value, path, why) for what has no plain form; returns what stands in its place."""


def check_name(name: object) -> str:
    """Return *name* if it can name an experiment, else raise `InvalidName` saying why not."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidName(f"the name of an experiment must be a string that is not empty, not {name!r:.80}")
    if len(name) > MAX_NAME:
        raise InvalidName(
            f"the name of an experiment has at most {MAX_NAME} characters, {name[:20]!r}… has {len(name)}"
        )
    bad = next((c for c in name if c == "$" or not c.isprintable()), None)
    if bad is not None:
        raise InvalidName(f"the name of an experiment must not hold {bad!r}: {name[:80]!r}")
    return name


def refuse(value: Any, path: str, why: str) -> Any:
    """Raise `InvalidValue` for *value* at *path*: the `Replace` for what must not be lost silently."""
    raise InvalidValue(f"{path}: {why}", path=path, why=why)


def normalise(value: Any, *, path: str = "value", replace: Replace = refuse) -> Any:
    """Return *value* in the plain types that the log keeps: None, bool, int64, float, str, bytes, UTC datetime, list, dict.

    numpy and other array types become numbers and lists, tuples and sets lists, dates UTC datetimes in whole
    milliseconds (what BSON holds), keys strings; NaN and infinities stay what they are. Whatever has no such
    form (an integer beyond 64 bits, a complex number, a cycle, an object) goes to *replace*.
    """
    return _plain(value, path, replace, (), 0)


def _plain(value: Any, path: str, replace: Replace, above: tuple[int, ...], depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if value in INT64 else replace(value, path, "an integer beyond 64 bits")
    if kind is str:
        return _text(value, path, replace)
    if isinstance(value, (Mapping, list, tuple, AbstractSet)):
        if id(value) in above:
            return replace(value, path, "a container that holds itself")
        if depth >= MAX_DEPTH:
            return replace(value, path, f"nested deeper than {MAX_DEPTH} levels")
        above = (*above, id(value))
        if isinstance(value, Mapping):
            return _mapping(value, path, replace, above, depth)
        items = _ordered(value) if isinstance(value, AbstractSet) else value
        return [_plain(item, f"{path}[{i}]", replace, above, depth + 1) for i, item in enumerate(items)]
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, dt.datetime):
        return _datetime(value, path, replace)
    if isinstance(value, dt.date):
        return dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
    if isinstance(value, str):
        return _text(str(value), path, replace)
    if hasattr(value, "tolist") and not isinstance(value, type):  # numpy and every array library after it
        plain = value.tolist()
        if type(plain) is kind:
            return replace(value, path, f"a value of type {kind.__name__}")
        return _plain(plain, path, replace, above, depth)
    if isinstance(value, numbers.Integral):
        return _plain(int(value), path, replace, above, depth)
    if isinstance(value, numbers.Real):
        return float(value)
    return replace(value, path, f"a value of type {kind.__module__}.{kind.__qualname__}")


def _mapping(value: Mapping[Any, Any], path: str, replace: Replace, above: tuple[int, ...], depth: int) -> Any:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = key if type(key) is str else str(key)
        if "\0" in name or not _is_utf8(name):
            name = str(replace(key, f"{path}.{name[:40]!a}", "a key that no document can hold")).replace("\0", "")
        if name in plain:
            return replace(value, path, f"two keys that both read {name[:40]!r}")
        plain[name] = _plain(item, f"{path}.{name}", replace, above, depth + 1)
    return plain


def _text(value: str, path: str, replace: Replace) -> Any:
    return value if _is_utf8(value) else replace(value, path, "a string that is not valid Unicode")


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _datetime(value: dt.datetime, path: str, replace: Replace) -> Any:
    try:
        aware = value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)
    except (OverflowError, ValueError):
        return replace(value, path, "a date that has no UTC form")
    return aware.replace(microsecond=aware.microsecond // 1000 * 1000, fold=0)


def _ordered(values: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(values)
    except TypeError:
        return sorted(values, key=repr)


def as_loss(value: float | None) -> tuple[float | None, str | None]:
    """Return *value* as a (finite number or None, kind) pair, the form in which queries can sort it.

    NaN sorts below every number in MongoDB, so what is not finite is named beside an absent loss.
    """
    if value is None:
        return None, None
    if math.isfinite(value):
        return value, "finite"
    return None, "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
