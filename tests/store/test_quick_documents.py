import datetime as dt
import uuid
from typing import Any

import bson
import pytest

from hstore.store.digest import digest
from hstore.store.document_cursor import decoded_all
from hstore.store.event_documents import place
from hstore.store.events import CODEC
from hstore.store.quick_documents import decoded_quickly, quick_place

STAMP = bson.Timestamp(5, 6)
LIKE_A_STAMP = bson.encode({"ts": STAMP})[4:-2]
"""What stands where a `ts` would, if it comes last in a value: a zero ends the data, and another one the document."""


def event(**changes: Any) -> bytes:
    """Return the BSON of an event as hstore writes it but for *changes*; those that are None are left out."""
    document = {
        "_id": uuid.UUID(int=1), "exp": "e", "tid": 0, "ver": 1, "type": "noted", "v": 1,
        "at": dt.datetime(2026, 1, 1, tzinfo=dt.UTC), "by": "x", "data": {"a": 1}, "ts": STAMP,
    } | changes  # fmt: skip
    return bson.encode({name: value for name, value in document.items() if value is not None}, codec_options=CODEC)


def test_a_document_as_hstore_writes_it_has_the_same_place_and_digest() -> None:
    raw = event()
    (document,), quick = decoded_all(raw), decoded_quickly(raw)
    assert quick is not None
    assert quick_place(quick[0]) == place(document) == (0, 1)
    assert digest(quick[0]) == digest(document)


@pytest.mark.parametrize(
    "changes",
    [
        {"_id": uuid.UUID(int=1).bytes},
        {"_id": bson.ObjectId(b"twelve bytes")},
        {"ts": None},
        {"ts": 7},
        {"data": {"a": LIKE_A_STAMP}, "ts": None},
        {"more": STAMP},
        {"tid": bson.Int64(0), "ts": None},
        {"tid": 0.0},
        {"ver": True},
        {"ver": -1},
    ],
    ids=str,
)
def test_whatever_another_program_wrote_has_the_same_place_and_digest_too(changes: dict[str, Any]) -> None:
    batch = event() + event(**changes)
    for document, quick in zip(decoded_all(batch), decoded_all(batch, quick=True), strict=True):
        assert quick_place(quick) == place(document)
        assert digest(quick) == digest(document)
