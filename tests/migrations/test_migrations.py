"""How a database becomes a current one: fresh, twice, by two at once, and from a dump of each released schema."""

import datetime as dt
import threading
import uuid
from pathlib import Path
from typing import Any

import bson
import numpy as np
import pytest
from bson import json_util
from pymongo.database import Database
from pymongo.errors import WriteError
from tests.waiting import GENEROUS

import hstore
from hstore import fmin, hp, migrations, tpe
from hstore.engine.audit.replay import derive_again
from hstore.migrations import m0001_create_collections as m0001
from hstore.migrations import m0008_sealed as m0008
from hstore.migrations import m0009_quarantine as m0009
from hstore.store.events import EVENT_BYTES, TYPES
from hstore.store.verify import verify

pytestmark = pytest.mark.absent
DUMPS = Path(__file__).parent / "dumps"
OPTIONS = json_util.JSONOptions(json_mode=json_util.JSONMode.CANONICAL, uuid_representation=4, tz_aware=True)
COLLECTIONS = ("events", "trials", "experiments", "schema", "attachments.files", "attachments.chunks")


def dump(url: str) -> str:
    """Return the dump of a small search, made by this release; a new schema's is written with it, once."""
    space = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", [1, {"y": hp.lognormal("y", 0, 1)}])}
    fmin(
        lambda config: {"status": "ok", "loss": config["x"] ** 2, "attachments": {"note": "kept"}},
        space,
        algo=tpe.suggest,
        max_evals=6,
        rstate=np.random.default_rng(4),
        verbose=False,
        experiment="dumped",
        store=url,
    )
    with hstore.open(url) as store:
        assert store.database is not None
        whole = {name: list(store.database[name].find()) for name in COLLECTIONS}
    return json_util.dumps(whole, json_options=OPTIONS, indent=0)


def test_pending_is_what_was_not_applied() -> None:
    assert [m.number for m in migrations.pending([])] == [m.number for m in migrations.MIGRATIONS]
    assert migrations.pending([m.number for m in migrations.MIGRATIONS]) == []
    assert [m.number for m in migrations.MIGRATIONS] == [*range(1, 11)]


def test_a_fresh_database_becomes_current_and_twice_is_once(database: Database[Any]) -> None:
    assert migrations.status(database) == "fresh"
    assert migrations.apply(database, by_version="1", dry_run=True)
    assert database.list_collection_names() == []
    assert [m.number for m in migrations.apply(database, by_version="1")] == [*range(1, 11)]
    assert migrations.status(database) == "current"
    before = describe(database)
    assert migrations.apply(database, by_version="2") == []
    for migration in migrations.MIGRATIONS:
        migration.up(database)
    assert describe(database) == before
    applied = database["schema"].find_one({"_id": 1})
    assert applied is not None
    assert (applied["name"], applied["by"]) == ("create_collections", "1")


def describe(database: Database[Any]) -> Any:
    there = [c for c in database.list_collections() if c["name"] not in ("schema", "system.views")]
    collections = [c["name"] for c in there if c["type"] == "collection"]
    return (
        {c["name"]: str(c.get("options")) for c in there},
        {name: str(database[name].index_information()) for name in collections},
    )


def test_two_who_apply_at_once_do_no_harm(database: Database[Any]) -> None:
    failures: list[BaseException] = []

    def apply() -> None:
        try:
            migrations.apply(database, by_version="1")
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    threads = [threading.Thread(target=apply) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS)
    assert failures == []
    assert migrations.status(database) == "current"


def test_a_database_with_a_step_that_is_not_ours_is_newer(database: Database[Any]) -> None:
    migrations.apply(database, by_version="1")
    database["schema"].insert_one({"_id": migrations.MIGRATIONS[-1].number + 1, "name": "later"})
    assert migrations.status(database) == "newer"


def test_a_store_keeps_the_identity_that_it_was_given_once(database: Database[Any]) -> None:
    assert migrations.identity(database) is None
    migrations.apply(database, by_version="1")
    given = migrations.identity(database)
    assert given is not None
    migrations.apply(database, by_version="2")
    for migration in migrations.MIGRATIONS:
        migration.up(database)
    assert migrations.identity(database) == given


def test_a_process_remembers_the_identity_of_the_store_that_it_opened(mongo_url: str, database: Database[Any]) -> None:
    with hstore.open(mongo_url) as store, hstore.open(mongo_url) as another:
        assert store.identity is not None
        assert store.identity == another.identity == migrations.identity(database)
    assert hstore.Store.in_memory().identity is None


def test_the_validator_knows_the_events_that_the_store_writes() -> None:
    assert {*m0001.TRIAL_EVENTS, *m0001.HEADER_EVENTS, "noted", m0008.TYPE, m0009.TYPE} == set(TYPES)
    assert m0001.EVENT_BYTES == EVENT_BYTES


@pytest.mark.parametrize("file", sorted(DUMPS.glob("*.json")), ids=lambda file: file.stem)
def test_a_store_of_each_release_is_lifted_read_and_replayed(
    file: Path, mongo_url: str, database: Database[Any]
) -> None:
    for name, documents in json_util.loads(file.read_text(), json_options=OPTIONS).items():
        if documents:
            database[name].insert_many(documents)
    migrations.apply(database, by_version="test")
    with hstore.open(mongo_url) as store:
        search = store.experiment("dumped")
        assert [trial.state for trial in search.trials] == ["done"] * 6
        assert derive_again(search).is_same
        assert verify(search.documents()).findings == ()
        note = search.trials[0].attachments["note"]
        assert store.attachments.get(note["sha256"]) == b"kept"
    space = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", [1, {"y": hp.lognormal("y", 0, 1)}])}
    fmin(lambda config: config["x"] ** 2, space, max_evals=8, verbose=False, experiment="dumped", store=mongo_url)


def test_every_schema_has_its_dump(mongo_url: str) -> None:
    assert (DUMPS / f"m{migrations.MIGRATIONS[-1].number:04}.json").exists()
    assert '"created"' in dump(mongo_url)


def test_the_collection_that_wakes_workers_is_renamed_and_the_old_one_dropped(database: Database[Any]) -> None:
    for migration in migrations.MIGRATIONS[:3]:
        migration.up(database)
    assert "bell" in database.list_collection_names()
    for _ in range(2):
        migrations.MIGRATIONS[3].up(database)
        assert "bell" not in database.list_collection_names()
    assert database["wakeups"].options()["capped"]
    assert database["wakeups"].find_one() is not None


def test_signatures_are_taken_whatever_other_steps_made_of_the_validator(database: Database[Any]) -> None:
    migrations.apply(database, by_version="1")
    validator = database["events"].options()["validator"]
    [schema] = [clause["$jsonSchema"] for clause in validator["$and"] if "$jsonSchema" in clause]
    assert "mac" in schema["properties"]
    assert "mac" not in schema["required"]
    migrations.MIGRATIONS[0].up(database)  # by another process, which began when the database was new
    assert database["events"].options()["validator"] == validator


def test_events_that_name_what_is_quarantined_are_taken_in_an_experiments_own_chain_only(
    database: Database[Any],
) -> None:
    migrations.apply(database, by_version="1")
    common = {"exp": "e", "type": "quarantined", "v": 1, "at": dt.datetime(2026, 1, 1), "ts": bson.Timestamp(0, 0),
              "by": "h:1:t", "data": {"why": "x", "events": []}}  # fmt: skip
    database["events"].insert_one({**common, "_id": uuid.uuid4(), "ver": 1})
    for wrong in ({"ver": 0}, {"ver": 1, "tid": 0}):
        with pytest.raises(WriteError):
            database["events"].insert_one({**common, "_id": uuid.uuid4(), **wrong})


def test_an_emptied_database_that_an_old_process_wrote_to_becomes_a_store_again(database: Database[Any]) -> None:
    migrations.apply(database, by_version="test")
    database.client.drop_database(database.name)
    database["events"].insert_one({"_id": 1, "exp": "e", "tid": 4, "ver": 3, "type": "reported"})
    assert migrations.status(database) == "fresh"
    migrations.apply(database, by_version="test")
    assert migrations.status(database) == "current"
    assert "validator" in database["events"].options()


@pytest.mark.parametrize("event", [{"kind": "click"}, {"exp": "e", "ver": 0, "type": "created"}])
def test_a_database_with_events_of_another_program_or_a_begun_search_is_not_fresh(
    event: dict[str, Any], database: Database[Any]
) -> None:
    database["events"].insert_one(event)
    assert migrations.status(database) == "older"


@pytest.mark.absent
def test_events_of_a_new_store_are_compressed_further(mongo_url: str, database: Database[Any]) -> None:
    with hstore.open(mongo_url):
        found = database["events"].options()
        assert "zstd" in found["storageEngine"]["wiredTiger"]["configString"]
        assert found["validationAction"] == "error"


@pytest.mark.absent
def test_a_server_without_such_compression_gets_a_store_as_well(
    mongo_url: str, database: Database[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "hstore.migrations.compressed_events.OPTIONS", {"wiredTiger": {"configString": "block_compressor=none-such"}}
    )
    with hstore.open(mongo_url):
        found = database["events"].options()
        assert "storageEngine" not in found
        assert found["validationAction"] == "error"
