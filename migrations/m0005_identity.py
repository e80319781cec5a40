"""Give the store an identity: a UUID by which a process knows the store that it opened from one put in its place."""

from __future__ import annotations

import uuid
from typing import Any

from pymongo.database import Database

SCHEMA = "schema"
FIELD = "store"


def up(database: Database[dict[str, Any]]) -> None:
    """Write the UUID beside the first step, which made the store; running it twice, or by two at once, changes nothing.

    It has no document of its own: programs before this step compare the `_id`s of all documents with numbers.
    """
    database[SCHEMA].update_one({"_id": 1, FIELD: {"$exists": False}}, {"$set": {FIELD: uuid.uuid4()}})
