"""Searches as of a moment: what a decision knew, or what had been written by a time."""

from __future__ import annotations

import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

from hstore.cli.page.decision_moments import DecisionMoment, Decisions
from hstore.cli.page.document_columns import FIELDS, columns_of_documents
from hstore.cli.page.screen_points import ScreenPoints
from hstore.cli.page.trial_rows import PAGE_ROWS, TABLE, head_of, slim_row, table_row
from hstore.store.as_of import described, parse
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment
from hstore.store.model_documents import trial_document
from hstore.store.streamed_verify import NeedsWholeLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hstore.cli.page.trial_rows import TableQuery
    from hstore.cli.page.watch import Watches
    from hstore.engine.analysis.trial_columns import TrialColumns
    from hstore.store.events import Document
    from hstore.store.store import Store

MOST_TRIALS = 200_000
"""Of a search that is read whole, as of a time, say: 100,000 take 17 s of CPU and 650 MB. Of a larger one the first
trials are read, which is all that a decision among them could know."""
KEPT_TRIALS = 100_000
"""So many are kept for the next question: of the last searches, and of their last moments."""
KEPT_SEARCHES, KEPT_MOMENTS, KEPT_DECISIONS = 2, 6, 8


class Past:
    """Shows moments of searches; several threads may call it at once.

    As of a decision it reads what the decisions observed, and the documents of `trials`; as of a time, and where
    these do not say it, the whole log.
    """

    def __init__(self, store: Store, watches: Watches) -> None:
        self._store = store.for_thread()
        self._watches = watches
        self._decisions: dict[str, Decisions] = {}
        self._at: tuple[Any, DecisionMoment] | None = None
        self._lock = threading.Lock()
        self._whole: dict[str, Experiment] = {}
        self._moments: dict[tuple[str, int | dt.datetime, int], Experiment] = {}
        self._points: tuple[Experiment | DecisionMoment | None, ScreenPoints] = None, ScreenPoints([])

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

    def _decision(self, name: str, at: str) -> DecisionMoment:
        """Return the search as of *at*, a decision; raises `NeedsWholeLog` if the whole log has to be read."""
        moment = parse(at, dt.datetime.now(dt.UTC))
        if not isinstance(moment, int):
            raise NeedsWholeLog
        watch = self._watches(name)
        key = name, moment, id(watch), watch.tick
        with self._lock:
            if self._at is not None and self._at[0] == key:
                return self._at[1]
            known = self._decisions.pop(name, None)
            if known is None:
                known = Decisions(self._store, name)
            found = known.at(moment, watch)
            self._decisions[name] = known
            for old in list(self._decisions)[:-KEPT_DECISIONS]:
                del self._decisions[old]
            self._at = key, found
            return found

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
        past: Experiment | DecisionMoment
        try:
            past = self._decision(name, at)
            rows = past.rows
        except NeedsWholeLog:
            past = self(name, at)
            rows = [slim_row(trial_document(trial)) for trial in past.trials]
        known, points = self._points
        if known is not past:
            points = ScreenPoints(rows)
            self._points = past, points
        moment = described(parse(at, dt.datetime.now(dt.UTC)))
        return head_of(past.state, points.rows) | {"moment": moment}, points

    def table(self, name: str, at: str, query: TableQuery) -> dict[str, Any]:
        """Return a page of the table as of *at*: sorted, and filtered by state; see `trial_rows.find_rows`."""
        try:
            moment = self._decision(name, at)
            return _table(range(moment.number), lambda tids: moment.documents(tids, TABLE), query)
        except NeedsWholeLog:
            trials = self(name, at).trials
            return _table(
                range(len(trials)), lambda tids: [trial_document(trials[tid]) for tid in tids], query
            )  # fmt: skip

    def columns(self, name: str, at: str) -> TrialColumns:
        """Return the trials as of *at* as columns."""
        try:
            moment = self._decision(name, at)
            documents = moment.documents(range(moment.number), FIELDS)
            return columns_of_documents(documents, name, moment.state.space)
        except NeedsWholeLog:
            from hstore.engine.analysis.trial_columns import columns_of

            return columns_of(self(name, at))

    def latest(self, name: str, at: str, n: int) -> tuple[Experiment, int | None]:
        """Return the search as of *at* with at least its latest *n* trials and the best one, and the number of that."""
        try:
            moment = self._decision(name, at)
            best = head_of(moment.state, moment.rows)["best"]
            tids = {*range(max(0, moment.number - n), moment.number), *([] if best is None else [best["tid"]])}
            return moment.experiment(sorted(tids)), None if best is None else best["tid"]
        except NeedsWholeLog:
            past = self(name, at)
            return past, None if past.state.best is None else past.state.best.tid


def _table(
    tids: range, documents_of: Callable[[Sequence[int]], Iterable[Document]], query: TableQuery
) -> dict[str, Any]:
    """Return the page of the table of trials *tids* that *query* asks for."""
    if query.sort == "tid" and not query.state:  # of many trials only those on the page are looked at
        shown = (tids[::-1] if query.descending else tids)[query.offset : query.offset + PAGE_ROWS]
        return _page([table_row(document) for document in documents_of(shown)], len(tids), query)
    documents = [*documents_of(tids)]
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
