"""Spaces that cannot be searched, or hold nothing to search: an error, or a warning that says what was meant."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from hstore.engine.space.expressions import Apply
from hstore.engine.space.space import Space, compile_space
from hstore.store.errors import BadSearchSpace

_SHOWN = 60  # characters of a value


def searchable(given: Any, *, stacklevel: int | None) -> Space:
    """Return the space that a user gave for a search; raises `BadSearchSpace` if only points of it are known.

    Warns of one without a hyperparameter; stacklevel: of the user's call, as for `warnings.warn`; None: does not.
    """
    space = given if isinstance(given, Space) else compile_space(given)
    if not space.is_known:
        raise BadSearchSpace("the space is not known: only points of it were imported", hint="give the space itself")
    if not len(space) and stacklevel is not None:
        written = space.evaluate({}) if isinstance(given, Space) else given
        warnings.warn(why_nothing_is_searched(written), UserWarning, stacklevel=stacklevel)
    return space


def why_nothing_is_searched(given: Any) -> str:
    """Return what to say of *given*, a space without any hp expression: that it is constant, and what was meant."""
    guesses = [*_guesses(given, "")]
    hint = "; ".join(guesses) if guesses else 'write a hyperparameter as hp.float("x", 0, 1), say'
    return f"the space has no hyperparameter, so every trial evaluates the same configuration: {hint}"


def _guesses(given: Any, label: str) -> Iterator[str]:
    """Yield for each part of *given* that looks like a range or like options how to write it; *label* names it."""
    if isinstance(given, Mapping):
        for key, value in given.items():
            yield from _guesses(value, str(key))
    elif isinstance(given, (list, tuple, set, frozenset, range)):
        yield from _guesses_of_items(given, label or "x")
    elif hasattr(given, "rvs"):
        yield f"{label or 'it'} is a distribution of scipy.stats: did you mean hp.float, hp.log or hp.normal?"
    elif not label and callable(given) and not isinstance(given, (type, Apply)):
        name = getattr(given, "__name__", "it")
        yield f'{name} is a function, which hstore does not call: give a dict such as {{"x": hp.float("x", 0, 1)}}'


def _guesses_of_items(given: Any, label: str) -> Iterator[str]:
    items = list(given)[:1000]
    if any(isinstance(item, (Mapping, list, tuple)) for item in items):
        for item in items:
            yield from _guesses(item, label)
    elif isinstance(given, tuple) and len(items) == 2 and all(_is_number(item) for item in items):
        kind = "int" if all(isinstance(item, int) for item in items) and items != [0, 1] else "float"
        yield f'did you mean hp.{kind}("{label}", {items[0]}, {items[1]}) by {given!r}?'
    elif items:
        yield f'did you mean hp.choice("{label}", {given!r:.{_SHOWN}})?'


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)
