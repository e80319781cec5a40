import datetime as dt
import math
import uuid
from dataclasses import fields, replace
from typing import Any

import bson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from test_fold import event
from tests.drawing import examples

from hstore.store.digest import canonical, digest, digest_event
from hstore.store.event_documents import from_document, to_document
from hstore.store.events import CODEC, Created, Done, Event, Noted, Queued, Reserved, Running
from hstore.store.store import Store

NASTY: dict[str, Any] = {
    "nan": math.nan,
    "minus zero": -0.0,
    "inf": math.inf,
    "largest": 2**63 - 1,
    "smallest": -(2**63),
    "one": 1,
    "float one": 1.0,
    "$dollar": {"a.b": [None, True, {"": b"\x00"}]},
    "bytes": b"\xff",
    "when": dt.datetime(1969, 12, 31, 23, 59, 59, 999000, tzinfo=dt.UTC),
    "text": "größe\u0000",
    "empty": [{}, [], ""],
}


@pytest.mark.parametrize("result", [NASTY, {"big": "x" * 100_000, **NASTY}], ids=["small", "spilled"])
def test_an_event_has_the_digest_of_its_stored_document(
    result: dict[str, Any], mongo_store: Store, database: Database[Any]
) -> None:
    mine = event(Done, 0, 3, result=result, loss=math.nan)
    run = [event(Queued, 0, 0), event(Reserved, 0, 1), event(Running, 0, 2), mine]
    mongo_store.log.append(run)
    *_, document = mongo_store.log.documents("e")
    back = mongo_store.log.read("e")[-1]
    assert digest(document, b"after") == digest_event(mine, b"after") == digest_event(back, b"after")


@pytest.mark.parametrize("more", [{}, {"id": uuid.UUID(int=7), "as bytes": uuid.UUID(int=7).bytes}])
def test_documents_that_are_read_quickly_have_the_same_digests(more: dict[str, Any], mongo_store: Store) -> None:
    mine = event(Done, 0, 3, result={**NASTY, **more}, loss=0.0)
    mongo_store.log.append([event(Queued, 0, 0), event(Reserved, 0, 1), event(Running, 0, 2), mine])
    *_, document = mongo_store.log.documents("e")
    *_, quick = mongo_store.log.documents("e", quick=True)
    assert quick["at"].tzinfo is None  # it was
    assert digest(quick, b"after") == digest(document, b"after") == digest_event(mine, b"after")
    assert bson.encode(quick["data"], codec_options=CODEC) == bson.encode(document["data"], codec_options=CODEC)


def test_a_foreign_program_may_order_its_data_as_it_likes() -> None:
    one = {"_id": uuid.UUID(int=1), "exp": "e", "tid": 0, "ver": 1, "type": "noted", "v": 1, "by": "x"}
    one["at"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert digest({**one, "data": {"a": 1, "b": 2}}) == digest({"data": {"b": 2, "a": 1}, **one})


@pytest.mark.parametrize(
    "change",
    [
        {"exp": "f"},
        {"tid": 1},
        {"ver": 2},
        {"id": uuid.UUID(int=3)},
        {"by": "me"},
        {"prev": b"x"},
        {"note": "other"},
        {"at": dt.datetime(2026, 1, 1, 0, 0, 0, 1000, tzinfo=dt.UTC)},
        {"tags": []},
        {"extra": {"more": 1}},
    ],
)
def test_any_change_changes_the_digest(change: dict[str, Any]) -> None:
    mine: Event = event(Noted, 0, 1)
    assert digest_event(replace(mine, **change)) != digest_event(mine)


def test_the_digest_of_what_went_before_is_part_of_it_and_arrival_is_not() -> None:
    mine = event(Noted, 0, 1)
    assert digest_event(mine, b"a") != digest_event(mine, b"b")
    assert digest_event(replace(mine, ts=(9, 9))) == digest_event(mine)


def test_integers_and_floats_are_told_apart() -> None:
    mine = event(Done, 0, 3, result={"n": 1})
    assert digest_event(mine) != digest_event(replace(mine, result={"n": 1.0}))


def test_what_only_memory_can_hold_has_a_digest_too() -> None:
    cycle: dict[str, Any] = {}
    cycle["self"] = cycle
    for value in (object(), 2**70, cycle, {1, 2}, lambda: 0):
        assert len(digest_event(event(Done, 0, 3, result={"v": value}))) == 32


def test_every_field_of_the_envelope_is_covered() -> None:
    """A new field of `Event` must be sealed, or be left out on purpose here."""
    left_out = {"ts", "mac"}  # filled by the server; taken over the digest
    covered = {"exp", "tid", "ver", "id", "at", "by", "prev", "extra", "imported", "origin"}
    assert {field.name for field in fields(Event)} == covered | left_out
    assert digest_event(event(Created, None, 0)) != digest_event(event(Created, None, 0))
    mine = event(Noted, 0, 1)
    assert digest_event(replace(mine, imported={"tid": 1})) != digest_event(mine)
    copy = replace(mine, exp="copy", id=uuid.uuid4(), origin={"exp": mine.exp, "id": mine.id})
    assert digest_event(copy) == digest(to_document(copy)) == digest_event(mine)  # it is of the name and id of before
    assert digest_event(replace(copy, origin={"exp": "other", "id": mine.id})) != digest_event(mine)


def test_a_copy_in_a_fork_has_the_digest_of_its_original_and_no_other(mongo_store: Store) -> None:
    mine = event(Noted, 0, 1, note="n")
    copy = replace(mine, exp="fork", id=uuid.uuid4(), origin={"exp": mine.exp, "id": mine.id})
    assert digest_event(copy) == digest_event(mine) == digest(to_document(copy))
    assert from_document(to_document(copy)) == copy
    for other in ({"exp": "x", "id": mine.id}, {"exp": mine.exp, "id": uuid.uuid4()}, None):
        assert digest_event(replace(copy, origin=other)) != digest_event(mine)


def test_values_of_other_programs_are_covered_too() -> None:
    from bson import Decimal128, ObjectId, Regex

    for one, other in [(ObjectId(), ObjectId()), (Decimal128("1"), Decimal128("2")), (Regex("a"), Regex("b"))]:
        assert digest_event(event(Done, 0, 3, result={"v": one})) != digest_event(
            event(Done, 0, 3, result={"v": other})
        )
    document = {"_id": uuid.UUID(int=1), "exp": "e", "tid": 0, "ver": 1, "type": "noted", "v": 1, "by": "x"}
    document["at"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    same = [digest({**document, "data": {"v": ObjectId("0" * 24)}}) for _ in range(2)]
    assert same[0] == same[1] != digest({**document, "data": {"v": ObjectId("1" * 24)}})


def test_a_null_of_another_program_is_part_of_the_digest(mongo_store: Store, database: Database[Any]) -> None:
    mongo_store.log.append([event(Queued, 0, 0)])
    data = {"note": None, "tags": ["x"]}
    document = {"_id": uuid.uuid4(), "exp": "e", "tid": 0, "ver": 1, "type": "noted", "v": 1, "by": "x", "data": data}
    document["at"] = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    database["events"].insert_one(document | {"ts": bson.Timestamp(0, 0)})
    *_, stored = mongo_store.log.documents("e")
    read = mongo_store.log.read("e")[-1]
    assert isinstance(read, Noted)
    assert read.note is None
    assert digest(stored) == digest_event(read)


def test_large_values_that_only_memory_can_hold_have_a_digest_too() -> None:
    class Items:
        items = 5

    for value in ([2**63] * 8000, [object()] * 8000, {1: ["x" * 10_000]}, Items()):
        assert len(digest_event(event(Done, 0, 3, result={"v": value}))) == 32


@settings(max_examples=examples(20), deadline=None)
@given(st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | st.just("") | st.floats(), lambda inner: (
    st.lists(inner) | st.dictionaries(st.just(""), inner)), max_leaves=30), st.integers(1, 400))  # fmt: skip
def test_small_events_need_no_second_look_at_their_size(item: Any, times: int) -> None:
    """`digest_event` takes it that BSON has at most twelve bytes for one of msgpack."""
    document = to_document(event(Done, 0, 3, result={"v": [item] * times}))
    assert len(bson.encode(document, codec_options=CODEC)) <= 12 * len(canonical(document))
