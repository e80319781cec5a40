"""Trials as the page shows them: one small dictionary a trial, made of its document in the collection `trials`."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pymongo.read_concern import ReadConcern

from hstore.cli.page.screen_points import ChartPart, ScreenPoints
from hstore.cli.printing import for_json
from hstore.store.errors import InvalidValue
from hstore.store.events import Document
from hstore.store.ranked import is_feasible, why_unranked

if TYPE_CHECKING:
    from pymongo.collection import Collection as MongoCollection
    from pymongo.database import Database

    from hstore.store.state import State

STATES = (
    "queued", "reserved", "running", "done", "failed", "cancelled", "pruned", "void", "infeasible", "unreadable",
)  # fmt: skip
"""What a trial is shown as. The last but for failed and cancelled are kinds of done, of which none can be the best."""
PAGE_ROWS = 50
LONG_TEXT = 500
"""Characters of an error message in a table."""
_SLIM = (
    "tid", "ver", "state", "status", "final", "loss", "loss_kind", "losses", "constraints", "pruned", "void",
    "duration", "amended", "tags",
)  # fmt: skip
SLIM: Document = {"_id": 0, **dict.fromkeys(_SLIM, 1)}
"""The fields that the charts need."""
TABLE: Document = SLIM | dict.fromkeys(("params", "worker", "attempt", "error", "message", "ended_at", "queued_at"), 1)
SORTS = {"tid": "tid", "loss": "loss", "seconds": "duration", "ended": "ended_at", "state": "state", "worker": "worker"}
_COMPARED = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|=|<|>)\s*(?P<value>.*?)\s*", re.DOTALL)
_OPERATORS = {"<": "$lt", "<=": "$lte", ">": "$gt", ">=": "$gte", "=": "$eq", "!=": "$ne"}


def collection(database: Database[Document], name: str) -> MongoCollection[Document]:
    """Return a collection that is derived from the log, as its writers see it: they wait for no majority."""
    return database.get_collection(name, read_concern=ReadConcern("local"))


_NUMBER = (int, float)
_TYPES: dict[str, tuple[type, ...]] = {
    "state": (str,), "status": (str,), "loss": _NUMBER, "loss_kind": (str,), "duration": _NUMBER, "params": (dict,),
    "amended": (bool,), "tags": (list,), "worker": (str,), "attempt": (int,), "error": (str,), "message": (str,),
    "final": (bool,),
}  # fmt: skip
IS_A_TRIAL: Document = {name: {"$type": ["int", "long"], "$gte": 0, "$lt": 2**53} for name in ("tid", "ver")}
"""What holds of a document of a trial; others in the collection are strays."""


def sound(document: Mapping[str, Any]) -> Document:
    """Return *document* without what is not of its type: any client that may write to the collection can change it."""
    kept = {name: value for name, value in document.items() if isinstance(value, _TYPES.get(name, object))}
    for name in ("losses", "constraints"):
        values = kept.get(name)
        if values is not None and not (isinstance(values, list) and all(isinstance(v, _NUMBER) for v in values)):
            del kept[name]
    return kept


def shown_state(document: Mapping[str, Any]) -> str:
    """Return which of `STATES` the trial of *document* is shown as."""
    state = str(document.get("state"))
    if document.get("void"):
        return "void"
    if state == "done" and document.get("pruned"):
        return "pruned"
    if state == "done" and not is_feasible(document.get("constraints")):
        return "infeasible"
    return state if state in STATES else "unreadable"


def is_ranked(document: Mapping[str, Any]) -> bool:
    """Return whether the trial of *document* can be the best."""
    loss = document.get("loss")
    kind = document.get("loss_kind")
    return not why_unranked(
        status=document.get("status"), loss=float(kind) if loss is None and kind in ("nan", "inf", "-inf") else loss,
        losses=document.get("losses"), constraints=document.get("constraints"),
        is_pruned=bool(document.get("pruned")), is_void=bool(document.get("void")),
    )  # fmt: skip


def slim_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what charts show of a trial: tid, state, loss, losses, seconds, and whether it is ranked."""
    document = sound(document)
    loss = document.get("loss", document.get("loss_kind"))
    row = {
        "tid": document["tid"], "state": shown_state(document), "loss": loss, "losses": document.get("losses"),
        "seconds": document.get("duration"), "ranked": is_ranked(document) or None,
    }  # fmt: skip
    return {name: value for name, value in row.items() if value is not None}


def table_row(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the table shows of a trial; times are UTC, as ISO texts."""
    document = sound(document)
    said = " ".join(filter(None, (document.get("error"), document.get("message"))))
    row = slim_row(document) | {
        "params": dict(document.get("params") or {}), "worker": document.get("worker"),
        "attempt": document.get("attempt"), "said": said[:LONG_TEXT] or None, "amended": document.get("amended"),
        "tags": [str(tag)[:80] for tag in document.get("tags") or ()][:8] or None, "ended": document.get("ended_at"),
    }  # fmt: skip
    shown: dict[str, Any] = for_json({name: value for name, value in row.items() if value is not None})
    return shown


def head_of(state: State, rows: Collection[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what is said at the top of a search with *state*, whose trials `slim_row` made into *rows*."""
    best = min(
        (row for row in rows if row.get("ranked") and _is_loss(row.get("loss"))),
        key=lambda row: (float(row["loss"]), row["tid"]), default=None,
    )  # fmt: skip
    head = {
        "status": state.status, "why": state.why, "trials": len(rows),
        "counts": dict(Counter(row["state"] for row in rows)),
        "best": best and {"tid": best["tid"], "loss": best["loss"]},
        "of": state.limits.get("max_evals"), "algorithm": state.algorithm.get("name"), "tags": list(state.tags),
    }  # fmt: skip
    shown: dict[str, Any] = for_json(head)
    return shown


def columns_json(tick: int, head: Mapping[str, Any], points: ScreenPoints, part: ChartPart | None = None) -> str:
    """Return as JSON what a screen shows of *points*, column by column: tid, state (an index), loss and ranked.

    `of`: how many trials there are in the part, or at all; see `ScreenPoints.within`, `ScreenPoints.common`.
    """
    rows, count = points.within(part)
    columns: dict[str, Any] = {
        "of": count,
        "common": points.common(),
        "tick": tick,
        "head": head,
        "states": STATES,
        "tid": [row["tid"] for row in rows],
        "state": [STATES.index(row["state"]) for row in rows],
        "loss": [_short(row.get("loss")) for row in rows],
        "ranked": [1 if row.get("ranked") else 0 for row in rows],
    }
    if any("losses" in row for row in rows):
        columns["losses"] = [[_short(value) for value in row.get("losses") or ()] or None for row in rows]
    return json.dumps(columns, separators=(",", ":"))


def _short(value: Any) -> Any:
    """Return a number with the digits that a chart can show; anything that JSON has no number for as None."""
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    short = float(f"{value:.7g}")
    return int(short) if short.is_integer() and abs(short) < 2**53 else short


def _is_loss(value: Any) -> bool:
    return isinstance(value, (int, float)) or value in ("inf", "-inf")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableQuery:
    """Which trials of an experiment the table shows."""

    sort: str = "tid"
    """One of `SORTS`, or "param" with *label*."""
    label: str | None = None
    descending: bool = True
    state: str | None = None
    text: str = ""
    """Empty; a trial's number; name<value of a parameter or the loss; or part of an error, a message or a worker."""
    offset: int = 0

    def value(self, document: Mapping[str, Any]) -> Any:
        """Return what the trial of *document* is sorted by."""
        if self.sort == "param":
            return document.get("params", {}).get(self.label)
        return document.get(SORTS[self.sort])


def find_rows(database: Database[Document], exp: str, query: TableQuery, count: int | None = None) -> dict[str, Any]:
    """Return a page of `rows`, and the number of trials that match as `total`; raises `InvalidValue`.

    count: the number of all trials, where it is known: MongoDB would read each to count them.
    """
    conditions: list[Document] = [{"exp": exp, **IS_A_TRIAL}]
    if query.state:
        conditions.append(_of_state(query.state))
    if query.text.strip():
        conditions.append(_matches(query.text.strip()))
    match: Document = {"$and": conditions}
    trials = collection(database, "trials")
    total = count if count is not None and len(conditions) == 1 else trials.count_documents(match)
    direction = -1 if query.descending else 1
    pipeline: list[Document] = [{"$match": match}]
    if query.sort == "param":
        pipeline += [{"$set": {"sorted": _field(query.label or "")}}]
        by = "sorted"
    elif query.sort in SORTS:
        by = SORTS[query.sort]
    else:
        raise InvalidValue(f"the table cannot be sorted by {query.sort!r}")
    if by != "tid":  # trials without a value come last, either way
        lacks = {"$cond": [{"$gt": [f"${by}", None]}, 0, 1]}
        pipeline += [{"$set": {"lacks": lacks}}, {"$sort": {"lacks": 1, by: direction, "tid": direction}}]
    else:
        pipeline += [{"$sort": {"tid": direction}}]
    pipeline += [{"$skip": query.offset}, {"$limit": PAGE_ROWS}, {"$project": TABLE}]
    rows = [table_row(document) for document in trials.aggregate(pipeline, allowDiskUse=True)]
    return {"rows": rows, "total": total, "offset": query.offset, "size": PAGE_ROWS}


def labels_of(space: Iterable[str], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the labels of *space* in its order, then those that only *rows* have."""
    labels = list(space)
    for row in rows:
        labels += [label for label in row["params"] if label not in labels]
    return labels


def _of_state(state: str) -> Document:
    if state == "void":
        return {"void": True}
    if state == "pruned":
        return {"pruned": True, "void": {"$ne": True}}
    if state == "infeasible":  # a constraint that is NaN is violated too
        kept = {"$and": [{"$gte": ["$$each", -float("inf")]}, {"$lte": ["$$each", 0]}]}
        constraints = {"$ifNull": ["$constraints", []]}
        all_kept = {"$allElementsTrue": [{"$map": {"input": constraints, "as": "each", "in": kept}}]}
        return {"$expr": {"$not": [all_kept]}, "void": {"$ne": True}}
    if state not in STATES:
        raise InvalidValue(f"there is no state {state!r}")
    return {"state": state} if state != "done" else {"state": "done", "pruned": {"$ne": True}, "void": {"$ne": True}}


def _matches(text: str) -> Document:
    if "\0" in text:
        raise InvalidValue("no text of a trial has a null character")
    if text.isdecimal() and len(text) < 16:
        return {"tid": int(text)}
    compared = _COMPARED.fullmatch(text)
    if compared is None:
        pattern = {"$regex": re.escape(text), "$options": "i"}
        return {"$or": [{name: pattern} for name in ("error", "message", "worker", "tags", "status")]}
    name, sign, value = compared.group("name", "sign", "value")
    field: Any = {"loss": "$loss", "seconds": "$duration", "attempt": "$attempt"}.get(name, _field(name))
    operator = _OPERATORS[sign]
    number = _number(value)
    if number is None:  # a text: that of an option
        if sign not in ("=", "!="):
            raise InvalidValue(f"{value!r} is not a number")
        return {"$expr": {operator: [{"$toString": {"$ifNull": [field, ""]}}, {"$literal": value}]}}
    return {"$expr": {"$and": [{"$isNumber": field}, {operator: [field, number]}]}}


def _field(label: str) -> Document:
    # A label may hold dots and dollars, which are paths and operators anywhere else.
    return {"$getField": {"field": {"$literal": label}, "input": {"$ifNull": ["$params", {}]}}}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
