"""Plug-ins: what installed packages offer under a group of entry points, by name."""

import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any

from hstore.store.errors import InvalidValue


def offered(group: str) -> EntryPoints:
    """Return what installed packages offer under *group*."""
    return _offered(group, tuple(sys.path))


@lru_cache(maxsize=8)
def _offered(group: str, path: tuple[str, ...]) -> EntryPoints:
    """Return what is installed on *path*, which is the one that is searched: asking takes a while."""
    return entry_points(group=group)


def whole_name(plug_in: EntryPoint) -> str:
    """Return the name, value and package of *plug_in*, for messages."""
    whose = f" (of {plug_in.dist.name} {plug_in.dist.version})" if plug_in.dist is not None else ""
    return f"the plug-in {plug_in.name} = {plug_in.value}{whose}"


def load(plug_in: EntryPoint, *, hint: str, path: str) -> Any:
    """Return what *plug_in* stands for; raises InvalidValue, with *hint* and *path*, if it cannot be loaded."""
    try:
        return plug_in.load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        message = f"{whole_name(plug_in)} cannot be loaded: {reason:.300}"
        raise InvalidValue(message, hint=hint, path=path) from error
