"""Let an event that was copied to another name be larger by its `origin`: whatever a store took can be copied."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

EVENT_BYTES, MAC_BYTES = 64 * 1024, 70
ORIGIN_BYTES = 2000
"""More than an origin takes, and than a new name is longer: both hold a name of at most 200 characters, 800 bytes."""
IS_SIGNED = {"$eq": [{"$type": "$mac"}, "object"]}
IS_COPY = {"$eq": [{"$type": "$data.origin"}, "object"]}
LIMIT = {"$add": [EVENT_BYTES, {"$cond": [IS_SIGNED, MAC_BYTES, 0]}, {"$cond": [IS_COPY, ORIGIN_BYTES, 0]}]}
IS_SMALL = {"$expr": {"$lte": [{"$bsonSize": "$$ROOT"}, LIMIT]}}


def up(database: Database[dict[str, Any]]) -> None:
    """Change the validator of `events`, whatever other steps made of it; running it twice changes nothing."""
    validator = database["events"].options().get("validator")
    if validator is None:  # the collection takes every size
        return
    clauses = [IS_SMALL if "$expr" in clause else clause for clause in validator["$and"]]
    if clauses != validator["$and"]:
        database.command(
            "collMod", "events", validator={"$and": clauses}, validationLevel="strict", validationAction="error"
        )
