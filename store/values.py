"""What an event can hold: any value a user brings, made plain once, before anything is sent."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import numbers
import re
from collections import UserString
from collections.abc import Callable, ItemsView, KeysView, Mapping, Sequence, ValuesView
from collections.abc import Set as AbstractSet
from typing import Any

from hstore.store.errors import InvalidName, InvalidValue
from hstore.store.terminal_text import printable

MAX_DEPTH = 64  # MongoDB refuses documents nested deeper than 100; the envelope and the index take their share
MAX_NAME = 200  # characters; four bytes each still leave an index key far below any limit
LONGEST_RANGE = 100_000
"""A longer range is not written out: it may stand for any number of items."""

Replace = Callable[[Any, str, str], Any]
"""Called with (value, path, why) for what has no plain form; returns what stands in its place."""


NO_NAME = "this is a URL, not the name of an experiment"
_URL = re.compile(r"\s*(mongo[\w+]*://|[a-z][\w+.-]*://[^/]*@)", re.IGNORECASE)


def is_url_of_store(name: str) -> bool:
    """Return whether *name* is a URL that may hold a password, given in the place of a name: it must not be shown."""
    return _URL.match(name) is not None


def check_name(name: object) -> str:
    """Return *name* if it can name an experiment, else raise `InvalidName` saying why not."""
    if not isinstance(name, str) or not name.strip():
        raise InvalidName(f"the name of an experiment must be a string that is not empty, not {name!r:.80}")
    if is_url_of_store(name):
        raise InvalidName(NO_NAME, hint="the store is named by --store URL, or store=URL")
    if len(name) > MAX_NAME:
        raise InvalidName(
            f"the name of an experiment has at most {MAX_NAME} characters, {name[:20]!r}… has {len(name)}"
        )
    if "$" in name or printable(name) != name:
        bad = next(c for c in name if c == "$" or not c.isprintable())
        raise InvalidName(f"the name of an experiment must not contain {bad!r}: {name[:80]!r}")
    return name


def check_new_name(name: object) -> str:
    """Return *name* if a command can give it to a new experiment, else raise `InvalidName` saying why not.

    Commands read a file of that name, where there is one, in the place of an experiment *name*.hstore.
    """
    name = check_name(name)
    if name.lower().endswith(".hstore"):
        raise InvalidName(
            f"{name[:80]!r} is a name for a file, not for an experiment",
            hint="leave out .hstore; `hstore export EXP -o FILE.hstore` writes a file",
        )
    return name


def check_title(title: str) -> str:
    """Return *title*, without blanks around it, if it can be the title of an experiment, else raise `InvalidValue`."""
    title = title.strip()
    if len(title) > MAX_NAME:
        raise InvalidValue(f"a title has at most {MAX_NAME} characters, {title[:20]!r}… has {len(title)}", path="title")
    if printable(title) != title:
        bad = next(c for c in title if not c.isprintable())
        raise InvalidValue(f"a title must not contain {bad!r}: {title[:80]!r}", path="title")
    return title


def refuse(value: Any, path: str, why: str) -> Any:
    """Raise `InvalidValue` for *value* at *path*: the `Replace` for what must not be lost silently."""
    raise InvalidValue(f"{path}: {why}", path=path, why=why)


def normalise(value: Any, *, path: str = "value", replace: Replace = refuse) -> Any:
    """Return *value* as the log keeps it: None, bool, int64, float, str, bytes, datetime, list or dict.

    numpy and other array types become numbers and lists, tuples, other sequences and sets lists, data frames lists by
    column, Decimals and fractions floats, dates datetimes in whole milliseconds (what BSON holds): aware ones in UTC,
    naive ones stay naive. Keys become strings; NaN and infinities stay what they are. Whatever has no such form (an
    integer beyond 64 bits, a complex number, a cycle, an object) goes to *replace*.
    """
    return _plain(value, path, replace, (), 0)


def fits_int64(number: int) -> bool:
    """Return whether *number* is one of 64 bits. (A range would be walked through for an int of BSON's or numpy's.)"""
    return -(2**63) <= number < 2**63


def _plain(value: Any, path: str, replace: Replace, above: tuple[int, ...], depth: int) -> Any:
    kind = type(value)
    if value is None or kind is bool or kind is float:
        return value
    if kind is int:
        return value if fits_int64(value) else replace(value, path, "an integer beyond 64 bits")
    if kind is str:
        return _text(value, path, replace)
    if isinstance(value, (Mapping, list, tuple, AbstractSet)) or _is_sequence(value):
        if id(value) in above:
            return replace(value, path, "a container that holds itself")
        if depth >= MAX_DEPTH:
            return replace(value, path, f"nested deeper than {MAX_DEPTH} levels")
        above = (*above, id(value))
        if isinstance(value, Mapping):
            return _mapping(value, path, replace, above, depth)
        try:
            given = _items(value)
        except Exception as error:  # noqa: BLE001 - whatever a user's class does
            return replace(value, path, f"a value of type {kind.__name__} whose items cannot be read: {error!r:.80}")
        if type(given) is list and set(map(type, given)) <= _PLAIN:  # millions of numbers, perhaps
            items = list(given)
        else:
            items = [_plain(item, f"{path}[{i}]", replace, above, depth + 1) for i, item in enumerate(given)]
        return _ordered(items) if isinstance(value, AbstractSet) and not isinstance(value, _ORDERED_SETS) else items
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if isinstance(value, dt.datetime):
        return _datetime(value, path, replace)
    if isinstance(value, dt.date):  # midnight
        return dt.datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a day has no zone
    if isinstance(value, str):
        return _text(str.__str__(value), path, replace)  # what an enumeration holds, not what it is called
    if hasattr(value, "tolist") and not isinstance(value, type):  # numpy and every array library after it
        return _array(value, path, replace, above, depth)
    if isinstance(value, numbers.Integral):
        return _plain(int(value), path, replace, above, depth)
    if isinstance(value, (numbers.Real, decimal.Decimal)):
        return _float(value, path, replace)
    if _is_frame(value):
        return _plain(_columns(value), path, replace, above, depth)
    return replace(value, path, f"a value of type {kind.__module__}.{kind.__qualname__}")


_PLAIN = {float, bool, type(None)}
_TEXTS = (str, bytes, bytearray, memoryview, UserString)
_ORDERED_SETS = (KeysView, ItemsView)
"""Sets by their interface, which have the order of their mapping."""


def _is_sequence(value: Any) -> bool:
    """Return whether *value* holds items in an order, as deque, range, UserList and the values of a mapping do."""
    return isinstance(value, (Sequence, ValuesView)) and not isinstance(value, _TEXTS) and not hasattr(value, "tolist")


def _items(value: Any) -> list[Any]:
    if isinstance(value, range) and len(value) > LONGEST_RANGE:
        raise ValueError(f"it is longer than {LONGEST_RANGE}")
    return list(value)


def _mapping(value: Mapping[Any, Any], path: str, replace: Replace, above: tuple[int, ...], depth: int) -> Any:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        name = _name(key)
        if name is None or "\0" in name or not _is_utf8(name):
            shown = type(key).__name__ if name is None else ascii(name[:40])
            name = str(replace(key, f"{path}.{shown}", "a key that no document can hold")).replace("\0", "")
            name = name.encode(errors="replace").decode()
        if name in plain:
            return replace(value, path, f"two keys that both read {name[:40]!r}")
        plain[name] = _plain(item, f"{path}.{name[:MAX_NAME]}", replace, above, depth + 1)
    if "$ref" in plain and "$id" in plain:
        return replace(value, path, "a mapping with the keys $ref and $id, which comes back as a reference")
    return plain


def _name(key: Any) -> str | None:
    """Return *key* as a string, None for what has no such form (an integer of a million digits has none)."""
    try:
        return str.__str__(key) if isinstance(key, str) else str(key)
    except ValueError:
        return None


def _array(value: Any, path: str, replace: Replace, above: tuple[int, ...], depth: int) -> Any:
    kind = type(value)
    try:
        # Dates and durations in fine units have no form to become: numpy would make bare numbers of them.
        numpys = getattr(getattr(value, "dtype", None), "kind", None)
        if numpys == "m":
            return replace(value, path, "a value of type timedelta64")
        is_in_zone = getattr(value.dtype, "tz", None) is not None if numpys == "M" else False  # pandas' own
        plain = (value.astype("datetime64[ms]") if numpys == "M" and not is_in_zone else value).tolist()
    except Exception as error:  # noqa: BLE001 - whatever a user's class does
        return replace(value, path, f"a value of type {kind.__name__} whose tolist fails: {error!r:.80}")
    if type(plain) is kind and isinstance(value, numbers.Real):  # numpy's longdouble
        return _float(value, path, replace)
    if type(plain) is kind or depth > MAX_DEPTH:
        return replace(value, path, f"a value of type {kind.__name__}")
    return _plain(plain, path, replace, above, depth + hasattr(plain, "tolist"))


def _is_frame(value: Any) -> bool:
    """Return whether *value* is a data frame of pandas."""
    return all(hasattr(value, name) for name in ("columns", "iloc", "items")) and not isinstance(value, type)


def _columns(frame: Any) -> Any:
    """Return the columns of *frame* by name, or as pairs of name and column where two have one name."""
    columns = list(frame.items())
    named = dict(columns)
    return named if len(named) == len(columns) else columns


def _float(value: Any, path: str, replace: Replace) -> Any:
    try:
        plain = float(value)
    except (OverflowError, ValueError):
        return replace(value, path, "a number beyond all floats")
    if math.isinf(plain) and abs(value) != math.inf:  # a Decimal or a longdouble that is only too large
        return replace(value, path, "a number beyond all floats")
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
        t = value if value.tzinfo is None else value.astimezone(dt.UTC)
        whole = t.microsecond // 1000 * 1000
        return dt.datetime(t.year, t.month, t.day, t.hour, t.minute, t.second, whole, tzinfo=t.tzinfo and dt.UTC)
    except (OverflowError, ValueError, TypeError):  # the last for pandas' NaT, a date without any date
        return replace(value, path, "a date that has no UTC form")


def _ordered(items: list[Any]) -> list[Any]:
    """Return the plain *items* of a set in an order that does not depend on how they were hashed."""
    if all(isinstance(item, (int, float)) and item == item for item in items):
        return sorted(items)
    return sorted(items, key=lambda item: item if type(item) is str else repr(item))


def as_loss(value: float | None) -> tuple[float | None, str | None]:
    """Return *value* as a (finite number or None, kind) pair, the form in which queries can sort it.

    NaN sorts below every number in MongoDB, so what is not finite is named beside an absent loss.
    """
    if value is None:
        return None, None
    if math.isfinite(value):
        return value, "finite"
    return None, "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")


def from_loss(loss: float | None, kind: str | None) -> float | None:
    """Return the value of which `as_loss` made *loss* and *kind*."""
    return loss if kind in (None, "finite") else float(kind)
