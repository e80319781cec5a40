"""What an event log can prove, on request: why a point was chosen, how far the model is right, what was changed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from hstore.cli.printing import for_json
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

KEPT = 64
"""Answers that are kept until their search has news."""
FITTED = 100
"""Trials for which the calibration fits the model again."""
LONGEST = 200
"""Characters of a value in a table of differences."""


class Evidence:
    """Answers one request at a time: each may read a whole log, and fit models. Several threads may call it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: dict[tuple[Any, ...], Any] = {}

    def why(self, name: str, tid: int) -> dict[str, Any]:
        """Return why trial *tid* is where it is; see `explain`. Raises `NotFound`."""
        from hstore.cli.explain import explanation_data
        from hstore.engine.audit.explanation import explain

        why: dict[str, Any] = self._once("why", name, tid, make=lambda found: explanation_data(explain(found, tid)))
        return why

    def calibration(self, name: str, theme: str) -> dict[str, Any]:
        """Return the `chart` of calibration, with its numbers `n`, `within_68`, `within_95`; or `why` there is none."""
        from bokeh.embed import json_item

        from hstore.engine.analysis.interactive.run_charts import calibration
        from hstore.engine.audit.calibration import calibration_data

        data = self._once("calibration", name, make=lambda found: calibration_data(found, most=FITTED))
        counts = {kind: data["within"].count(kind) for kind in ("68", "95")}
        if not data["tid"]:
            return {"why": "no trial has both a prediction and a loss: gp and auto predict, after their first trials"}
        return {
            "chart": json_item(calibration(data, theme)), "n": len(data["tid"]), "within_68": counts["68"],
            "within_95": counts["68"] + counts["95"],
        }  # fmt: skip

    def verification(self, name: str) -> dict[str, Any]:
        """Return what `hstore verify` finds now: `ok`, `events`, `decisions`, `head`, `findings`, `signatures`."""
        from hstore.cli.verify import examine

        began = time.monotonic()
        with self._lock:
            found = examine(self._store.for_thread(), name)
        return {
            "ok": not found.is_wrong, "events": found.report.events, "decisions": found.report.decisions,
            "head": found.report.head.hex(), "findings": found.findings[:50] + list(found.signatures.wrong)[:50],
            "signed": sum(found.signatures.by_key.values()), "unsigned": found.signatures.unsigned,
            "is_checked": found.signatures.is_checked, "recorded": len(found.report.recorded),
            "uncommitted": found.report.uncommitted, "seconds": round(time.monotonic() - began, 2),
        }  # fmt: skip

    def difference(self, names: Sequence[str], *, is_all: bool) -> dict[str, Any]:
        """Return the `rows` in which two searches differ; see `hstore diff`."""
        if len(names) != 2:
            raise InvalidValue("a difference is between two searches")
        from hstore.engine.audit.comparison import compare

        with self._lock:
            rows = compare(*(self._store.for_thread().experiment(name) for name in names))
        shown = [
            {"section": row.section, "name": row.name, "a": _shown(row.a), "b": _shown(row.b), "same": row.is_same}
            for row in rows if is_all or not row.is_same
        ]  # fmt: skip
        return {"rows": shown}

    def _once(self, what: str, name: str, *about: Any, make: Callable[[Experiment], Any]) -> Any:
        """Return what *make* makes of the experiment, from memory while there is no news of it."""
        with self._lock:
            experiment = self._store.for_thread().experiment(name)
            key = (what, name, *about, experiment.state.events)
            if key not in self._kept:
                self._kept[key] = make(experiment)
                for old in list(self._kept)[:-KEPT]:
                    del self._kept[old]
            return self._kept[key]


def _shown(value: Any) -> Any:
    from hstore.cli.table import named, text

    if isinstance(value, bytes):
        value = value.hex()
    if value is None or isinstance(value, (bool, int, float)):
        return for_json(value)
    shown = named(value) if isinstance(value, dict) else text(value)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
