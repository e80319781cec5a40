"""The documents of `MongoTrials`: SON as hyperopt's are, at the price of a dict."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.son import SON


class StoredDocument(SON[str, Any]):
    """A `bson.SON`, which programs call `to_dict` of.

    SON keeps the order of its keys in Python, since before dicts did; each of its methods is that of dict here.
    """

    __slots__ = ()
    __new__ = dict.__new__  # type: ignore[assignment]
    __init__ = dict.__init__  # type: ignore[assignment]
    __setitem__ = dict.__setitem__  # type: ignore[assignment]
    __delitem__ = dict.__delitem__  # type: ignore[assignment]
    __contains__ = dict.__contains__  # type: ignore[assignment]
    __iter__ = dict.__iter__
    __len__ = dict.__len__  # type: ignore[assignment]
    __eq__ = dict.__eq__  # type: ignore[assignment]
    __ne__ = dict.__ne__  # type: ignore[assignment]
    __repr__ = dict.__repr__  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]
    keys = dict.keys  # type: ignore[assignment]
    values = dict.values  # type: ignore[assignment]
    items = dict.items  # type: ignore[assignment]
    get = dict.get  # type: ignore[assignment]
    pop = dict.pop  # type: ignore[assignment]
    popitem = dict.popitem  # type: ignore[assignment]
    clear = dict.clear  # type: ignore[assignment]
    update = dict.update  # type: ignore[assignment]
    setdefault = dict.setdefault  # type: ignore[assignment]

    def copy(self) -> StoredDocument:
        """Return another one with the same keys and values."""
        return StoredDocument(self)

    __copy__ = copy

    def __deepcopy__(self, memo: Any) -> StoredDocument:
        from copy import deepcopy

        return StoredDocument({key: deepcopy(value, memo) for key, value in self.items()})

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredDocument, (dict(self),)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a plain dict, and so all that is inside."""
        return {key: _plain(value) for key, value in self.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def stored(value: Any) -> Any:
    """Return *value* with each dict in it, and in its lists, as a `StoredDocument`."""
    if isinstance(value, Mapping):
        return StoredDocument({key: stored(each) for key, each in value.items()})
    return [stored(each) for each in value] if type(value) is list else value
