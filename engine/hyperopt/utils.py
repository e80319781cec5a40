"""hyperopt.utils: objects by dotted names, directories to work in, versions of documents, literals of an expression."""

from __future__ import annotations

import datetime as dt
import importlib
import os
import pickle
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hstore.engine.space import Apply, Literal, as_apply
from hstore.engine.space.expressions import dfs
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


@contextmanager
def working_dir(dir: str | os.PathLike[str]) -> Iterator[None]:
    """Have *dir* as the process's working directory; the one before is back afterwards, whatever happens."""
    before = os.getcwd()
    os.chdir(dir)
    try:
        yield
    finally:
        os.chdir(before)


@contextmanager
def temp_dir(dir: str | os.PathLike[str], erase_after: bool = False, with_sentinel: bool = True) -> Iterator[None]:
    """Have directory *dir*, made with its parents if it is not there; the working directory stays as it is.

    With *erase_after* what was made here is removed afterwards, also after an exception: *dir* and, unless it was made
    without *with_sentinel*, the parents that were made for it and are empty then. Nothing that was there before is
    removed. Meanwhile a file beside what is to be removed says so to other processes: its name and `.inuse`. Raises
    `InvalidValue` for a path through `..`.
    """
    path = os.fspath(dir)
    if os.pardir in Path(path).parts:
        raise InvalidValue(f"a directory to make must not lead through '..': {path}")
    if os.path.isdir(path):
        yield
        return
    there, first = get_closest_dir(path)
    top = Path(there) / first
    sentinel = top.with_name(f"{top.name}.inuse")
    has_sentinel = erase_after and with_sentinel
    if has_sentinel:
        sentinel.touch()
    try:
        os.makedirs(path)
        yield
    finally:
        if erase_after:
            _erase(Path(path), top if with_sentinel else Path(path))
        if has_sentinel:
            sentinel.unlink(missing_ok=True)


def _erase(path: Path, top: Path) -> None:
    """Remove *path* with what is in it, and its parents up to *top* as far as they are empty."""
    shutil.rmtree(path, ignore_errors=True)
    while path != top:
        path = path.parent
        if any(path.iterdir()):  # another program put something there
            return
        path.rmdir()


def path_split_all(path: str | os.PathLike[str]) -> Iterator[str]:
    """Return the parts of *path*, the topmost first: the root if it is absolute, `..` as it is, no empty ones."""
    return iter(Path(path).parts)


def get_closest_dir(workdir: str | os.PathLike[str]) -> tuple[str, str]:
    """Return the longest part of the path *workdir* that is a directory, "" for the working one, and the name after it.

    Raises `InvalidValue` if all of it is there.
    """
    there = Path()
    for part in path_split_all(workdir):
        if not (there / part).is_dir():
            return "" if there == Path() else str(there), part
        there /= part
    raise InvalidValue(f"all of {os.fspath(workdir)!r} is there already")


def coarse_utcnow() -> dt.datetime:
    """Return the time as a MongoDB document holds it: UTC without saying so, whole milliseconds."""
    now = dt.datetime.now(dt.UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000, tzinfo=None)


def get_most_recent_inds(obj: Sequence[Mapping[str, Any]]) -> NDArray[np.intp]:
    """Return the places in *obj* of the latest `version` of each `_id`, by ascending `_id`."""
    latest: dict[Any, int] = {}
    for place, document in enumerate(obj):
        known = latest.get(document["_id"])
        if known is None or document["version"] >= obj[known]["version"]:
            latest[document["_id"]] = place
    return np.array([latest[_id] for _id in sorted(latest)], dtype=np.intp)


def fast_isin(X: ArrayLike, Y: ArrayLike) -> NDArray[np.bool_]:  # noqa: N803
    """Return which elements of *X* are in *Y*."""
    return np.isin(X, Y)


def use_obj_for_literal_in_memo(
    expr: Any, obj: Any, lit: Any, memo: MutableMapping[Apply, Any]
) -> MutableMapping[Apply, Any]:
    """Have *memo* say *obj* for each literal of *expr* that is the very object *lit*; return *memo*."""
    memo.update((node, obj) for node in dfs(as_apply(expr)) if isinstance(node, Literal) and node.obj is lit)
    return memo
