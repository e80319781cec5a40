"""The unique index that gives each place of the log to one event alone: whether a store has it, and making it again.

A dump that is restored without its indexes, or copied by other tools, has lost it. Then two writers could both be told
that they have a place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure

from hstore.migrations import MIGRATIONS
from hstore.store.chain_digests import chain_name
from hstore.store.document_cursor import IN_ORDER
from hstore.store.errors import IndexLost
from hstore.store.messages import Log
from hstore.store.retry import is_duplicate, let_go

if TYPE_CHECKING:
    from pymongo.database import Database

    from hstore.store.errors import HstoreError

LOG = Log("place_index")
UNAUTHORIZED, BAD_HINT = 13, 2


def has_place_index(database: Database[dict[str, Any]]) -> bool:
    """Return whether there is a unique index on the place of an event; for a user who may only read, whether any is."""
    try:
        indexes = database["events"].index_information().values()
    except OperationFailure as error:
        if error.code != UNAUTHORIZED:
            raise
        let_go(error)
        return _can_be_used(database)
    return any(index.get("unique") and [*index["key"]] == IN_ORDER for index in indexes)


def _can_be_used(database: Database[dict[str, Any]]) -> bool:
    try:
        database["events"].find_one({"exp": ""}, {"_id": 1}, hint=IN_ORDER)
    except OperationFailure as error:
        if error.code != BAD_HINT:
            raise
        let_go(error)
        return False
    return True


def ensure_place_index(database: Database[dict[str, Any]], shown: str) -> HstoreError | None:
    """Make the index again if it is gone; return why nothing may be appended to the store *shown* if that cannot be."""
    if has_place_index(database):
        return None
    events = database["events"]
    try:
        if events.find_one({}, {"_id": 1}) is None:  # the collection itself may be gone, with its validator
            for step in MIGRATIONS:
                step.up(database)
        events.create_index(IN_ORDER, unique=True)
    except OperationFailure as error:
        return _refusal(error, shown)
    LOG.warning(f"{shown} had lost the unique index of `events`, as after a restore without indexes; it was made again")
    return None


def _refusal(error: OperationFailure, shown: str) -> HstoreError:
    what = f"nothing is written to {shown}: it has lost the unique index of `events`, which keeps writers apart"
    if error.code == UNAUTHORIZED:
        return IndexLost(what, hint="the owner of the database makes it again by `hstore migrate`")
    if not is_duplicate(error):
        return IndexLost(f"{what}, and it cannot be made again: {error}", hint="see `hstore doctor`")
    place = (error.details or {}).get("keyValue", {})
    tid, exp = place.get("tid"), place.get("exp")
    return IndexLost(
        f"{what}, and {exp!r} has two events in place {place.get('ver')} of {chain_name(tid)}",
        hint=f"`hstore check {exp}` lists such places; restore them from a backup, then run `hstore migrate`",
    )
