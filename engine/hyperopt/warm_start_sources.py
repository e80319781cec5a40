"""Where a warm start takes its trials from: what a user gives fmin as `warm_start`, read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hstore.engine.hyperopt.installed_objects import trials_of
from hstore.engine.hyperopt.trials import Trials
from hstore.engine.search.warm_start import KnownTrial, known_trials
from hstore.engine.space import Space
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.store.url import redacted


def known_from(given: Any, view: Trials, space: Space) -> list[KnownTrial]:
    """Return the trials of *given* that fit *space*, in the order in which they are given.

    given: the name of an experiment in the store of *view* (in the default store, if *view* is in memory), "url#name"
        for one in another store, `Trials`, an `Experiment`, or a list of such.
    Raises `NotFound` for an experiment that there is not, `InvalidValue` for anything else, and for *view* itself;
    `NotSigned` as `Experiment.check_signatures` does.
    """
    known: list[KnownTrial] = []
    for each in given if isinstance(given, (list, tuple)) else [given]:
        with _opened(each, view, space) as (source, store):
            mine = view.experiment
            is_one_store = store is None and source.store.is_durable and mine.store.is_durable
            if source is mine or (is_one_store and source.name == mine.name):
                raise InvalidValue(f"warm_start: {source.name!r} is the experiment itself", hint="it knows its trials")
            source.check_signatures()
            known += known_trials(source, space, store=store)
    return known


@contextmanager
def _opened(given: Any, view: Trials, space: Space) -> Iterator[tuple[Experiment, str | None]]:
    """Hand out the experiment that *given* means, read, and the URL of its store if it is not that of *view*."""
    from hstore.store.open_store import open_store

    own = view.experiment.store
    given = trials_of(given) or given
    if isinstance(given, Trials):
        given.refresh()
        given.documents.learn(space)  # what waits for a space was searched in one like this
        yield given.experiment, _url(given.experiment.store, own)
    elif isinstance(given, Experiment):
        given.refresh()
        yield given, _url(given.store, own)
    elif isinstance(given, str):
        url, _, name = _parts(given)
        if not url and own.is_durable:
            yield own.experiment(name), None
            return
        with open_store(url or None) as opened:
            yield opened.experiment(name), _url(opened, own)
    else:
        raise InvalidValue(
            f"warm_start takes no {type(given).__name__}",
            hint='give the name of an experiment, "url#name", Trials, or a list of such',
        )


def _parts(given: str) -> Sequence[str]:
    """Return URL, # and name of *given*; a name alone may hold a #."""
    if "://" not in given:
        return "", "", given
    parts = given.partition("#")
    if not parts[2]:
        raise InvalidValue(f"warm_start: {redacted(given)!r:.200} names no experiment", hint='"url#name"')
    return parts


def _url(store: Store, own: Store) -> str | None:
    """Return the URL of *store*, without its password; None for that of the search itself, or one in memory."""
    return store.url if store.is_durable and store is not own and store.url != own.url else None
