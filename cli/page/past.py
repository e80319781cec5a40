"""Searches as of a moment: what a decision knew, or what had been written by a time."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from hstore.cli.page.trial_rows import PAGE_ROWS, head_of, slim_row, table_row
from hstore.store.as_of import described, parse
from hstore.store.errors import InvalidValue
from hstore.store.model_documents import trial_document

if TYPE_CHECKING:
    from hstore.cli.page.trial_rows import TableQuery
    from hstore.store.events import Document
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

MOST_TRIALS = 50_000
"""Of a search that is read whole, as a moment of it needs."""
KEPT_SEARCHES, KEPT_MOMENTS = 2, 6


class Past:
    """Reads whole searches, and shows moments of them; several threads may call it at once."""

    def __init__(self, store: Store) -> None:
        self._store = store.for_thread()
        self._lock = threading.Lock()
        self._whole: dict[str, Experiment] = {}
        self._moments: dict[tuple[str, int | dt.datetime, int], Experiment] = {}

    def __call__(self, name: str, at: str) -> Experiment:
        """Return experiment *name* as of *at*, a decision, a time or "2h-ago"; raises `NotFound`, `InvalidValue`."""
        moment = parse(at, dt.datetime.now(dt.UTC))
        with self._lock:
            whole = self._read(name)
            key = name, moment, whole.state.events
            if key not in self._moments:
                self._moments[key] = self._store.past(whole, moment)
                for old in list(self._moments)[:-KEPT_MOMENTS]:
                    del self._moments[old]
            return self._moments[key]

    def _read(self, name: str) -> Experiment:
        found = self._whole.pop(name, None)
        if found is None:
            if (count := self._store.log.last_trial(name) + 1) > MOST_TRIALS:
                raise InvalidValue(
                    f"{name!r} has {count:,} trials: the page reads searches whole up to {MOST_TRIALS:,}",
                    hint="`hstore show EXPERIMENT --at WHEN` shows any",
                )  # fmt: skip
            found = self._store.experiment(name)
        else:
            found.refresh()
        self._whole[name] = found
        for old in list(self._whole)[:-KEPT_SEARCHES]:
            del self._whole[old]
        return found

    def rows(self, name: str, at: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return the head of the search as of *at*, with `moment` in words, and its trials as charts take them."""
        past = self(name, at)
        rows = [slim_row(trial_document(trial)) for trial in past.trials]
        moment = described(parse(at, dt.datetime.now(dt.UTC)))
        return head_of(past.state, rows) | {"moment": moment}, rows

    def table(self, name: str, at: str, query: TableQuery) -> dict[str, Any]:
        """Return a page of the table as of *at*: sorted, and filtered by state; see `trial_rows.find_rows`."""
        documents = [trial_document(trial) for trial in self(name, at).trials]
        documents.sort(key=lambda document: _key(document, query), reverse=query.descending)
        if query.sort != "tid":  # trials without a value come last, either way
            documents.sort(key=lambda document: query.value(document) is None)
        rows = [table_row(document) for document in documents]
        if query.state:
            rows = [row for row in rows if row["state"] == query.state]
        shown = rows[query.offset : query.offset + PAGE_ROWS]
        return {"rows": shown, "total": len(rows), "offset": query.offset, "size": PAGE_ROWS}


def _key(document: Document, query: TableQuery) -> tuple[Any, ...]:
    value = query.value(document)
    is_number = isinstance(value, (int, float))
    return (not is_number, value if is_number else str(value), document["tid"])
