"""Trials as the columns that figures are made of, read from the collection `trials`: fast, whatever the log holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hstore.cli.page.trial_rows import IS_A_TRIAL, collection, is_ranked, shown_state, sound
from hstore.engine.analysis.trial_columns import Outcome, TrialColumns, TrialRow, columns_from
from hstore.store.errors import HstoreError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pymongo.database import Database

    from hstore.store.events import Document

FIELDS: dict[str, Any] = {"_id": 0} | dict.fromkeys(
    ("tid", "state", "final", "status", "loss", "loss_kind", "losses", "constraints", "pruned", "void", "point"), 1
)  # fmt: skip
_OUTCOMES: dict[str, Outcome] = {
    "void": "void", "cancelled": "cancelled", "pruned": "pruned", "infeasible": "infeasible", "failed": "failed",
}  # fmt: skip


def document_columns(database: Database[Document], name: str, space: Any) -> TrialColumns:
    """Return the trials of search *name*, by tid; *space* is the data of its space."""
    found = collection(database, "trials").find({"exp": name, **IS_A_TRIAL}, FIELDS).sort("tid", 1)
    return columns_of_documents(found, name, space)


def columns_of_documents(found: Iterable[Document], name: str, space: Any) -> TrialColumns:
    """Return the trials of search *name* whose documents are *found*, by tid, with `FIELDS`."""
    rows = [_row(sound(document)) for document in found]
    try:
        return columns_from(name, space, rows)
    except (HstoreError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError):
        # The space is of another version, or a point is no point of it: what the points themselves say is shown.
        return columns_from(name, None, [row._replace(point=_plain(row.point)) for row in rows])


def _row(document: Document) -> TrialRow:
    loss = document.get("loss", document.get("loss_kind"))
    losses = document.get("losses") or ([float(loss)] if loss is not None and loss != "finite" else [])
    point = document.get("point")
    return TrialRow(document["tid"], _outcome(document), losses, point if isinstance(point, dict) else {})


def _outcome(document: Mapping[str, Any]) -> Outcome:
    state = shown_state(document)
    if state == "failed" and document.get("final") is not True:
        return "unfinished"
    if state == "done":
        return "ok" if is_ranked(document) else "failed"
    return _OUTCOMES.get(state, "unfinished")


def _plain(point: Mapping[str, Any]) -> Mapping[str, Any]:
    return {label: value for label, value in point.items() if isinstance(value, (int, float))}
