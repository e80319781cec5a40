"""Let events carry a signature: the field `mac`, beside what the log is made of."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

EVENT_BYTES = 64 * 1024
MAC_BYTES = 70
"""What the field takes. It comes on top of the limit, so that the same event fits with and without a signature."""
MAC = {
    "bsonType": "object",
    "required": ["key", "mac"],
    "additionalProperties": False,
    "properties": {"key": {"bsonType": "binData"}, "mac": {"bsonType": "binData"}},
}
IS_SIGNED = {"$eq": [{"$type": "$mac"}, "object"]}
LIMIT = {"$cond": [IS_SIGNED, EVENT_BYTES + MAC_BYTES, EVENT_BYTES]}
IS_SMALL = {"$expr": {"$lte": [{"$bsonSize": "$$ROOT"}, LIMIT]}}


def up(database: Database[dict[str, Any]]) -> None:
    """Change the validator of `events`, whatever other steps made of it; running it twice changes nothing."""
    validator = database["events"].options().get("validator")
    if validator is None:  # the collection takes every field
        return
    clauses = [_changed(clause) for clause in validator["$and"]]
    database.command(
        "collMod", "events", validator={"$and": clauses}, validationLevel="strict", validationAction="error"
    )


def _changed(clause: dict[str, Any]) -> dict[str, Any]:
    if "$expr" in clause:
        return IS_SMALL
    schema = clause.get("$jsonSchema")
    if schema is None:
        return clause
    return {"$jsonSchema": {**schema, "properties": {**schema["properties"], "mac": MAC}}}
