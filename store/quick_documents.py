"""Documents that are decoded quickly, for those who look at every event of a log: see `EventLog.documents`. Pure."""

from __future__ import annotations

import struct
from uuid import UUID

import bson
from bson.errors import BSONError

from hstore.store.event_documents import place
from hstore.store.events import CODEC, Document

QUICK: bson.CodecOptions[Document] = CODEC.with_options(tz_aware=False)
_AN_ID, _A_TS = b"\x05_id\0\x10\0\0\0\x04", b"\x11ts\0"
"""What comes before the bytes of an `_id` that is a UUID, and of a timestamp that is called `ts`."""
_length_at = struct.Struct("<i").unpack_from


def decoded_quickly(batch: bytes) -> list[Document] | None:
    """Return the documents in *batch* with plain values where BSON's own take as long to make as all the rest.

    The `_id` of each becomes bytes, and its `ts` a number that means nothing: two bytes are written over that say of
    which type these are. None unless each begins with a UUID as `_id` and ends with a `ts`, as hstore writes them.
    """
    edited = bytearray(batch)
    start, end = 0, len(batch)
    while start < end:
        (length,) = _length_at(batch, start)
        behind = start + length
        if batch[start + 4 : start + 14] != _AN_ID or batch[behind - 13 : behind - 9] != _A_TS:
            return None
        edited[start + 13], edited[behind - 13] = 0, 1  # binary of no special kind; a double
        start = behind
    try:
        documents = bson.decode_all(edited, QUICK)
    except BSONError:
        return None
    # What looked like a `ts` was one, and not the end of a longer value, if that is the last name.
    return documents if set(map(next, map(reversed, documents))) <= {"ts"} else None


def quick_place(document: Document) -> tuple[int | None, int] | None:
    """Return `place` of a *document* that was read quickly: see `EventLog.documents`."""
    of = document.get
    tid, ver = of("tid"), of("ver")
    if type(ver) is int and ver >= 0 and (tid is None or (type(tid) is int and tid >= 0)) and type(of("_id")) is bytes:
        return tid, ver  # as most are
    return place(with_uuid(document))


def with_uuid(document: Document) -> Document:
    """Return a *document* that was read quickly with a UUID as its `_id` again, if that is one."""
    id = document.get("_id")
    return document | {"_id": UUID(bytes=id)} if type(id) is bytes else document
