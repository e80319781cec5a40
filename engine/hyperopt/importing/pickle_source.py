"""hyperopt's files: pickled `Trials`, read without hyperopt and without running anything that they hold."""

from __future__ import annotations

import codecs
import datetime as dt
import pickle
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID

from hstore.engine.hyperopt.importing import numpy_values
from hstore.engine.hyperopt.importing.jobs import Job
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import Document
from hstore.store.messages import Log
from hstore.store.url import shown_path
from hstore.store.values import normalise

LOG = Log("importing")

DEEPEST = 10_000
"""Of levels; no result of a trial has more than a few."""
ATTACHMENT = "ATTACH::"
"""Begins the names under which `Trials` keeps what belongs to a trial: ATTACH::tid::name."""


class PickledTrials:
    """Stands for hyperopt's `Trials` and its kin."""


class NotRead:
    """Stands for an object of a class that is not read; made, filled and called without running anything of it."""

    of = ""
    """module.name of that class, or of the function that would have made it."""

    def __new__(cls, *_: Any, **__: Any) -> NotRead:
        """Take whatever one is made with."""
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):  # perhaps a subclass of Trials
            vars(self).update({name: value for name, value in state.items() if isinstance(name, str)})

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def extend(self, items: Any) -> None:
        """Leave out what a list of its own kind holds. So with the next two."""

    append = add = extend

    def __call__(self, *_: Any, **__: Any) -> NotRead:
        """Do nothing."""
        return self

    def __repr__(self) -> str:
        return f"<{type(self).of}>"


_STAND_INS = {
    ("hyperopt.base", "Trials"): PickledTrials,
    ("hyperopt", "Trials"): PickledTrials,
    ("hyperopt.spark", "SparkTrials"): PickledTrials,
    ("hyperopt.ipy", "IPythonTrials"): PickledTrials,
}


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Return what older protocols have for bytes."""
    return codecs.encode(text, "latin1" if encoding == "latin1" else "utf-8")


def _bytes_of(kind: type[bytes] | type[bytearray]) -> Callable[..., Any]:
    """Return what makes bytes of bytes, text or a list of integers, and not of a number, which may be any size."""

    def make(source: Any = b"", encoding: str = "latin1") -> Any:
        if isinstance(source, str):
            return kind(_latin1(source, encoding))
        if not isinstance(source, (bytes, bytearray, list)):
            raise pickle.UnpicklingError(f"bytes made of a {type(source).__name__}")
        return kind(source)

    return make


def _reconstructed(kind: type, base: type, state: object) -> object:
    """Make what the oldest protocols make of an instance; only of the stand-ins, whose state is set afterwards."""
    if kind is not PickledTrials and not issubclass(kind, NotRead):
        raise pickle.UnpicklingError("an instance of something else than Trials")
    return kind()


_PLAIN: dict[str, dict[str, Any]] = {
    "builtins": {t.__name__: t for t in (set, frozenset, list, dict, tuple, complex, float)}
    | {"bool": bool, "object": object, "bytes": _bytes_of(bytes), "bytearray": _bytes_of(bytearray)},
    "datetime": {t.__name__: t for t in (dt.datetime, dt.date, dt.time, dt.timedelta, dt.timezone)},
    "collections": {"OrderedDict": OrderedDict, "defaultdict": defaultdict, "deque": deque},
    "uuid": {"UUID": UUID},
    "_codecs": {"encode": _latin1},
    "copyreg": {"_reconstructor": _reconstructed},
}
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
"""Names of modules in pickles of the protocols that Python 2 could read."""


class _Unpickler(pickle._Unpickler):
    """Makes plain values, numpy's numbers and stand-ins; of whatever else a pickle asks for it keeps the name.

    Python's own unpickler, not the one in C: that one believes what a pickle says of the size of its memo.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.not_read: dict[str, type[NotRead]] = {}

    def find_class(self, module: str, name: str) -> Any:
        """Return what *name* of *module* stands for."""
        module = _PYTHON_2.get(module, module)
        if (module, name) in _STAND_INS:
            return _STAND_INS[module, name]
        found = _PLAIN.get(module, {}).get(name)
        if found is None:
            found = _of_bson(module, name) or numpy_values.stand_in(module, name)
        if found is None:
            path = f"{module}.{name}"
            called = {"of": path, "__module__": module, "__qualname__": name}  # in messages
            found = self.not_read.setdefault(path, type(path, (NotRead,), called))
        return found


def _of_bson(module: str, name: str) -> Any:
    if (module, name) not in {
        ("bson.objectid", "ObjectId"), ("bson.son", "SON"), ("bson.int64", "Int64"), ("bson.binary", "Binary"),
    }:  # fmt: skip
        return None
    return getattr(import_module(module), name)


class HyperoptFile:
    """A pickle of `Trials`, or of a list of its documents; see `Source`. Raises `InvalidValue` for any other."""

    def __init__(self, path: Path) -> None:
        self.shown = str(path)
        self.default_name = path.name.partition(".")[0] or path.name
        self._documents, self._attachments, not_read = _unpickled(path)
        if not_read:
            some = ", ".join(not_read[:5]) + (f" and {len(not_read) - 5} more" if len(not_read) > 5 else "")
            LOG.warning(
                f"{path} holds objects made by {some}: these are neither hyperopt's nor plain, and none of them is read"
            )

    def outlines(self) -> Iterator[Document]:
        """See `Source.outlines`."""
        yield from self._documents

    def documents(self, outlines: Sequence[Document]) -> list[Document]:
        """See `Source.documents`."""
        return list(outlines)

    def attachments(self, job: Job) -> Iterator[tuple[str, bytes | None]]:
        """See `Source.attachments`."""
        begin = f"{ATTACHMENT}{job.key[1]}::"
        for name, content in self._attachments.items():
            if name.startswith(begin):
                yield name.removeprefix(begin), self._as_bytes(name, content)

    def shared(self, exp_key: str | None) -> Iterator[tuple[str, bytes | None]]:
        """See `Source.shared`; those of a file belong to all that it holds."""
        for name, content in self._attachments.items():
            if not name.startswith(ATTACHMENT):
                yield name, self._as_bytes(name, content)

    def _as_bytes(self, name: str, content: Any) -> bytes:
        if isinstance(content, str):
            return content.encode("utf-8", "surrogateescape")
        if isinstance(content, (bytes, bytearray, memoryview)):
            return bytes(content)
        import json

        LOG.warning(f"attachment {name!r:.80} is a {type(content).__name__}: it is imported as JSON")
        plain = normalise(content, replace=lambda value, path, why: str(value)[:200])
        return json.dumps(plain, default=str).encode()

    def close(self) -> None:
        """See `Source.close`."""


def _check_size(found: Any, limit: int) -> None:
    """Raise `UnpicklingError` if *found*, written out, has more than *limit* values, or is nested too deep.

    A pickle of a few bytes can name one list a billion times over; writing it out would never end.
    """
    sizes: dict[int, int] = {}
    stack: list[tuple[Any, bool]] = [(found, False)]
    depth = 0
    while stack:
        value, is_done = stack.pop()
        inner = vars(value) if isinstance(value, (PickledTrials, NotRead)) else value
        if isinstance(inner, Mapping):
            parts = [*inner.keys(), *inner.values()]
        elif isinstance(inner, (list, tuple, set, frozenset, deque)):
            parts = list(inner)
        else:
            continue
        if is_done:
            depth -= 1
            sizes[id(value)] = 1 + sum(sizes.get(id(part), 1) for part in parts)
            if sizes[id(value)] > limit:
                raise pickle.UnpicklingError("it names the same values over and over")
        elif id(value) not in sizes:
            sizes[id(value)] = 1  # a cycle ends here
            stack.append((value, True))
            depth += 1
            if depth > DEEPEST:
                raise pickle.UnpicklingError(f"it is nested deeper than {DEEPEST} levels")
            stack.extend((part, False) for part in parts)


def _unpickled(path: Path) -> tuple[list[Document], dict[str, Any], list[str]]:
    """Return the documents and attachments that are pickled at *path*, and the names of what was not read."""
    try:
        with path.open("rb") as file:
            # Strings that a Python 2 pickled have no encoding of their own; this one gives all of them back.
            unpickler = _Unpickler(file, encoding="latin1")
            found = unpickler.load()
        _check_size(found, 64 * path.stat().st_size)
    except FileNotFoundError as error:
        raise NotFound(
            f"there is no file {shown_path(path)}", hint="a URL of a store begins with mongo:// or mongodb://"
        ) from error
    except OSError as error:
        raise InvalidValue(f"{shown_path(path)} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever a file that is no pickle makes the unpickler do
        raise InvalidValue(
            f"{path} is no pickle that can be read: {type(error).__name__}: {error}"[:300],
            hint="it must hold a pickled hyperopt.Trials",
        ) from error
    attachments: Any = {}
    kind = found.of if isinstance(found, NotRead) else type(found).__name__
    if isinstance(found, (PickledTrials, NotRead)):
        attributes = vars(found)
        attachments = attributes.get("attachments") or {}
        found = attributes.get("_dynamic_trials", attributes.get("_trials"))
    if not isinstance(found, (list, tuple)) or not all(isinstance(document, Mapping) for document in found):
        raise InvalidValue(f"{path} holds a {kind}, not hyperopt's Trials", hint="pickle the Trials object itself")
    if not isinstance(attachments, Mapping):
        raise InvalidValue(f"the attachments in {path} are a {type(attachments).__name__}, not a mapping")
    documents = [dict(document) for document in found]
    return documents, {str(name): content for name, content in attachments.items()}, sorted(unpickler.not_read)
