"""What the pages show of searches, read from the collections that are derived from the log."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from hstore.cli.page import charts, figures
from hstore.cli.page.trial_rows import SORTS, STATES, TableQuery, collection, find_rows, labels_of
from hstore.cli.page.watch import Watches
from hstore.store.errors import HstoreError, InvalidValue, NotFound

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
        found = find_rows(self._database, name, query)
        return {**found, "labels": labels_of(self._space(name)[0], found["rows"])}

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

    def chart(self, kind: str, theme: str, names: Sequence[str], tid: int) -> Any:
        """Return a chart as `Bokeh.embed` takes it; of `slice` a list of them. Raises `InvalidValue`."""
        if kind == "history":
            return figures.item(figures.history(theme))
        if kind == "pareto":
            return figures.item(figures.pareto(theme))
        if not names:
            raise InvalidValue("the address names no search")
        if kind == "compare":
            return figures.item(figures.comparison(theme, names))
        if kind == "curve":
            return self._curve(theme, names[0], tid)
        if kind in ("slice", "parallel"):
            points = charts.ranked_points(self._database, names[0])
            logarithmic = self._space(names[0])[1]
            if kind == "slice":
                return {"charts": charts.slice_items(theme, points, logarithmic)}
            return {"chart": charts.parallel_item(theme, points, logarithmic) if points else None}
        raise InvalidValue(f"there is no chart {kind!r:.40}")

    def _curve(self, theme: str, name: str, tid: int) -> dict[str, Any]:
        from hstore.store.experiment import Experiment
        from hstore.store.tables import reports_table

        experiment = Experiment(self._store.for_thread(), name, only=[tid])
        experiment.refresh()
        table = {label: column.values for label, column in reports_table(experiment.events).items()}
        if not table["tid"]:
            return {"chart": None}
        return {"chart": figures.item(figures.curve(theme, table["step"], table["value"], table["attempt"]))}

    def _space(self, name: str) -> tuple[tuple[str, ...], frozenset[str]]:
        """Return the labels of the search's space in its order, and those with a logarithmic scale."""
        from hstore.engine.space import Space

        try:
            space = Space.from_data(self.watches(name).state.space)
        except NotFound:
            raise
        except (HstoreError, ArithmeticError, LookupError, TypeError, ValueError):  # of another version, or damaged
            return (), frozenset()
        return tuple(space.as_written), frozenset(label for label in space.as_written if space[label].is_log)


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
        "algorithm": document.get("algorithm"), "last": last.get("at") and last["at"].isoformat(timespec="seconds"),
    }  # fmt: skip
