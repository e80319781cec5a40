"""Let the log hold events of the type `sealed`, on the experiment's own chain."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

TYPE = "sealed"


def up(database: Database[dict[str, Any]]) -> None:
    """Change the validator of `events`, whatever other steps made of it; running it twice changes nothing."""
    validator = database["events"].options().get("validator")
    if validator is None:  # the collection takes every type
        return
    clauses = [_changed(clause) for clause in validator["$and"]]
    database.command(
        "collMod", "events", validator={"$and": clauses}, validationLevel="strict", validationAction="error"
    )


def _changed(clause: dict[str, Any]) -> dict[str, Any]:
    schema = clause.get("$jsonSchema")
    if schema is None:
        return clause
    properties = {**schema["properties"], "type": _with_type(schema["properties"]["type"])}
    kinds = [_of_own_chain(kind) if _goes_on_own_chain(kind) else kind for kind in schema["oneOf"]]
    return {"$jsonSchema": {**schema, "properties": properties, "oneOf": kinds}}


def _goes_on_own_chain(kind: dict[str, Any]) -> bool:
    """Return whether *kind* is the clause of what may follow `created`."""
    return "finished" in kind["properties"]["type"]["enum"]


def _of_own_chain(kind: dict[str, Any]) -> dict[str, Any]:
    properties = kind["properties"]
    return {**kind, "properties": {**properties, "type": _with_type(properties["type"])}}


def _with_type(types: dict[str, Any]) -> dict[str, Any]:
    return types if TYPE in types["enum"] else {**types, "enum": [*types["enum"], TYPE]}
