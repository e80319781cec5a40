"""The session of one command: its store, opened when it is first needed, and how errors are printed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from hstore.store.errors import HstoreError, VerificationFailed
from hstore.store.indigestible import BROKEN, indigestible
from hstore.store.messages import shown_on_stderr
from hstore.store.terminal_text import printable

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store


TIMEOUT = 5.0
"""Seconds that a command waits for a server; a search waits without a limit."""


INTERRUPTED, OUR_MISTAKE = 130, 70


class Session:
    """What each command gets: the store, opened when it is first needed."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self.check_schema = True

    @cached_property
    def store(self) -> Store:
        """The store of --store, of $HSTORE_URL, or the embedded one."""
        from hstore.store.open_store import open_store

        return open_store(self.url, patience=TIMEOUT, check_schema=self.check_schema)

    @contextmanager
    def experiment(self, name: str, at: str | None = None) -> Iterator[Experiment]:
        """Yield experiment *name*, as of *at* if that is given.

        If its log is corrupt, errors of the body become `VerificationFailed`, where no digest shows it `Indigestible`.
        """
        try:
            yield self.store.experiment(name, at=at)
        except HstoreError:
            raise
        except BROKEN as error:
            from hstore.store.verify import verify

            findings = verify(self.store.log.documents(name)).findings
            if not findings:
                raise indigestible(name, error) from error
            raise VerificationFailed(
                f"the log of experiment {name!r} is corrupt: {findings[0].message}",
                hint=f"see `hstore verify {name}`",
            ) from error

    def close(self) -> None:
        """Close the store if it was opened."""
        if "store" in self.__dict__:
            self.store.close()


class Failure(click.ClickException):
    """An error as click shows it: one line with its hint, and an exit code."""

    def __init__(self, error: Exception) -> None:
        if isinstance(error, HstoreError):
            message, code = f"{error} ({error.hint})" if error.hint else str(error), error.exit_code
        elif isinstance(error, OSError):  # a full disk, say
            message, code = str(error), HstoreError.exit_code
        else:
            message = f"this is a bug in hstore: {type(error).__name__}: {error} (--debug shows the traceback)"
            code = OUR_MISTAKE
        super().__init__(printable(" ".join(message.split())))
        self.exit_code = code  # type: ignore[misc]  # click reads it from the instance


class Group(click.Group):
    """A command group whose commands may raise `HstoreError`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; turn an `HstoreError` into a `Failure`."""
        try:
            with shown_on_stderr(always=True):
                return super().invoke(ctx)
        except HstoreError as error:
            raise Failure(error) from error
