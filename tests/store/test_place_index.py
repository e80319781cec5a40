"""The unique index of the log: a store that lost it gets it back, or nothing is written to it."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from pymongo.database import Database
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.errors import IndexLost
from hstore.store.events import CODEC
from hstore.store.open_store import open_store
from hstore.store.place_index import has_place_index

PLACE = "exp_1_tid_1_ver_1"


def search(url: str, n: int = 3) -> Any:
    return fmin(
        lambda c: c["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, rand.suggest, n, experiment="e", store=url, rstate=0,
        verbose=False,
    )  # fmt: skip


def test_a_store_that_was_restored_without_its_indexes_gets_the_one_it_needs(
    mongo_url: str, database: Database[Any]
) -> None:
    search(mongo_url)
    database["events"].drop_index(PLACE)
    assert "had lost the unique index" in run(mongo_url, "ls").output
    assert has_place_index(database)
    search(mongo_url, 5)
    database["events"].drop()  # and with it the validator
    open_store(mongo_url).close()
    assert has_place_index(database)
    assert "validator" in database["events"].options()


def test_with_two_events_in_one_place_nothing_is_written_and_each_command_says_what_is_wrong(
    mongo_url: str, database: Database[Any]
) -> None:
    search(mongo_url)
    events = database.get_collection("events", codec_options=CODEC)
    events.drop_index(PLACE)
    end = events.find_one({"exp": "e", "tid": 1, "type": "done"})
    assert end is not None
    events.insert_one({**end, "_id": uuid.uuid4(), "data": {**end["data"], "loss": -9.0, "result": {"loss": -9.0}}})
    n = events.count_documents({})
    with pytest.raises(IndexLost, match="'e' has two events in place 3 of trial 1"):
        search(mongo_url, 5)
    for command, code, says in (
        ("migrate", 6, "two events in place 3 of trial 1"),
        ("doctor", 1, "has lost its unique index"),
        ("verify", 6, "event 3 of trial 1 was added: there are two events in this place"),
        ("check", 6, "place 3 of trial 1 is taken 2 times"),
        ("show", 0, "event 3 of trial 1 has the place of another event"),
        ("note", 6, "nothing is written"),
    ):
        args = {"migrate": [], "doctor": [], "note": ["e", "text"]}.get(command, ["e"])
        result = run(mongo_url, command, *args)
        assert (result.exit_code, says in result.output) == (code, True), result.output
    assert events.count_documents({}) == n
    events.delete_one({"data.loss": -9.0})
    assert run(mongo_url, "migrate").exit_code == 0
    assert has_place_index(database)
    search(mongo_url, 5)
