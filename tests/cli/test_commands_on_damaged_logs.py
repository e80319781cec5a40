"""replay, verify and others on logs that hold what an algorithm did not choose, or what was damaged."""

import json
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import bson
import pytest
from pymongo.database import Database
from tests.cli.commands import run
from tests.cli.demo_search import SPACE, objective, search

from hstore import fmin, hp, mix, rand, tpe


@pytest.fixture
def demo(filled: Callable[[Callable[[str], None]], str]) -> str:
    """The URL of a store that holds experiment `demo`."""
    return filled(search)


def test_log_shows_a_log_with_a_hole_and_what_somebody_wrote_by_hand(demo: str, database: Database[Any]) -> None:
    events = database["events"]
    before = run(demo, "log", "demo").stdout.splitlines()
    events.delete_one({"exp": "demo", "tid": 3, "ver": 2})
    events.update_one({"exp": "demo", "tid": 4, "type": "queued"}, {"$set": {"data.params": 7}})
    events.update_one({"exp": "demo", "tid": 5, "type": "reported"}, {"$set": {"data.attachment": 7}})
    shown = run(demo, "log", "demo")
    assert (shown.exit_code, len(shown.stdout.splitlines())) == (0, len(before) - 1)
    assert re.search(r" 4 +0  queued     7\n", shown.stdout)
    assert re.search(r" 5 +\d  reported   its data is malformed", shown.stdout)


def test_replay_tells_what_was_given_and_what_it_cannot_derive(mongo_url: str, database: Database[Any]) -> None:
    fmin(
        objective,
        SPACE,
        algo=rand.suggest,
        max_evals=4,
        rstate=0,
        points_to_evaluate=[{"x": 0.5, "c": 0}],
        verbose=False,
        experiment="demo",
        store=mongo_url,
        catch_eval_exceptions=True,
    )
    shown = run(mongo_url, "replay", "demo").stdout.splitlines()
    assert shown[:2] == [
        "demo: 4 of 5 decisions recomputed, reproduced exactly",
        "not replayable (user-supplied or imported): 1",
    ]
    database["events"].update_many({"tid": {"$gt": 0}, "type": "queued"}, {"$set": {"data.algorithm.version": 99}})
    shown = run(mongo_url, "replay", "demo").stdout.splitlines()
    assert shown[0] == "demo: 0 of 5 decisions recomputed"
    assert shown[2].startswith("not recomputed: 4 trials from 1 on, chosen by rand 99")


def test_a_mix_of_algorithms_is_shown_and_derived_again(mongo_url: str) -> None:
    parts = [(0.25, rand.suggest), (0.75, partial(tpe.suggest, n_startup_jobs=2))]
    algo = partial(mix.suggest, p_suggest=parts)
    fmin(
        objective,
        {"x": hp.uniform("x", 0, 0.5)},
        algo=algo,
        max_evals=8,
        rstate=0,
        verbose=False,
        experiment="demo",
        store=mongo_url,
    )
    assert "algorithm  mix of 0.25 rand, 0.75 tpe n_startup_jobs=2\n" in run(mongo_url, "show", "demo").stdout
    assert "8 of 8 decisions recomputed, reproduced exactly" in run(mongo_url, "replay", "demo").stdout


@pytest.mark.parametrize("edit", [{"$unset": {"data.params": 1}}, {"$set": {"data.point.x": "far"}}])
def test_replay_fails_at_a_decision_that_cannot_be_read(
    edit: dict[str, Any], demo: str, database: Database[Any]
) -> None:
    database["events"].update_one({"exp": "demo", "tid": 4, "type": "queued"}, edit, bypass_document_validation=True)
    shown = run(demo, "replay", "demo")
    assert shown.exit_code == 6
    assert "the decision of trial 4 cannot be read (see `hstore verify demo`)" in shown.stderr


def test_a_point_that_was_edited_is_named_by_replay_and_by_verify(demo: str, database: Database[Any]) -> None:
    database["events"].update_one({"exp": "demo", "tid": 4, "type": "queued"}, {"$set": {"data.point.x": 0.125}})
    shown = run(demo, "replay", "demo")
    assert shown.exit_code == 6
    assert re.search(r"4 +x +0.125", shown.stdout)
    shown = run(demo, "verify", "demo")
    assert shown.exit_code == 6
    assert "event 0 of trial 4 was changed" in shown.stdout
    assert json.loads(run(demo, "verify", "demo", "--json").stdout)["findings"][0]["tid"] == 4


def test_verify_works_on_a_log_with_a_hole(demo: str, database: Database[Any]) -> None:
    assert run(demo, "verify", "demo").exit_code == 0
    database["events"].delete_one({"exp": "demo", "tid": 3, "ver": 2})
    shown = run(demo, "verify", "demo")
    assert (shown.exit_code, "event 2 of trial 3 was removed" in shown.stdout) == (6, True)
    shown = run(demo, "show", "demo")
    assert shown.exit_code == 6
    assert "hstore verify demo" in shown.stderr


def test_an_event_that_cannot_be_decoded_is_named_and_the_rest_is_read(demo: str, database: Database[Any]) -> None:
    found = database["events"].find_one({"exp": "demo", "tid": 2, "ver": 2})
    assert found is not None
    raw = bson.encode({**found, "data": {**found["data"], "python": "3.1X"}}, codec_options=database.codec_options)
    events = database.get_collection(
        "events", codec_options=bson.CodecOptions(bson.raw_bson.RawBSONDocument, uuid_representation=4)
    )
    events.delete_one({"_id": found["_id"]})
    document = bson.raw_bson.RawBSONDocument(raw.replace(b"3.1X", b"3.1\xff"))
    events.insert_one(document)
    shown = run(demo, "show", "demo")
    assert shown.exit_code == 0
    assert "trial 2 event 2" in shown.stdout
    assert "event 2 of trial 2 cannot be decoded" in run(demo, "log", "demo").stderr
    assert run(demo, "verify", "demo").exit_code == 6
