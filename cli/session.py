"""The session of one command: its store, opened when it is first needed, and how errors are printed."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.store.errors import HstoreError, InvalidName, VerificationFailed
from hstore.store.indigestible import BROKEN, indigestible
from hstore.store.messages import shown_on_stderr
from hstore.store.terminal_text import printable
from hstore.store.values import check_name, check_new_name

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.experiment_summary import ExperimentSummary
    from hstore.store.store import Store


TIMEOUT = 5.0
"""Seconds that a command waits for a server; a search waits without a limit."""


INTERRUPTED, OUR_MISTAKE = 130, 70


class Session:
    """What each command gets: the store, opened when it is first needed."""

    def __init__(self, url: str | None) -> None:
        self.url = url
        self._bundles: dict[str, tuple[Store, str]] = {}
        self.check_schema = True

    @cached_property
    def store(self) -> Store:
        """The store of --store, of $HSTORE_URL, or the embedded one."""
        from hstore.store.open_store import open_store

        return open_store(self.url, patience=TIMEOUT, check_schema=self.check_schema)

    def is_file(self, name: str) -> bool:
        """Return whether *name* is that of a file of a bundle, and not of an experiment."""
        if not name.endswith(".hstore"):
            return False
        from hstore.store.bundle import is_bundle

        return is_bundle(name)

    def refuse_file(self, *names: str) -> None:
        """Raise `click.UsageError` for the first of *names* that is a file: the command writes to experiments."""
        for name in filter(self.is_file, names):
            raise click.UsageError(f"{name} is a file: `hstore import {name}` makes an experiment of it first")

    def check_new(self, name: str) -> None:
        """Raise `InvalidName` if there is no experiment *name* and a command should not begin one."""
        try:
            check_new_name(name)
        except InvalidName:
            if name not in self.store.experiments():
                raise

    def place(self, name: str) -> tuple[Store, str]:
        """Return the store that has the experiment *name*, and its name there; *name* may be a file of a bundle."""
        if not self.is_file(name):
            return self.store, check_name(name)
        from hstore.store.bundle import open_bundle
        from hstore.store.keys import VARIABLE, read_keys

        if name not in self._bundles:
            self._bundles[name] = open_bundle(Path(name), keys=read_keys(os.environ.get(VARIABLE)))
        return self._bundles[name]

    @contextmanager
    def experiment(
        self, name: str, at: str | None = None, *, only: Iterable[int] | None = None
    ) -> Iterator[Experiment]:
        """Yield experiment *name*, as of *at* if that is given; see `reading` for what errors of the body become.

        only: see `Store.experiment`.
        """
        with self.reading(name) as (store, place):
            yield store.experiment(place, only=only, at=at)

    @contextmanager
    def shown(self, name: str, at: str | None = None, *, only: Iterable[int] | None = None) -> Iterator[Experiment]:
        """Yield what `experiment` does, to be printed: say first if no key signs some of the events that were read."""
        from hstore.store.as_of import parse
        from hstore.store.experiment import now

        with self.reading(name) as (store, place):
            found = store.experiment(place, only=only if at is None else None)
            warn_of_unsigned(found, name)
            yield found if at is None else store.past(found, parse(at, now()))

    @contextmanager
    def settled_experiment(self, name: str) -> Iterator[Experiment]:
        """Yield experiment *name*, of which most trials are read when they are asked for: see `settled_reading`."""
        from hstore.store.settled_reading import settled_experiment

        with self.reading(name) as (store, place):
            yield settled_experiment(store, place)

    @contextmanager
    def summary(self, name: str, *, exact: bool = False, at: str | None = None) -> Iterator[ExperimentSummary]:
        """Yield the summary of experiment *name* (see `Store.summary`), as of *at* if that is given.

        For errors see `reading`.
        """
        from hstore.store.experiment_summary import ExperimentSummary

        if at is None:
            with self.reading(name) as (store, place):
                yield store.summary(place, exact=exact)
        else:
            with self.shown(name, at) as found:
                yield ExperimentSummary(found)

    @contextmanager
    def reading(self, name: str) -> Iterator[tuple[Store, str]]:
        """Yield `place`; turn errors of the body into `VerificationFailed` if the log of experiment *name* is corrupt.

        Where no digest shows it, `Indigestible`.
        """
        store, place = self.place(name)
        try:
            yield store, place
        except HstoreError:
            raise
        except BROKEN as error:
            from hstore.store.verify import verify

            findings = verify(store.log.documents(place), fetch=store.attachments.get).findings
            if not findings:
                raise indigestible(name, error) from error
            raise VerificationFailed(
                f"the log of experiment {name!r} is corrupt: {findings[0].message}",
                hint=f"see `hstore verify {name}`",
            ) from error

    def close(self) -> None:
        """Close the store if it was opened."""
        for store, _ in self._bundles.values():
            store.close()
        if "store" in self.__dict__:
            self.store.close()


def warn_of_unsigned(experiment: Experiment, name: str) -> None:
    """Say on stderr if there is a key, and it does not sign all that was read of *experiment*, which is printed next.

    name: what the user calls it. It reads no more of the log.
    """
    from hstore.cli.printing import print_note
    from hstore.cli.table import text

    unsigned = [each for each in experiment.set_aside_if_signed() if each.is_unsigned]
    if unsigned:
        more = f", and {len(unsigned) - 1} more" if len(unsigned) > 1 else ""
        print_note(
            f"hstore: {text(name)}: {text(unsigned[0].problem)}{more}; workers and fmin do not go by such events "
            f"(`hstore verify {text(name)}` shows who signed what)"
        )


@contextmanager
def writing(file: str) -> Iterator[None]:
    """Make one line of it if the body cannot write *file*."""
    try:
        yield
    except OSError as error:
        raise click.ClickException(f"cannot write {file}: {error.strerror or error}") from None


@contextmanager
def verified(experiment: Experiment, name: str, done: str) -> Iterator[None]:
    """Verify *experiment* before the body appends to it; raise an error that says that it was not *done*.

    name: what the user calls it. Raises `VerificationFailed` if a digest does not match, `Conflict` if it has gone on.
    """
    from hstore.store.errors import Conflict
    from hstore.store.verify import verify

    findings = verify(experiment.documents(), fetch=experiment.store.attachments.get).findings
    if findings:
        raise VerificationFailed(
            f"experiment {name!r} was not {done}: {findings[0].message}", hint=f"see `hstore verify {name}`"
        )
    try:
        yield
    except Conflict as error:
        raise Conflict(f"{name!r} has gone on meanwhile; nothing was {done}", hint="try again") from error


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
