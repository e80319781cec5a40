"""Dotted names: from the text `package.module.name` to the object, and to what it returns when it is called."""

from __future__ import annotations

import importlib
import pickle
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hstore.store.errors import CannotLoad, InvalidValue


def import_tokens(tokens: Sequence[str]) -> tuple[Any, list[str]]:
    """Return the module that the longest beginning of *tokens* names, and the tokens that are left.

    Raises `CannotLoad` if not even the first one names a module, and whatever a module raises that is there.
    """
    if not tokens:
        raise InvalidValue("nothing is named: there are no tokens")
    module = None
    for n in range(1, len(tokens) + 1):
        name = ".".join(tokens[:n])
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name is not None and not name.startswith(error.name):  # the module is there, what it needs is not
                raise
            if module is None:
                raise CannotLoad(f"there is no module {name}", hint="install it, or put it on PYTHONPATH") from error
            return module, list(tokens[n - 1 :])
    return module, []


def load_tokens(tokens: Sequence[str]) -> Any:
    """Return the object that *tokens*, the parts of a dotted name, lead to; raises `CannotLoad`."""
    found, left = import_tokens(tokens)
    for token in left:
        try:
            found = getattr(found, token)
        except AttributeError:
            raise CannotLoad(f"cannot find {'.'.join(tokens)}: there is no {token}") from None
    return found


def json_lookup(json: str) -> Any:
    """Return the object at the dotted name *json*; raises `CannotLoad`."""
    return load_tokens(json.split("."))


def json_call(json: str, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None) -> Any:
    """Return what the function at the dotted name *json* returns for *args* and *kwargs*."""
    if not isinstance(json, str):
        raise InvalidValue(f"a function is called by its dotted name, not by {json!r:.60}")
    return json_lookup(json)(*args, **(kwargs or {}))


def get_obj(
    f: str | Callable[..., Any], argfile: str | None = None, argstr: bytes | None = None, args: Iterable[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
) -> Any:  # fmt: skip
    """Return what *f*, a function or its dotted name, returns for *args* and *kwargs*.

    argfile, argstr: a file, or bytes, with a pickled dict {"args": …, "kwargs": …}; what is in it comes before
        *args* and gives way to *kwargs*. A pickle runs code: read none but your own.
    """
    if argfile is not None and argstr is not None:
        raise InvalidValue("give either argfile or argstr, not both")
    if argfile is not None:
        argstr = Path(argfile).read_bytes()
    pickled = pickle.loads(argstr) if argstr is not None else {}
    if not isinstance(pickled, Mapping):
        raise InvalidValue(f"pickled arguments are a dict of args and kwargs, not a {type(pickled).__name__}")
    function = json_lookup(f) if isinstance(f, str) else f
    return function(*pickled.get("args", ()), *args, **{**pickled.get("kwargs", {}), **(kwargs or {})})
