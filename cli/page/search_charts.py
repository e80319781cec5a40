"""The charts of the page by name, made of the columns of `engine/analysis`: of the live search, or as of a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from bokeh.embed import json_item

from hstore.cli.page.document_columns import document_columns
from hstore.engine.analysis.importance import FEWEST, importance
from hstore.engine.analysis.interactive import label_charts, loss_charts, run_charts
from hstore.engine.analysis.label_data import contour_data, slice_data, two_labels
from hstore.engine.analysis.loss_data import edf_data
from hstore.engine.analysis.run_data import curves_data, timeline_data
from hstore.store.errors import InvalidValue
from hstore.store.experiment import Experiment
from hstore.store.tables import reports_table

if TYPE_CHECKING:
    from hstore.cli.page.past import Past
    from hstore.cli.page.watch import Watches
    from hstore.engine.analysis.trial_columns import TrialColumns
    from hstore.store.store import Store

LATEST = 1000
"""Trials whose chains are read for the timeline and the learning curves: the latest, and the best."""
KEPT = 4
"""Columns of so many searches are kept until there is news of them."""

Chart = dict[str, Any]
EMPTY: dict[str, Callable[..., Any]] = {"history": loss_charts.history, "pareto": loss_charts.pareto}


class SearchCharts:
    """Makes charts as `Bokeh.embed` takes them; several threads may call it at once."""

    def __init__(self, store: Store, watches: Watches, past: Past) -> None:
        self._store = store
        self._watches = watches
        self._past = past
        self._lock = threading.Lock()
        self._columns: dict[str, tuple[Any, TrialColumns]] = {}

    def __call__(self, kind: str, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        """Return `chart`, or of slices `charts`, or `why` there is none; raises `InvalidValue`, `NotFound`.

        asked: `at` (as of when), `tid`, and for a contour `x` and `y`.
        """
        if kind in EMPTY:
            return _empty(kind, theme)
        if not names:
            raise InvalidValue("the address names no search")
        if kind == "compare":
            return _item(loss_charts.comparison(names, theme=theme))
        makers: dict[str, Callable[[str, Sequence[str], Mapping[str, str]], Chart]] = {
            "edf": self._edf, "importance": self._importance, "slice": self._slices, "contour": self._contour,
            "parallel": self._parallel, "curves": self._curves, "timeline": self._timeline, "curve": self._curve,
        }  # fmt: skip
        if kind not in makers:
            raise InvalidValue(f"there is no chart {kind!r:.40}")
        try:
            return makers[kind](theme, names, asked)
        except InvalidValue as error:  # there are not enough trials yet, or none of a kind
            return {"why": f"{error}" + (f" ({error.hint})" if error.hint else "")}

    def columns(self, name: str, at: str = "") -> TrialColumns:
        """Return the trials of search *name* as columns: from their documents, or as of *at*."""
        if at:
            return self._past.columns(name, at)
        watch = self._watches(name)
        state = id(watch), watch.tick
        with self._lock:
            known = self._columns.get(name)
            if known is None or known[0] != state:
                assert self._store.database is not None
                known = state, document_columns(self._store.database, name, watch.state.space)
                self._columns.pop(name, None)
                self._columns[name] = known
                for old in list(self._columns)[:-KEPT]:
                    del self._columns[old]
            return known[1]

    # -- by kind ----------------------------------------------------------------------------------------------

    def _edf(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        found = [edf_data(self.columns(name, asked.get("at", ""))) for name in names]
        if not any(each["loss"] for each in found):
            return {"why": "no trial has a loss yet"}
        return _item(loss_charts.edf(found, theme))

    def _importance(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        return _item(label_charts.importance(importance(self.columns(names[0], asked.get("at", ""))), theme))

    def _slices(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        data = slice_data(self.columns(names[0], asked.get("at", "")))
        if not any(loss is not None for loss in data["loss"]):
            return {"why": "no trial has a loss yet"}
        made = label_charts.slices(data, theme)
        return {"charts": [{"label": label, "chart": json_item(model)} for label, model in made]}

    def _contour(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        columns = self.columns(names[0], asked.get("at", ""))
        labels = [column["label"] for column in columns["labels"]]
        x, y = asked.get("x") or None, asked.get("y") or None
        if x is None or y is None:
            few = columns["outcome"].count("ok") < FEWEST
            x, y = (labels * 2)[:2] if few and len(labels) > 1 else two_labels(columns, x, y, 0)
        chosen: Chart = {"x": x, "y": y, "labels": labels}
        try:
            return _item(label_charts.contour(contour_data(columns, x, y), theme)) | chosen
        except InvalidValue as error:
            return {"why": str(error)} | chosen  # other labels can be chosen

    def _parallel(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        data = slice_data(self.columns(names[0], asked.get("at", "")))
        if not any(rank is not None for rank in data["rank"]):
            return {"why": "no trial has a loss yet"}
        return _item(label_charts.parallel(data, theme))

    def _curves(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        search, best = self._run_of(names[0], asked.get("at", ""))
        data = curves_data(search)
        if not data["curves"]:
            return {"why": f"no trial{self._of_the_latest(search)} reported a value (see ctrl.report)"}
        return _item(run_charts.curves(data, best, theme))

    def _timeline(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        search, _ = self._run_of(names[0], asked.get("at", ""))
        data = timeline_data(search)
        return _item(run_charts.timeline(data, theme)) if data["tid"] else {"why": "no trial was started yet"}

    def _curve(self, theme: str, names: Sequence[str], asked: Mapping[str, str]) -> Chart:
        tid = asked.get("tid", "")
        if not tid.isdecimal() or len(tid) > 15:
            raise InvalidValue(f"{tid!r:.40} is not a number of a trial")
        experiment = self._read(names[0], [int(tid)])
        table = {label: column.values for label, column in reports_table(experiment.events).items()}
        if not table["tid"]:
            return {"why": "it reported nothing"}
        return _item(run_charts.attempts(table["step"], table["value"], table["attempt"], theme))

    def _run_of(self, name: str, at: str) -> tuple[Experiment, int | None]:
        """Return the search with its latest trials, whose chains are read, and the number of its best trial."""
        if at:
            return self._past.latest(name, at, LATEST)
        tids, best = self._watches(name).latest(LATEST)
        return self._read(name, tids), best

    def _read(self, name: str, tids: Sequence[int]) -> Experiment:
        experiment = Experiment(self._store.for_thread(), name, only=tids)
        experiment.refresh()
        return experiment

    @staticmethod
    def _of_the_latest(search: Experiment) -> str:
        return f" of the latest {LATEST}" if len(search.trials) >= LATEST else ""


@lru_cache
def _empty(kind: str, theme: str) -> Chart:
    """Return a chart that the page fills: the same for every search."""
    return _item(EMPTY[kind](theme=theme))


def _item(model: Any) -> Chart:
    return {"chart": json_item(model)}
