"""Naive dates in events: BSON holds moments in UTC and nothing more, so an event says which of its dates had no zone.

An event's data holds `naive`, a list of paths: each the name of a field, then keys and positions down to a value of
which all dates are naive. `{"result": {"loss": 1.0, "started": <date>}}` with a naive date has `naive: [["result"]]`.
Pure.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

NAIVE = "naive"
_FIELDS = ("result", "params", "late", "imported")
"""Where values of users stand."""
_DATELESS = {float, int, str, bool, type(None)}
_DEEPEST = 70

Path = list[str | int]


def naive_parts(data: Mapping[str, Any]) -> list[Path]:
    """Return the paths in the *data* of an event to all values of which every date is naive, the largest such values.

    In memory an event may hold anything: what is no dict or list is not looked into, nor one that holds itself.
    """
    found: list[Path] = []
    for name in _FIELDS:
        if name in data:
            has_aware, paths = _parts(data[name], set(), 0)
            found += [[name, *path] for path in (paths if has_aware or not paths else [[]])]
    return found


def _parts(value: Any, seen: set[int], depth: int) -> tuple[bool, list[Path]]:
    """Return whether *value* holds an aware date, and the paths to its naive parts."""
    if isinstance(value, dt.datetime):
        return (False, [[]]) if value.tzinfo is None else (True, [])
    kind = type(value)
    if (kind is not dict and kind is not list) or id(value) in seen or depth > _DEEPEST:
        return False, []
    seen.add(id(value))
    items = value.items() if kind is dict else enumerate(value)
    parts = [  # of what can hold a date: a list may hold millions of numbers
        (key, *_parts(item, seen, depth + 1)) for key, item in items if type(item) not in _DATELESS
    ]
    has_aware = any(is_aware for _, is_aware, _ in parts)
    found: list[Path] = []
    for key, is_aware, paths in parts:
        found += [[key, *path] for path in (paths if is_aware or not paths else [[]])]
    return has_aware, found


def with_naive_dates(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the *data* of a stored event with its naive dates naive, and without the list of them.

    A list that `naive_parts` would not have made is left where it is, and changes nothing.
    """
    marks = data[NAIVE]
    whole: Any = {name: value for name, value in data.items() if name != NAIVE}
    try:
        for path in marks:
            whole = _replaced(whole, path)
    except (TypeError, KeyError, IndexError, RecursionError):
        return data
    return whole if naive_parts(whole) == marks else data


def _replaced(value: Any, path: Sequence[Any]) -> Any:
    """Return *value* with the dates naive in the part of it to which *path* leads."""
    if not path:
        return _naive(value)
    key, rest = path[0], path[1:]
    if isinstance(value, list):
        return [*value[:key], _replaced(value[key], rest), *value[key + 1 :]]
    return {**value, key: _replaced(value[key], rest)}


def _naive(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, dict):
        return {key: _naive(item) for key, item in value.items()}
    return [_naive(item) for item in value] if isinstance(value, list) else value
