"""Indigestible experiments: what cannot be done with one, because of its events, is reported for that one alone."""

from __future__ import annotations

from hstore.store.errors import Conflict, HstoreError, Indigestible, StoreUnreachable

BROKEN = (
    ArithmeticError, AssertionError, AttributeError, LookupError, NotImplementedError, RecursionError, TypeError,
    ValueError,
)  # fmt: skip
"""Errors that code which expects sound events may raise for others."""


def indigestible(name: str, error: Exception) -> Indigestible:
    """Return the error that says that experiment *name* cannot be handled because of *error*."""
    return Indigestible(
        f"experiment {name!r} cannot be handled: an event holds what this program does not expect, "
        f"or this is a bug in hstore ({type(error).__name__}: {error!s:.200})",
        hint=f"see `hstore check {name}`", exp=name,
    )  # fmt: skip


def refusal(name: str, error: Exception) -> HstoreError | None:
    """Return *error* as that of experiment *name* alone; None if it is about the store, or about this process."""
    if isinstance(error, (StoreUnreachable, Conflict)):
        return None
    if isinstance(error, HstoreError):
        return error
    return indigestible(name, error) if isinstance(error, BROKEN) else None
