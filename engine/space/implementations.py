"""Implementations: the Python function of each symbol that expressions may use, by its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hstore.store.errors import BadSearchSpace

IMPLEMENTATIONS: dict[str, Callable[..., Any]] = {}
"""What `scope` defines; a node knows its symbol by name alone."""


def implementation(name: str) -> Callable[..., Any]:
    """Return the function of symbol *name*; raises `BadSearchSpace` if this process defines none."""
    try:
        return IMPLEMENTATIONS[name]
    except KeyError:
        raise BadSearchSpace(
            f"the space uses scope.{name}, which this process does not define",
            hint="import the module that has @scope.define on it",
        ) from None
