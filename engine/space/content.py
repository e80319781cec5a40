"""Content: a digest of any object, the same in every process, by which two spaces tell whether an option is the same.

It depends on the object's type and on what the object holds, never on what a process makes of it: the order of a set
(hash seeds), the layout of a repr (terminals, print options), an address in memory, the file of a module.
"""

from __future__ import annotations

import contextlib
import enum
import functools
import hashlib
import inspect
import types
import weakref
from collections.abc import Iterable, Mapping
from typing import Any

MAX_DEPTH = 60
"""Levels below which an object counts by its type alone."""
_MAX_DIGITS = 32

_FUNCTIONS = (
    types.FunctionType, types.BuiltinFunctionType, types.MethodDescriptorType, types.WrapperDescriptorType,
    types.MethodWrapperType, types.ClassMethodDescriptorType,
)  # fmt: skip

_first_seen: dict[int, tuple[weakref.ref[Any], bytes]] = {}
"""The digests of objects with a state of their own, by `id`: an evaluation may change the state of an option, and the
same object given to the next fmin of the process is still the same option."""


def content(obj: Any) -> str:
    """Return the digest of *obj*, as 32 hexadecimal digits.

    - Numbers, texts, dates, enumerations: by type and value.
    - Lists and tuples in order; dicts and sets in whatever order.
    - Arrays, data frames and series: by shape, types and values.
    - Functions, classes and modules: by name. A lambda or a function within a function: by what it closes over as well.
    - Estimators: by the parameters that differ from their defaults, fitted or not.
    - Other objects: by their state, which is what pickling would keep; leave out of `__getstate__` what differs from
      run to run, such as a time. Random generators, locks, files and what has no state that can be had: by type.
    """
    return _Walk().digest(obj).hex()[:_MAX_DIGITS]


class _Walk:
    """One walk through an object, which may hold itself."""

    def __init__(self) -> None:
        self._path: dict[int, int] = {}
        """Level of each object that the walk is within, by `id`."""
        self._known: dict[int, bytes] = {}
        self._kept: list[Any] = []
        """Objects made on the way: as long as they live, no other has their `id`."""
        self._highest = MAX_DEPTH
        """The outermost level that the objects walked through so far hold again."""

    def digest(self, obj: Any) -> bytes:
        kind = type(obj)
        if obj is None or kind in (bool, int, str, bytes, float, complex):
            return _hash(kind.__name__, repr(obj))
        level = len(self._path)
        if (above := self._path.get(id(obj))) is not None:
            self._highest = min(self._highest, above)
            return _hash("itself", level - above)
        if (known := self._known.get(id(obj))) is not None:
            return known
        name = _name(kind)
        if level >= MAX_DEPTH:
            return _hash(name)
        self._path[id(obj)] = level
        self._kept.append(obj)
        highest, self._highest = self._highest, MAX_DEPTH
        try:
            found = _hash(name, *self._parts(obj))
        except Exception:  # noqa: BLE001 - whatever a user's own class does when it is asked for its state
            found = _hash(name)
        finally:
            del self._path[id(obj)]
        if self._highest >= level:  # nothing below refers to what is above
            self._known[id(obj)] = found
        self._highest = min(highest, self._highest)
        return found

    def _parts(self, obj: Any) -> Iterable[Any]:
        """Yield what tells *obj* from others of its type."""
        if isinstance(obj, (types.ModuleType, type)):
            return [getattr(obj, "__qualname__", obj.__name__), _package(obj)]
        if isinstance(obj, enum.Enum):
            return [obj.name]
        if isinstance(obj, types.MethodType):
            return [self.digest(obj.__self__), obj.__name__]
        if isinstance(obj, _FUNCTIONS) or (callable(obj) and type(obj).__name__ == "ufunc"):
            return self._parts_of_function(obj)
        if hasattr(obj, "isoformat"):
            return [obj.isoformat(), str(getattr(obj, "tzinfo", None))]
        if isinstance(obj, (list, tuple)) and type(obj).__reduce_ex__ is object.__reduce_ex__:
            return [len(obj), *map(self.digest, obj)]
        if type(obj) is dict:
            return self._unordered([key, value] for key, value in obj.items())
        if isinstance(obj, (set, frozenset)):
            return self._unordered(obj)
        if _is_of(obj, "pandas"):
            return self._parts_of_pandas(obj)
        if hasattr(obj, "dtype") and hasattr(obj, "shape") and hasattr(obj, "__array__"):
            return self._parts_of_array(obj)
        if _is_of(obj, "numpy") and type(obj).__name__ == "dtype":
            return [str(obj)]
        if _is_random(obj):
            return []
        if hasattr(obj, "get_params") and callable(obj.get_params):
            return self._parts_of_estimator(obj)
        return [self._state(obj)]

    def _unordered(self, items: Iterable[Any]) -> list[bytes]:
        return sorted(self._fresh(item) for item in items)

    def _fresh(self, obj: Any) -> bytes:
        """Return the digest of *obj*, which was made on the way."""
        self._kept.append(obj)
        return self.digest(obj)

    def _parts_of_function(self, function: Any) -> list[Any]:
        name = getattr(function, "__qualname__", function.__name__)
        parts: list[Any] = [name, _package(function)]
        if "<" in name and isinstance(function, types.FunctionType):
            parts += [self._fresh(function.__defaults__), self._fresh(function.__kwdefaults__)]
            parts += [self.digest(cell.cell_contents) for cell in function.__closure__ or ()]
        return parts

    def _parts_of_pandas(self, obj: Any) -> list[Any]:
        if hasattr(obj, "columns"):
            columns = [obj.iloc[:, i] for i in range(obj.shape[1])]
            values = [self._fresh(column.to_numpy()) for column in columns]
            dtypes = [str(column.dtype) for column in columns]
            return [*obj.shape, self._fresh(list(obj.columns)), self._fresh(obj.index.to_numpy()), *dtypes, *values]
        if hasattr(obj, "to_numpy"):
            index = [self._fresh(obj.index.to_numpy())] if hasattr(obj, "index") else []
            named = self._fresh(list(obj.names) if hasattr(obj, "names") else getattr(obj, "name", None))
            return [named, str(obj.dtype), *index, self._fresh(obj.to_numpy())]
        return [self._state(obj)]

    def _parts_of_array(self, obj: Any) -> list[Any]:
        if hasattr(obj, "detach"):  # a tensor, wherever it lies
            obj = obj.detach().cpu()
        if hasattr(obj, "mask"):
            return [str(obj.dtype), *obj.shape, self._fresh(obj.tolist())]
        array = obj if hasattr(obj, "tobytes") else obj.__array__()
        if array.dtype.hasobject:
            return ["object", *array.shape, self._fresh(array.tolist())]
        return [array.dtype.str, *array.shape, array.tobytes()]

    def _parts_of_estimator(self, obj: Any) -> list[bytes]:
        defaults = {name: each.default for name, each in inspect.signature(type(obj).__init__).parameters.items()}
        given = [(name, self.digest(value)) for name, value in obj.get_params(deep=False).items()]
        nothing = inspect.Parameter.empty
        # A later version of its library may add parameters: those that nobody sets make no difference.
        return sorted(
            _hash(name, value)
            for name, value in given
            if (default := defaults.get(name, nothing)) is nothing or value != self.digest(default)
        )

    def _state(self, obj: Any) -> bytes:
        seen = _first_seen.get(id(obj))
        if seen is not None and seen[0]() is obj:
            return seen[1]
        found = self._state_now(obj)
        key = id(obj)
        with contextlib.suppress(TypeError):  # it has no room for a weak reference
            _first_seen[key] = weakref.ref(obj, lambda _: _first_seen.pop(key, None) and None), found
        return found

    def _state_now(self, obj: Any) -> bytes:
        reduced = obj.__reduce_ex__(4)
        if isinstance(reduced, str):
            return _hash(reduced)
        # The function that makes it anew is left out: that is its library's affair, and the type is known.
        args, state, *items = [*reduced[1:5], None, None, None, None][:4]
        if reduced[0].__name__ in ("__newobj__", "__newobj_ex__"):
            args = args[1:]
        if isinstance(state, Mapping):
            state = _lasting(obj, state)
        elif isinstance(state, tuple) and len(state) == 2 and isinstance(state[1], Mapping):  # with __slots__
            state = [_lasting(obj, part) for part in state if part]
        parts = [self._fresh(args), self._fresh(state)]
        return _hash(*parts, *(self._fresh([*each]) if each is not None else b"" for each in items))


def _lasting(obj: Any, state: Mapping[Any, Any]) -> dict[Any, Any]:
    """Return *state* without the properties that its object computes when they are first asked for."""
    kind = type(obj)
    return {
        key: value
        for key, value in state.items()
        if not isinstance(getattr(kind, key, None) if isinstance(key, str) else None, functools.cached_property)
    }


def _hash(*parts: Any) -> bytes:
    hashed = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        hashed.update(b"%d:" % len(data))
        hashed.update(data)
    return hashed.digest()


def _package(obj: Any) -> str:
    """Return the package that *obj* is of: libraries move their classes about within theirs."""
    return str(getattr(obj, "__module__", None) or "").partition(".")[0]


def _name(kind: type) -> str:
    return f"{_package(kind)}.{kind.__qualname__}"


def _is_of(obj: Any, package: str) -> bool:
    return any(_package(kind) == package for kind in type(obj).__mro__)


def _is_random(obj: Any) -> bool:
    """Return whether *obj* is a random generator, whose state goes on with every draw."""
    kinds = type(obj).__mro__
    return any(kind.__module__.startswith(("numpy.random", "random", "_random")) for kind in kinds)
