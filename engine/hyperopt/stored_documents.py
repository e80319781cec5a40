"""The documents of `MongoTrials`: SON as hyperopt's are, at the price of a dict."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from bson.son import SON


class StoredDocument(SON[str, Any]):
    """A `bson.SON`, which programs call `to_dict` of."""

    __slots__ = ()

    def __copy__(self) -> StoredDocument:
        made: StoredDocument = StoredDocument(self)
        return made

    def __deepcopy__(self, memo: Any) -> StoredDocument:
        made: StoredDocument = StoredDocument({key: copy.deepcopy(value, memo) for key, value in self.items()})
        return made

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredDocument, (dict(self),)

    def to_dict(self) -> dict[str, Any]:
        """Return it as a plain dict, and so all that is inside."""
        return {key: _plain(value) for key, value in self.items()}


# SON keeps the order of its keys by itself, in Python, since it is older than the order in dicts.
for _name in (
    "__new__", "__init__", "__setitem__", "__delitem__", "__contains__", "__iter__", "__len__", "__eq__", "__ne__",
    "__repr__", "keys", "values", "items", "get", "pop", "popitem", "clear", "update", "setdefault",
):  # fmt: skip
    setattr(StoredDocument, _name, getattr(dict, _name))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value


def stored(value: Any) -> Any:
    """Return *value* with each dict in it, and in its lists, as a `StoredDocument`."""
    if isinstance(value, Mapping):
        return StoredDocument({key: stored(each) for key, each in value.items()})
    if type(value) is not list:
        return value
    return [each if type(each) is float else stored(each) for each in value]  # millions of numbers, perhaps
