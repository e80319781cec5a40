"""What the pages show of searches, read from the collections that are derived from the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from hstore.cli.notes_text import said_in
from hstore.cli.page.evidence import Evidence
from hstore.cli.page.past import Past
from hstore.cli.page.screen_points import part_of
from hstore.cli.page.search_charts import SearchCharts
from hstore.cli.page.trial_rows import SORTS, STATES, TableQuery, collection, columns_json, find_rows, labels_of
from hstore.cli.page.watch import Watches
from hstore.store.errors import HstoreError, InvalidValue, NotFound
from hstore.store.events import happened
from hstore.store.indigestible import BROKEN

if TYPE_CHECKING:
    from hstore.store.events import Document
    from hstore.store.store import Store

FRESH = 1.0
"""Seconds for which the overview is answered from memory, however many look."""
SPARK_POINTS = 48


class SearchData:
    """Reads for all requests; several threads may call it at once."""

    def __init__(self, store: Store) -> None:
        assert store.database is not None, "a store in memory has no page"
        self._store = store
        self._database = store.database
        self.watches = Watches(store.for_thread)
        self.past = Past(store, self.watches)
        self.charts = SearchCharts(store, self.watches, self.past)
        self.evidence = Evidence(store)
        self._lock = threading.Lock()
        self._overview: tuple[float, list[dict[str, Any]]] = -FRESH, []

    def overview(self) -> list[dict[str, Any]]:
        """Return name, status, counts, trials, of (trials in all), best, algorithm and last of each search.

        The one with the latest event comes first.
        """
        with self._lock:
            if time.monotonic() - self._overview[0] > FRESH:
                found = [_summary(document) for document in self._documents()]
                found.sort(key=lambda each: str(each["last"]), reverse=True)
                self._overview = time.monotonic(), found
            return self._overview[1]

    def _documents(self) -> list[Document]:
        try:
            return self._store.overview()
        except OperationFailure:  # a document of a trial has values that cannot be compared: nothing is counted then
            documents = self._store.models.overview()
            return [{"name": document["_id"], **document} for document in documents]

    def heading(self, name: str) -> dict[str, Any]:
        """Return what a page says before its data has come, from one document; raises `NotFound`."""
        found = collection(self._database, "experiments").find_one({"_id": name})
        if found is None:
            watch = self.watches(name)  # its document may be missing
            return {"head": _summary({"name": name, "status": watch.state.status})}
        return {"head": _summary({"name": name, **found})}

    def sparks(self, names: Sequence[str]) -> dict[str, list[float]]:
        """Return up to `SPARK_POINTS` best losses so far of each search, evenly spaced over its trials."""
        known = {each["name"]: each for each in self.overview()}
        made = {}
        for name in names:
            count = known.get(name, {}).get("trials") or 0
            step = max(1, count // SPARK_POINTS)
            query = {"exp": name, "tid": {"$in": list(range(0, count, step))}, "status": "ok", "loss_kind": "finite"}
            losses, best = [], float("inf")
            for document in collection(self._database, "trials").find(query, {"loss": 1}).sort("tid", 1):
                best = min(best, document["loss"])
                losses.append(best)
            if losses and isinstance(last := known[name]["best"].get("loss"), (int, float)):
                losses.append(last)
            made[name] = losses
        return made

    def table(self, name: str, asked: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of the table; *asked* are the request's sort, label, order, state, text and at (an offset)."""
        offset = asked.get("at", "0")
        sort = asked.get("sort", "tid")
        if sort not in (*SORTS, "param") or not offset.isdecimal() or len(offset) > 9:
            raise InvalidValue("the table cannot be shown so")
        query = TableQuery(
            sort=sort, label=asked.get("label"), descending=asked.get("order", "down") != "up",
            state=asked.get("state") or None, text=asked.get("text", "")[:200], offset=int(offset),
        )  # fmt: skip
        if when := asked.get("asof", ""):
            found = self.past.table(name, when, query)
        else:
            found = find_rows(self._database, name, query, self.watches(name).count)
        return {**found, "labels": labels_of(self.labels(name), found["rows"])}

    def columns(self, name: str, asked: Mapping[str, str]) -> str:
        """Return as JSON what a screen shows of the trials, now, or as of `at`; see `columns_json`, `part_of`."""
        part, at = part_of(asked), asked.get("at", "")
        if not at:
            return self.watches(name).columns(part)
        return columns_json(0, *self.past.points(name, at), part)

    def facts(self, name: str) -> dict[str, Any]:
        """Return what people said of the search itself, `notes` and `tags`, and the number of the last message."""
        watch = self.watches(name)
        tick, state = watch.tick, watch.state
        notes = [
            {"at": f"{happened(note):%Y-%m-%d %H:%M}", **said_in(note)}
            for note in state.notes if note.about is None and said_in(note)
        ]  # fmt: skip
        return {"notes": notes, "tags": list(state.tags), "tick": tick}

    def workers(self, name: str) -> dict[str, Any]:
        """Return the `workers` that serve the search, and the trials that are `held`, with the age of each lease."""
        claims = self._store.claims
        present = [
            {"name": each["_id"], "state": each.get("state"), "host": each.get("host"), "age": each.get("age")}
            for each in claims.workers(name)
        ]
        held = [
            {"tid": each.tid, "worker": each.worker, "host": each.host, "age": each.age, "is_silent": each.is_over}
            for each in claims.held([name])
        ]
        return {"workers": present, "held": held}

    def labels(self, name: str) -> tuple[str, ...]:
        """Return the labels of the search's space in its order; none if it is of another version, or damaged."""
        from hstore.engine.space import Space

        try:
            return tuple(Space.from_data(self.watches(name).state.space).as_written)
        except NotFound:
            raise
        except (HstoreError, *BROKEN):
            return ()


def _summary(document: Document) -> dict[str, Any]:
    counts = document.get("counts") or {}
    best = dict(document.get("best") or {})
    if "loss" not in best and "loss_kind" in best:
        best["loss"] = best["loss_kind"]
    limit = (document.get("limits") or {}).get("max_evals")
    last = document.get("last") or {}
    return {
        "name": document["name"], "status": document.get("status"), "why": document.get("why"),
        "counts": {state: counts[state] for state in STATES if counts.get(state)},
        "trials": sum(counts.values()), "of": limit if isinstance(limit, int) else None,
        "best": best, "front": len(document.get("pareto") or ()), "pruned": document.get("pruned"),
        "algorithm": document.get("algorithm"),
        "title": str(document["title"]) if document.get("title") else None, "archived": bool(document.get("archived")),
        "last": last.get("at") and last["at"].isoformat(timespec="seconds"),
    }  # fmt: skip
