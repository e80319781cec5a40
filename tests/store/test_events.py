import datetime as dt
import uuid
from typing import Any

import bson
import pytest
from test_fold import DATA, event

from hstore.migrations import m0001_create_collections as m0001
from hstore.migrations import m0008_sealed as m0008
from hstore.migrations import m0009_quarantine as m0009
from hstore.store.errors import InvalidEvent, NotFound
from hstore.store.event_documents import from_document, spill, to_document
from hstore.store.events import (
    CODEC,
    EVENT_BYTES,
    TYPES,
    Created,
    Done,
    Event,
    ExperimentEvent,
    Noted,
    Queued,
    Reported,
    TrialEvent,
    Unreadable,
)


def stored(document: dict[str, Any]) -> dict[str, Any]:
    """Return *document* as it comes back from a server."""
    return bson.decode(bson.encode(document, codec_options=CODEC), codec_options=CODEC)


@pytest.mark.parametrize("kind", [kind for kind in DATA if kind is not Unreadable], ids=lambda kind: kind.type)
def test_every_event_survives_its_document(kind: type[Event]) -> None:
    tid = None if kind.type in ("created", "changed", "paused", "resumed", "finished", "quarantined") else 3
    mine = event(kind, tid, 0 if kind.type in ("created", "queued") else 4, prev=b"p" * 32)
    document = to_document(mine)
    assert list(document) == [
        k for k in ("_id", "exp", "tid", "ver", "type", "v", "at", "by", "data") if k != "tid" or tid == 3
    ]
    assert from_document(stored(document)) == mine
    assert TYPES[kind.type] is kind


def test_the_time_of_arrival_is_read_but_is_no_part_of_the_event() -> None:
    mine = event(Noted, 1, 1)
    back = from_document(stored(to_document(mine) | {"ts": bson.Timestamp(7, 2)}))
    assert back == mine
    assert back.ts == (7, 2)


def test_data_that_this_version_does_not_know_is_kept() -> None:
    document = to_document(event(Noted, 1, 1))
    document["data"]["colour"] = "red"
    back = from_document(stored(document))
    assert back.extra == {"colour": "red"}
    assert to_document(back) == document


@pytest.mark.parametrize("change", [{"type": "vanished"}, {"v": 2}, {"data": {"result": {}}}])
def test_what_cannot_be_understood_is_set_aside_whole(change: dict[str, Any]) -> None:
    document = stored(to_document(event(Done, 1, 3)) | change)
    aside = from_document(document)
    assert isinstance(aside, Unreadable)
    assert (aside.exp, aside.tid, aside.ver) == ("e", 1, 3)
    assert aside.stored() == document


def test_small_events_are_not_touched() -> None:
    document = to_document(event(Noted, 1, 1))
    assert spill(document) == (document, {})


def test_the_largest_values_move_out_until_the_rest_fits() -> None:
    result = {"status": "ok", "loss": 1.0, "big": "x" * 70_000}
    mine = event(Done, 1, 3, result=result)
    document, blobs = spill(to_document(mine))
    assert len(bson.encode(document, codec_options=CODEC)) < EVENT_BYTES
    assert document["data"]["loss"] == 1.0
    assert set(document["data"]["spilled"]) == {"result"}
    assert from_document(stored(document), blobs.__getitem__) == mine
    assert spill(to_document(mine)) == (document, blobs)
    with pytest.raises(InvalidEvent, match="nothing was given to fetch it with"):
        from_document(stored(document))


def test_many_values_move_out_one_by_one() -> None:
    labels = {f"label{i}": i * 0.5 for i in range(4000)}
    mine = event(Queued, 0, 0, point=labels, params=labels)
    document, blobs = spill(to_document(mine))
    assert set(document["data"]["spilled"]) == {"params", "point"}
    assert from_document(stored(document), blobs.__getitem__) == mine


def test_an_envelope_cannot_grow_without_limit() -> None:
    with pytest.raises(InvalidEvent, match="too large"):
        spill(to_document(event(Noted, 1, 1)) | {"by": "x" * 70_000})


def test_events_are_values() -> None:
    mine = event(Noted, 1, 1)
    with pytest.raises(AttributeError):
        mine.note = "other"
    assert mine != event(Noted, 1, 1)  # its id is its own
    assert mine.id != uuid.UUID(int=0)
    assert mine.at.tzinfo is dt.UTC


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ({"params": {}, "observed": [], "source": "suggested"}, "point is missing"),
        ({"point": {}, "params": {}, "source": "suggested"}, "observed is missing"),
        ({"point": {}, "params": {}, "observed": []}, "source is missing"),
        ({"point": 5, "params": {}, "observed": [], "source": "x"}, "point cannot be 5"),
        ({"point": {}, "params": {}, "observed": [[0, 1]], "source": "x"}, "observed cannot be"),
        ({"point": {}, "params": {}, "observed": [[0, "1", b""]], "source": "x"}, "observed cannot be"),
        ({"point": {}, "params": {}, "observed": [], "source": "x", "batch": ["a"]}, "batch cannot be"),
        ({"point": {}, "params": None, "observed": [], "source": "x"}, "params is missing"),
    ],
)
def test_data_of_the_wrong_shape_is_set_aside_not_handed_on(data: dict[str, Any], why: str) -> None:
    aside = from_document(stored(to_document(event(Queued, 1, 0)) | {"data": data}))
    assert isinstance(aside, Unreadable)
    assert why in aside.why


@pytest.mark.parametrize(
    ("kind", "data", "why"),
    [
        (Done, {"result": {}, "status": "ok", "losses": [1.0, "a"]}, "losses cannot be"),
        (Done, {"result": {}, "status": "ok", "losses": 1.0}, "losses cannot be"),
        (Done, {"result": {}, "status": "ok", "constraints": [True]}, "constraints cannot be"),
        (Done, {"result": {}, "status": "fail", "pruned": 1}, "pruned cannot be"),
        (Reported, {"step": 1, "value": 1.0, "pruning": {"pruner": {}}}, "pruning cannot be"),
        (Reported, {"pruning": {"pruner": {}, "seen": {"ended": [[0, 1, 2]], "open": []}}}, "pruning cannot be"),
        (Reported, {"pruning": {"pruner": {}, "seen": {"ended": [], "open": [[0, "1"]]}}}, "pruning cannot be"),
    ],
)
def test_ends_and_reports_of_the_wrong_shape_are_set_aside(kind: type[Event], data: dict[str, Any], why: str) -> None:
    document = to_document(event(Noted, 1, 3)) | {"type": kind.type, "data": data}
    aside = from_document(stored(document))
    assert isinstance(aside, Unreadable)
    assert why in aside.why


def test_a_time_that_no_clock_here_knows_is_set_aside() -> None:
    late = bson.datetime_ms.DatetimeMS(8_640_000_000_000_000)
    aside = from_document(stored(to_document(event(Noted, 1, 1)) | {"at": late}))
    assert isinstance(aside, Unreadable)
    assert aside.at.year == 1970
    assert aside.stored()["at"] == late


def test_data_that_was_moved_out_and_is_gone_is_set_aside() -> None:
    document, blobs = spill(to_document(event(Done, 1, 3, result={"big": "x" * 70_000})))

    def fetch(sha256: bytes) -> bytes:
        raise NotFound("there is no attachment")

    for get in (fetch, dict.fromkeys(blobs, b"nonsense").__getitem__):
        aside = from_document(stored(document), get)
        assert isinstance(aside, Unreadable)
        assert "moved out" in aside.why


@pytest.mark.parametrize(("kind", "tid"), [(Done, None), (Created, 3)], ids=["of a trial", "of the experiment"])
def test_an_event_in_a_chain_of_the_other_kind_is_set_aside(kind: type[Event], tid: int | None) -> None:
    document = stored(to_document(event(kind, tid, 3)))
    aside = from_document(document)
    assert isinstance(aside, Unreadable)
    assert (aside.tid, aside.stored()) == (tid, document)


def test_each_type_but_notes_belongs_to_one_kind_of_chain() -> None:
    of_trials = {kind.type for kind in TYPES.values() if issubclass(kind, TrialEvent)}
    of_experiments = {kind.type for kind in TYPES.values() if issubclass(kind, ExperimentEvent)}
    assert of_trials == set(m0001.TRIAL_EVENTS)
    assert of_experiments == {*m0001.HEADER_EVENTS, m0008.TYPE, m0009.TYPE}
