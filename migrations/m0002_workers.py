"""Create the collection of workers that are there; replace the index by which they find what was queued first."""

from __future__ import annotations

import contextlib
from typing import Any

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import OperationFailure

FORGET_AFTER = 24 * 3600
"""Seconds after which a worker that was killed is no longer listed even among those that were there."""


def up(database: Database[dict[str, Any]]) -> None:
    """Create what is not there; running it twice, or by two at once, changes nothing."""
    try:
        database.create_collection("workers", check_exists=False)
    except OperationFailure as error:
        if error.code != 48:  # NamespaceExists
            raise
    database["workers"].create_index([("beat", ASCENDING)], expireAfterSeconds=FORGET_AFTER)
    database["trials"].create_index([("exp", ASCENDING), ("state", ASCENDING), ("queued_at", ASCENDING)])
    with contextlib.suppress(OperationFailure):  # it is not there any more
        database["trials"].drop_index([("state", ASCENDING), ("queued_at", ASCENDING)])
