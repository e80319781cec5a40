"""Let the experiment's own chain hold `quarantined` events: they name what was set aside and counts for nothing."""

from __future__ import annotations

from typing import Any

from pymongo.database import Database

TYPE = "quarantined"
BESIDE = "paused"
"""A type that may be in the same places."""


def up(database: Database[dict[str, Any]]) -> None:
    """Change the validator of `events`, whatever other steps made of it; running it twice changes nothing."""
    validator = database["events"].options().get("validator")
    if validator is None:  # the collection takes every type
        return
    clauses = [_changed(clause) for clause in validator["$and"]]
    if clauses != validator["$and"]:
        database.command(
            "collMod", "events", validator={"$and": clauses}, validationLevel="strict", validationAction="error"
        )


def _changed(part: Any) -> Any:
    """Return *part* of a validator with `TYPE` in each list of types that has `BESIDE`."""
    if isinstance(part, dict):
        return {name: _changed(value) for name, value in part.items()}
    if isinstance(part, list):
        more = [TYPE] if BESIDE in part and TYPE not in part else []
        return [_changed(value) for value in part] + more
    return part
