"""Create a view of the ranked trials, the best first, for queries: `db.results.find({exp: "…"}).limit(3)`.

Most trials in `trials` cannot be compared by their loss: those that failed, were pruned or voided, or violate a
constraint. A loss that is not a finite number is absent there, and what is absent is sorted before every number.
"""

from __future__ import annotations

import math
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

VIEW, SOURCE = "results", "trials"


def _or_none(name: str) -> dict[str, Any]:
    return {"$ifNull": [name, []]}


# In expressions NaN equals NaN, and is less than every number.
_IS_KEPT = {"$and": [{"$ne": ["$$constraint", math.nan]}, {"$lte": ["$$constraint", 0]}]}
IS_RANKED: dict[str, Any] = {
    "$and": [
        {"$eq": ["$status", "ok"]},
        {"$ne": ["$void", True]},
        {"$ne": ["$pruned", True]},
        {"$or": [{"$gt": ["$loss_kind", None]}, {"$gt": [{"$size": _or_none("$losses")}, 0]}]},
        {"$ne": ["$loss_kind", "nan"]},
        {"$not": [{"$in": [math.nan, _or_none("$losses")]}]},
        {
            "$allElementsTrue": [
                {"$map": {"input": _or_none("$constraints"), "as": "constraint", "in": _IS_KEPT}},
            ]
        },
    ]
}
"""The rule of `hstore.store.ranked`, of a document of `trials`."""

# "-inf" < "finite" < "inf": the kinds of losses sort as the losses do.
BEST_FIRST = {"exp": 1, "loss_kind": 1, "loss": 1, "tid": 1}
INDEX = [(name, ASCENDING) for name in ("exp", "status", "loss_kind", "loss", "tid")]
PIPELINE: list[dict[str, Any]] = [{"$match": {"status": "ok", "$expr": IS_RANKED}}, {"$sort": BEST_FIRST}]


def up(database: Database[dict[str, Any]]) -> None:
    """Create the view, unless something of its name is there, and an index that has its order."""
    database[SOURCE].create_index(INDEX)
    try:
        database.create_collection(VIEW, check_exists=False, viewOn=SOURCE, pipeline=PIPELINE)
    except OperationFailure as error:
        if error.code != 48:  # NamespaceExists
            raise
