"""Create a view of the trials in the shape of hyperopt's jobs, for programs that read those."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database
from pymongo.errors import OperationFailure

VIEW, SOURCE = "jobs", "trials"
STATES = {"queued": 0, "reserved": 1, "running": 1, "done": 2, "failed": 3, "cancelled": 4}


def _by_label(value: Any) -> dict[str, Any]:
    """Return the expression that maps each active label to a list of one *value*."""
    pairs = {"$objectToArray": {"$ifNull": ["$point", {}]}}
    return {"$arrayToObject": {"$map": {"input": pairs, "as": "each", "in": {"k": "$$each.k", "v": [value]}}}}


def _or_null(expression: Any) -> dict[str, Any]:
    return {"$ifNull": [expression, None]}


# A result that was too large for `trials` is there with its status and loss.
_RESULT = {
    "$switch": {
        "branches": [
            {"case": {"$ne": [{"$type": "$result"}, "missing"]}, "then": "$result"},
            {"case": {"$eq": ["$state", "done"]}, "then": {"status": "$status", "loss": "$loss"}},
        ],
        "default": {"status": "new"},
    }
}
PIPELINE: list[dict[str, Any]] = [
    {
        "$project": {
            "tid": 1,
            "exp_key": "$exp",
            "state": {
                "$switch": {
                    "branches": [
                        {"case": {"$eq": ["$state", state]}, "then": number} for state, number in STATES.items()
                    ],
                    "default": None,
                }
            },
            "spec": {"$literal": None},
            "result": _RESULT,
            "misc": {
                "tid": "$tid",
                "cmd": ["domain_attachment", "FMinIter_Domain"],
                "workdir": {"$literal": None},
                "idxs": _by_label("$tid"),
                "vals": _by_label("$$each.v"),
            },
            "owner": {"$cond": [{"$eq": [{"$type": "$worker"}, "string"]}, ["$worker"], None]},
            "version": "$ver",
            "book_time": _or_null("$started_at"),
            "refresh_time": _or_null({"$ifNull": ["$ended_at", "$started_at"]}),
            "error": {
                "$cond": [
                    {"$eq": ["$state", "failed"]},
                    [{"$concat": ["<class '", "$error", "'>"]}, {"$ifNull": ["$message", ""]}],
                    "$$REMOVE",
                ]
            },
        }
    }
]


def up(database: Database[dict[str, Any]]) -> None:
    """Create it unless it is there, or hyperopt's own jobs are, in the same database."""
    try:
        database.create_collection(VIEW, check_exists=False, viewOn=SOURCE, pipeline=PIPELINE)
    except OperationFailure as error:
        if error.code != 48:  # NamespaceExists
            raise
