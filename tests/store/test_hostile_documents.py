"""One document that no program of hstore wrote, in the log or beside it: it is named or left out, and nothing stops."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from typing import Any

import bson
import pytest
from bson.code import Code
from bson.raw_bson import RawBSONDocument
from histories import begin
from pymongo.database import Database
from tests.waiting import until
from tests.workers.serving import begin as begin_queued
from tests.workers.serving import worker_here

from hstore.cli.app import run
from hstore.engine.audit.check import check
from hstore.engine.evaluation import attempt
from hstore.store.errors import ClosedChain
from hstore.store.events import CODEC, Done, Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.open_store import open_store
from hstore.store.store import Store
from hstore.store.verify import verify

ODD = [5, "text", {"a": [1]}, b"x" * 16, Code("f()"), 1.5, dt.datetime(2020, 1, 1)]


def no_text(**fields: Any) -> RawBSONDocument:
    """Return a document in which the text BAD is none of UTF-8."""
    return RawBSONDocument(bson.encode(fields, codec_options=CODEC).replace(b"BAD", b"\xff\xfe\xff"))


def ended(store: Store, name: str = "e") -> Experiment:
    experiment = begin(store, name)
    decided: dict[str, Any] = {"point": {"x": 0.5}, "params": {"x": 0.5}, "observed": experiment.observed()}
    end = {"result": {"status": "ok", "loss": 0.5}, "status": "ok", "loss": 0.5}
    claimed = attempt.claim(0, attempts=0, worker="w")
    experiment.append(experiment.compose((Queued, 0, decided), claimed, attempt.begin(0, pid=1, objective=None)))
    experiment.append(experiment.compose((Done, 0, end)))
    return experiment


@pytest.mark.parametrize("field", ["_id", "by", "type"])
def test_an_event_with_an_odd_id_writer_or_type_is_named_and_its_chain_is_closed(
    mongo_store: Store, mongo_url: str, database: Database[Any], field: str
) -> None:
    events = database["events"]
    ended(mongo_store)
    last = events.find_one({"type": "done"})
    assert last is not None
    for odd in ODD:
        if field in ("by", "type") and odd == "text":
            continue
        events.delete_one({"ver": 3})
        events.insert_one({**last, field: odd}, bypass_document_validation=True)
        with open_store(mongo_url) as store:  # the other one knows the event that was there
            experiment = store.experiment("e")
            verify(experiment.documents())  # which may find nothing: no digest covers the event
            assert any("event 3 of trial 0" in each.message for each in check(store, "e")), odd
            with pytest.raises(ClosedChain):
                experiment.append(experiment.compose((Noted, 0, {"note": "n"})))


def test_text_that_is_no_utf_8_in_one_document_hides_no_other(
    mongo_store: Store, mongo_url: str, database: Database[Any], capfd: pytest.CaptureFixture[str]
) -> None:
    begin_queued(mongo_store, "e", lambda config: config["x"], 1)
    now = dt.datetime.now(dt.UTC)
    database["trials"].insert_one(no_text(_id=1, exp="e", tid=7, state="queued", worker="BAD"))
    database["experiments"].insert_one(no_text(_id=1, status="open", title="BAD"))
    database["experiments"].insert_one({"_id": Code("f()"), "status": "open"})
    database["workers"].insert_one(no_text(_id=1, host="BAD", beat=now, seconds=1e6))
    database["removed"].insert_one(no_text(_id=1, exp="e", person="BAD"))
    database["wakeups"].insert_one(no_text(_id=1, host="BAD"))
    for exp in ("BAD", 5, Code("f()")):
        created = no_text(_id=uuid.uuid4(), exp=exp, ver=0, type="created")
        database["events"].insert_one(created, bypass_document_validation=True)
    database["events"].insert_one({"of": "another program", "ver": 0}, bypass_document_validation=True)
    assert mongo_store.experiments() == ["e"]
    for call in (
        ["ls"],
        ["status"],
        ["show", "e"],
        ["verify", "e"],
        ["worker", "--burst"],
        ["status", "--json"],
        ["check", "e"],
    ):
        assert run(["--store", mongo_url, *call]) in (0, 6), (call, capfd.readouterr())
    assert run(["--store", mongo_url, "verify", "none"]) == 3
    capfd.readouterr()
    assert run(["--store", mongo_url, "ls", "--json"]) == 0
    assert "e" in [each["name"] for each in json.loads(capfd.readouterr().out)]


def test_documents_of_trials_without_a_number_stop_no_worker(
    mongo_store: Store, mongo_url: str, database: Database[Any]
) -> None:
    experiment = begin_queued(mongo_store, "e", lambda config: config["x"], 2)
    long_ago = dt.datetime(2000, 1, 1)
    for n, tid in enumerate((None, "x", 1.5, 2**40, -1)):
        odd = {"_id": n, "exp": "e", "state": "queued", "queued_at": long_ago, "ver": 0}
        database["trials"].insert_one(odd | ({} if tid is None else {"tid": tid}))
    database["trials"].insert_one({"_id": "held", "exp": "e", "tid": 10**12, "state": "reserved", "ver": "x"})
    database["wakeups"].insert_one({"at": "never"})
    with worker_here(mongo_url, experiments=("e",)):
        until(lambda: experiment.refresh() is not None and experiment.state.ended == 2)
    assert check(mongo_store, "e") != []  # the odd ones are named
    assert run(["--store", mongo_url, "rebuild", "e"]) == 0
    assert check(mongo_store, "e") == []


def test_trials_that_only_their_documents_know_or_call_queued_keep_no_worker(
    mongo_store: Store, mongo_url: str, database: Database[Any]
) -> None:
    experiment = begin_queued(mongo_store, "e", lambda config: config["x"], 2)
    for tid, ver in ((7, 0), (2**40, 3), (9, "x"), (-1, None)):
        database["trials"].insert_one({"_id": tid, "exp": "e", "tid": tid, "state": "queued", "ver": ver})
    with worker_here(mongo_url, experiments=("e",)):
        until(lambda: experiment.refresh() is not None and experiment.state.ended == 2)
        database["trials"].update_one({"exp": "e", "tid": 1}, {"$set": {"state": "queued", "ver": 99}})
        until(lambda: database["trials"].count_documents({"state": "queued"}) == 0)
    mongo_store.experiment("e").repair()
    assert check(mongo_store, "e") == []
