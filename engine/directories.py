"""Directories: working in one for a while, and what a path is made of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hstore.store.errors import InvalidValue


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
        if any(path.iterdir()):  # somebody else put something there
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
