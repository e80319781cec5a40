"""Create the collection of workers that are there; replace the index by which they find what was queued first."""

from __future__ import annotations

import contextlib
from typing import Any

from bson import Timestamp
from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

FORGET_AFTER = 24 * 3600
"""Seconds after which a worker that was killed is no longer listed even among those that were there."""
BELL_BYTES = 4096


def up(database: Database[dict[str, Any]]) -> None:
    """Create what is not there; running it twice, or by two at once, changes nothing."""
    kinds: dict[str, dict[str, Any]] = {"workers": {}, "bell": {"capped": True, "size": BELL_BYTES}}
    for name, options in kinds.items():
        try:
            database.create_collection(name, check_exists=False, **options)
        except OperationFailure as error:
            if error.code != 48:  # NamespaceExists
                raise
    database["bell"].insert_one({"at": Timestamp(0, 0)})  # nobody can wait for the next one without a first
    database["workers"].create_index([("beat", ASCENDING)], expireAfterSeconds=FORGET_AFTER)
    keys = [("exp", ASCENDING), ("state", ASCENDING), ("ticket", ASCENDING), ("queued_at", ASCENDING)]
    database["trials"].create_index(keys)
    with contextlib.suppress(OperationFailure):  # it is not there any more
        database["trials"].drop_index([("state", ASCENDING), ("queued_at", ASCENDING)])
