"""Let events say where they were copied from: the field `origin` of those that a fork took from another experiment."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

ORIGIN = {
    "bsonType": "object",
    "required": ["exp", "id"],
    "additionalProperties": False,
    "properties": {
        "exp": {"bsonType": "string", "minLength": 1, "maxLength": 200},
        "id": {"bsonType": "binData"},
    },
}
ORIGIN_BYTES = 2 * 1024
"""What the field, and a longer name of the new experiment, may take on top of the limit: names have 200 characters."""
IS_COPIED = {"$eq": [{"$type": "$origin"}, "object"]}
MORE = {"$cond": [IS_COPIED, ORIGIN_BYTES, 0]}


def up(database: Database[dict[str, Any]]) -> None:
    """Change the validator of `events`, whatever other steps made of it; running it twice changes nothing."""
    validator = database["events"].options().get("validator")
    if validator is None:  # the collection takes every field
        return
    clauses = [_changed(clause) for clause in validator["$and"]]
    if clauses != validator["$and"]:
        database.command(
            "collMod", "events", validator={"$and": clauses}, validationLevel="strict", validationAction="error"
        )


def _changed(clause: dict[str, Any]) -> dict[str, Any]:
    if "$expr" in clause:
        size, limit = clause["$expr"]["$lte"]
        is_done = isinstance(limit, dict) and "$add" in limit
        return clause if is_done else {"$expr": {"$lte": [size, {"$add": [limit, MORE]}]}}
    schema = clause.get("$jsonSchema")
    if schema is None:
        return clause
    return {"$jsonSchema": {**schema, "properties": {**schema["properties"], "origin": ORIGIN}}}
