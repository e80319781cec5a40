"""Updates of read models, each guarded by how much of the log the stored document reflects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pymongo
from pymongo.errors import BulkWriteError, DuplicateKeyError

from hstore.store.events import Document
from hstore.store.retry import let_go

if TYPE_CHECKING:
    from pymongo.collection import Collection


def guarded(document: Document, fields: frozenset[str], guard: str) -> tuple[Document, Document]:
    """Return (filter, update) that write *document*, unless the stored one reflects as much of the log already.

    Fields that others write beside ours (tickets, leases) stay; ours that no longer apply are removed.
    """
    update: Document = {"$set": document}
    if gone := fields - document.keys():
        update["$unset"] = dict.fromkeys(sorted(gone), "")
    return {"_id": document["_id"], guard: {"$lt": document[guard]}}, update


def write(collection: Collection[Document], updates: list[tuple[Document, Document]]) -> None:
    """Send *updates*, as `guarded` returns them; those of documents that reflect as much already change nothing."""
    try:
        if len(updates) == 1:  # a third of the cost of a bulk of one
            collection.update_one(*updates[0], upsert=True)
        else:
            collection.bulk_write([pymongo.UpdateOne(*update, upsert=True) for update in updates], ordered=False)
    except DuplicateKeyError as error:
        let_go(error)  # the guard did not match, and the upsert met the document: it reflects as much or more
    except BulkWriteError as error:
        if error.details["writeConcernErrors"] or any(e["code"] != 11000 for e in error.details["writeErrors"]):
            raise
        let_go(error)
