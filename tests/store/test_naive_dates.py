"""Dates come back from a store as they were given: naive or aware."""

import datetime as dt
from typing import Any

import bson
import pytest
from test_fold import event

from hstore.store.digest import digest, digest_event
from hstore.store.event_documents import from_document, to_document
from hstore.store.events import CODEC, Document, Done, Noted, Queued
from hstore.store.naive_dates import naive_parts

NAIVE, AWARE = dt.datetime(2024, 5, 6, 7, 8, 9), dt.datetime(2024, 5, 6, 7, 8, 9, tzinfo=dt.UTC)

MIXED: dict[str, Any] = {
    "started": NAIVE, "ended": AWARE, "steps": [{"at": NAIVE}, {"at": NAIVE}], "both": [AWARE, 1, NAIVE], "none": [{}],
}  # fmt: skip


def stored(document: Document) -> Document:
    return bson.decode(bson.encode(document, codec_options=CODEC), codec_options=CODEC)


@pytest.mark.parametrize("value", [NAIVE, AWARE, MIXED, [[NAIVE]], {"": NAIVE, "a.b": AWARE}, {"0": [NAIVE, [AWARE]]}])
def test_each_date_comes_back_as_it_was_in_every_field_that_users_fill(value: Any) -> None:
    for given in (
        event(Done, 0, 3, result={"v": value}, status="ok"),
        event(Noted, 0, 3, late={"type": "done", "result": {"v": value}}),
        event(Queued, 0, 0, point={"x": 1}, params={"x": value}),
        event(Queued, 0, 0, point={}, params={}, imported={"job": {"v": value}, "at": AWARE}),
    ):
        document = to_document(given)
        assert from_document(stored(document)) == given
        assert digest(stored(document)) == digest_event(given)  # which covers the difference
    assert digest_event(event(Done, 0, 3, result={"v": NAIVE}, status="ok")) != digest_event(
        event(Done, 0, 3, result={"v": AWARE}, status="ok")
    )


def test_a_part_of_which_all_dates_are_naive_is_named_as_a_whole() -> None:
    assert naive_parts({"result": {"loss": 1.0}}) == []
    assert naive_parts({"result": {"loss": 1.0, "a": [NAIVE] * 1000, "b": NAIVE}}) == [["result"]]
    assert naive_parts({"result": MIXED}) == [["result", "started"], ["result", "steps"], ["result", "both", 2]]


def test_what_holds_itself_is_not_followed_for_ever() -> None:
    circle: dict[str, Any] = {"at": NAIVE}
    circle["self"] = [circle, circle]
    assert naive_parts({"result": circle}) == [["result"]]


@pytest.mark.parametrize(
    "marks", [7, [7], [["result", "gone"]], [["result", "loss"]], [["result", 0]], [[]], {"a": 1}, "x"]
)
def test_marks_that_lead_nowhere_change_nothing_and_keep_the_digest(marks: Any) -> None:
    document = to_document(event(Done, 0, 3, result={"loss": 1.0, "at": AWARE}, status="ok"))
    document["data"]["naive"] = marks
    read = from_document(stored(document))
    assert isinstance(read, Done)
    assert read.result["at"] == AWARE
    assert digest_event(read) == digest(document)
