from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database

import hstore
from hstore import migrations
from hstore.store.errors import BadUrl, NoMongod, SchemaMismatch, StoreUnreachable

pytestmark = pytest.mark.absent


def test_a_new_database_gets_its_collections(mongo_url: str) -> None:
    with hstore.open(mongo_url) as store:
        assert store.database is not None
        assert {"events", "trials", "experiments", "schema"} <= set(store.database.list_collection_names())
        assert store.experiments() == []
    with hstore.open(mongo_url) as store:
        assert store.experiments() == []


def test_the_environment_names_the_store(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_URL", mongo_url)
    with hstore.open() as store:
        assert store.server is None


def test_without_a_url_the_store_is_embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSTORE_URL", raising=False)
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path))
    with hstore.open() as store:
        assert store.server is not None
        assert store.experiments() == []


def test_a_newer_store_is_refused(mongo_url: str, database: Database[Any]) -> None:
    with hstore.open(mongo_url):
        pass
    database["schema"].insert_one({"_id": 999, "name": "from the future"})
    with pytest.raises(SchemaMismatch, match="newer"):
        hstore.open(mongo_url)


def test_an_older_store_is_named_with_the_command_that_lifts_it(mongo_url: str, database: Database[Any]) -> None:
    with hstore.open(mongo_url) as store:
        created = ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
        hstore.Experiment(store, "old").begin({key: {} for key in created})
    database["schema"].delete_many({})
    with pytest.raises(SchemaMismatch, match="older") as caught:
        hstore.open(mongo_url)
    assert "hstore migrate" in caught.value.hint


def test_a_store_whose_first_opener_was_killed_at_it_is_made_whole_by_the_next(
    mongo_url: str, database: Database[Any]
) -> None:
    first, *_ = migrations.MIGRATIONS
    first.up(database)
    database["schema"].insert_one({"_id": first.number})
    with hstore.open(mongo_url) as store:
        assert store.experiments() == []
    assert migrations.status(database) == "current"


@pytest.mark.parametrize(
    "url",
    [
        "http://x/y", "mongodb://localhost", "mongodb://", "nonsense", "mongodb://localhost:99999/x", "mongo://localhost/db",
    ],
)  # fmt: skip
def test_a_url_of_the_wrong_shape_is_one_clear_line(url: str) -> None:
    with pytest.raises(BadUrl) as caught:
        hstore.open(url)
    assert "\n" not in str(caught.value)


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(StoreUnreachable, match="localhost:1"):
        hstore.open("mongodb://localhost:1/x", patience=0.3)


def test_without_a_mongod_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HSTORE_URL", raising=False)
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path))
    monkeypatch.setenv("HSTORE_MONGOD", str(tmp_path / "nowhere"))
    with pytest.raises(NoMongod, match="HSTORE_MONGOD"):
        hstore.open()
