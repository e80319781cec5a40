"""What a callback needs of a trial, and how it finds the class that a library wants its callbacks to be made from."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import Any, Protocol

from hstore.store.errors import InvalidValue


class ReportingTrial(Protocol):
    """A trial that hears how its training is getting on: the `ctrl` of an objective, or a trial that was asked for."""

    def report(self, step: int, value: float) -> None:
        """Record *value* at *step*: smaller is better."""

    def should_stop(self) -> bool:
        """Return whether the training is to stop."""


def base_class(name: str, *modules: str) -> type:
    """Return the class *name* of the first of *modules* that is imported; `object` if none is.

    A program that trains with a library has imported it. Importing it here would be slow, and may pick the wrong one of
    two packages of the same library.
    """
    for module in modules:
        found = getattr(sys.modules.get(module), name, None)
        if isinstance(found, type):
            return found
    return object


def unknown_metric(metric: str | None, known: Iterable[Any], hint: str) -> InvalidValue:
    """Return the error for a *metric* that the training does not compute."""
    names = ", ".join(sorted(map(str, known))) or "none"
    return InvalidValue(f"the training computes no metric {metric or 'at all'!r}; it has: {names}", hint=hint)


def check_mode(mode: Any, *modes: str) -> None:
    """Raise `InvalidValue` unless *mode* is one of *modes*: another word would be the wrong direction, unnoticed."""
    if mode not in modes:
        raise InvalidValue(f"mode must be {' or '.join(map(repr, modes))}, not {mode!r:.60}", path="mode")
