"""Searches as of a moment: what a decision knew, or what had been written by a time."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from hstore.cli.page.screen_points import ScreenPoints
from hstore.cli.page.trial_rows import PAGE_ROWS, head_of, slim_row, table_row
from hstore.store.as_of import described, parse
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment
from hstore.store.model_documents import trial_document

if TYPE_CHECKING:
    from hstore.cli.page.trial_rows import TableQuery
    from hstore.store.events import Document
    from hstore.store.store import Store

MOST_TRIALS = 200_000
"""Of a search that is read whole, as a moment of it needs: 100,000 take 17 s of CPU and 650 MB. Of a larger one the
first trials are read, which is all that a decision among them could know."""
KEPT_TRIALS = 100_000
"""So many are kept for the next question: of the last searches, and of their last moments."""
KEPT_SEARCHES, KEPT_MOMENTS = 2, 6


class Past:
    """Reads whole searches, and shows moments of them; several threads may call it at once."""

    def __init__(self, store: Store) -> None:
        self._store = store.for_thread()
        self._lock = threading.Lock()
        self._whole: dict[str, Experiment] = {}
        self._moments: dict[tuple[str, int | dt.datetime, int], Experiment] = {}
        self._points: tuple[Experiment | None, ScreenPoints] = None, ScreenPoints([])

    def __call__(self, name: str, at: str) -> Experiment:
        """Return experiment *name* as of *at*, a decision, a time or "2h-ago"; raises `NotFound`, `InvalidValue`."""
        moment = parse(at, dt.datetime.now(dt.UTC))
        with self._lock:
            whole = self._read(name, moment)
            key = name, moment, whole.state.events
            if key not in self._moments:
                self._moments[key] = self._store.past(whole, moment)
                _keep_latest(self._moments, KEPT_MOMENTS)
            return self._moments[key]

    def _read(self, name: str, moment: int | dt.datetime) -> Experiment:
        found = self._whole.pop(name, None)
        if found is None:
            if (count := self._store.log.last_trial(name) + 1) > MOST_TRIALS:
                return self._read_first(name, moment, count)
            found = self._store.experiment(name)
        else:
            found.refresh()
        self._whole[name] = found
        _keep_latest(self._whole, KEPT_SEARCHES)
        return found

    def _read_first(self, name: str, moment: int | dt.datetime, count: int) -> Experiment:
        if not isinstance(moment, int) or moment >= MOST_TRIALS:
            raise InvalidValue(
                f"{name!r} has {count:,} trials: the page shows it as of a decision below {MOST_TRIALS:,}",
                hint="`hstore show EXPERIMENT --at WHEN` shows any moment",
            )  # fmt: skip
        first = Experiment(self._store, name, only=range(moment + 1))
        first.refresh()
        return first

    def points(self, name: str, at: str) -> tuple[dict[str, Any], ScreenPoints]:
        """Return the head of the search as of *at*, with `moment` in words, and its trials as charts take them."""
        past = self(name, at)
        known, points = self._points
        if known is not past:
            points = ScreenPoints([slim_row(trial_document(trial)) for trial in past.trials])
            self._points = past, points
        moment = described(parse(at, dt.datetime.now(dt.UTC)))
        return head_of(past.state, points.rows) | {"moment": moment}, points

    def table(self, name: str, at: str, query: TableQuery) -> dict[str, Any]:
        """Return a page of the table as of *at*: sorted, and filtered by state; see `trial_rows.find_rows`."""
        trials = self(name, at).trials
        if query.sort == "tid" and not query.state:  # of many trials only those on the page are looked at
            ordered = trials[::-1] if query.descending else trials
            shown = ordered[query.offset : query.offset + PAGE_ROWS]
            return _page([table_row(trial_document(trial)) for trial in shown], len(trials), query)
        documents = [trial_document(trial) for trial in trials]
        documents.sort(key=lambda document: _key(document, query), reverse=query.descending)
        if query.sort != "tid":  # trials without a value come last, either way
            documents.sort(key=lambda document: query.value(document) is None)
        rows = [table_row(document) for document in documents]
        if query.state:
            rows = [row for row in rows if row["state"] == query.state]
        return _page(rows[query.offset : query.offset + PAGE_ROWS], len(rows), query)


def _page(rows: list[dict[str, Any]], total: int, query: TableQuery) -> dict[str, Any]:
    return {"rows": rows, "total": total, "offset": query.offset, "size": PAGE_ROWS}


def _keep_latest(kept: dict[Any, Experiment], most: int) -> None:
    """Forget all but the last *most* of *kept*, and those before the last whose trials are too many together."""
    trials = 0
    for n, key in enumerate(reversed(list(kept)), 1):
        trials += len(kept[key].state.trials)
        if n > most or (n > 1 and trials > KEPT_TRIALS):
            del kept[key]


def _key(document: Document, query: TableQuery) -> tuple[Any, ...]:
    value = query.value(document)
    is_number = isinstance(value, (int, float))
    return (not is_number, value if is_number else str(value), document["tid"])
