"""Create the collections of a store, their indexes, and the validator that keeps the log whole for every client."""

from __future__ import annotations

from typing import Any

from bson.binary import UUID_SUBTYPE, Binary
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

TRIAL_EVENTS = ["queued", "reserved", "running", "reported", "done", "failed", "requeued", "cancelled"]
HEADER_EVENTS = ["created", "changed", "paused", "resumed", "finished", "forked"]
DECISION = ["point", "params", "observed", "source"]  # unless they were too large and are kept in attachments
EVENT_BYTES = 64 * 1024

WHOLE = {"bsonType": ["int", "long"], "minimum": 0}
ENVELOPE = {
    "bsonType": "object",
    "required": ["_id", "exp", "ver", "type", "v", "at", "ts", "by", "data"],
    "additionalProperties": False,
    "properties": {
        "_id": {"bsonType": "binData"},
        "exp": {"bsonType": "string", "minLength": 1, "maxLength": 200},
        "tid": WHOLE,
        "ver": WHOLE,
        "type": {"enum": [*TRIAL_EVENTS, *HEADER_EVENTS, "noted"]},
        "v": WHOLE,
        "at": {"bsonType": "date"},
        "ts": {"bsonType": "timestamp"},
        "by": {"bsonType": "string", "maxLength": 1000},
        "data": {"bsonType": "object"},
    },
    # Each type belongs to one kind of chain, and two of them begin it.
    "oneOf": [
        {"required": ["tid"], "properties": {"type": {"enum": ["queued"]}, "ver": {"maximum": 0},
            "data": {"anyOf": [{"required": DECISION}, {"required": ["spilled"]}],
                     "properties": {"point": {"bsonType": "object"}, "observed": {"bsonType": "array"}}}}},
        {"required": ["tid"], "properties": {"type": {"enum": [*TRIAL_EVENTS[1:], "noted"]}, "ver": {"minimum": 1}}},
        {"not": {"required": ["tid"]}, "properties": {"type": {"enum": ["created"]}, "ver": {"maximum": 0}}},
        {"not": {"required": ["tid"]},
            "properties": {"type": {"enum": [*HEADER_EVENTS[1:], "noted"]}, "ver": {"minimum": 1}}},
    ],
}  # fmt: skip
# Binary values are ordered by length, then subtype, then content: between these two lies every UUID and nothing else.
A_UUID = {"$gte": Binary(b"\x00" * 16, UUID_SUBTYPE), "$lte": Binary(b"\xff" * 16, UUID_SUBTYPE)}
IS_SMALL = {"$expr": {"$lte": [{"$bsonSize": "$$ROOT"}, EVENT_BYTES]}}
VALIDATOR = {"$and": [{"$jsonSchema": ENVELOPE}, {"_id": A_UUID}, IS_SMALL]}

INDEXES: dict[str, list[tuple[list[tuple[str, int]], dict[str, Any]]]] = {
    "events": [([("exp", ASCENDING), ("tid", ASCENDING), ("ver", ASCENDING)], {"unique": True})],
    "trials": [
        ([("exp", ASCENDING), ("tid", ASCENDING)], {"unique": True}),
        ([("exp", ASCENDING), ("state", ASCENDING), ("loss", ASCENDING)], {}),
        ([("state", ASCENDING), ("queued_at", ASCENDING)], {}),
    ],
    "experiments": [],
    "attachments.files": [([("filename", ASCENDING), ("uploadDate", ASCENDING)], {})],
    "attachments.chunks": [([("files_id", ASCENDING), ("n", ASCENDING)], {"unique": True})],
}


def up(database: Database[dict[str, Any]]) -> None:
    """Create what is not there; running it twice, or by two at once, changes nothing."""
    for name, indexes in INDEXES.items():
        options: dict[str, Any] = (
            {"validator": VALIDATOR, "validationLevel": "strict", "validationAction": "error"}
            if name == "events"
            else {}
        )
        try:
            database.create_collection(name, check_exists=False, **options)
        except OperationFailure as error:
            if error.code != 48:  # NamespaceExists
                raise
            # A later step may have changed the validator, while another process applies this one for the first time.
            if options and "validator" not in database[name].options():
                database.command("collMod", name, **options)
        for keys, more in indexes:
            database[name].create_index(keys, **more)
