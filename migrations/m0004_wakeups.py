"""Give the collection that wakes idle workers its name: `wakeups` replaces `bell`."""

from __future__ import annotations

from typing import Any

from bson import Timestamp
from pymongo.database import Database
from pymongo.errors import OperationFailure

NAME, OLD_NAME = "wakeups", "bell"
BYTES = 4096


def up(database: Database[dict[str, Any]]) -> None:
    """Create the one and drop the other; running it twice, or by two at once, changes nothing.

    Nothing is copied: what the old collection holds has woken its workers already.
    """
    try:
        database.create_collection(NAME, check_exists=False, capped=True, size=BYTES)
    except OperationFailure as error:
        if error.code != 48:  # NamespaceExists
            raise
    database[NAME].insert_one({"at": Timestamp(0, 0)})  # a tailable cursor needs a first document
    database[OLD_NAME].drop()
