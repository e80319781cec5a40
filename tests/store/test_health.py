"""What is wrong with an installation or a store is told with what to do, and one check that fails hides no other."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from histories import begin
from pymongo.database import Database

from hstore.store.health import Check, examine
from hstore.store.keys import new_key
from hstore.store.open_store import open_store


def found(url: str | None) -> dict[str, Check]:
    return {each.check: each for each in examine(url, timeout=0.5)}


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HSTORE_URL", "HSTORE_KEY"):
        monkeypatch.delenv(name, raising=False)


def test_a_sound_store_has_no_problem(mongo_url: str) -> None:
    checks = found(mongo_url)
    assert [each for each in checks.values() if each.level == "problem"] == []
    names = ["hstore", "mongod", "home", "disk", "connection", "server", "clock", "writes", "schema", "index", "key"]
    assert checks.keys() == {*names}
    assert all(each.todo for each in checks.values() if each.level != "ok")


@pytest.mark.parametrize("url", ["mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=50", "nonsense", "mongodb://h"])
def test_a_store_that_is_away_and_a_bad_url_are_problems_and_the_rest_is_checked(url: str) -> None:
    checks = found(url)
    assert (checks["connection"].level, bool(checks["connection"].todo)) == ("problem", True)
    assert checks["hstore"].level == checks["mongod"].level == "ok"


def test_an_older_or_newer_schema_is_a_problem_with_a_step(mongo_url: str, database: Database[Any]) -> None:
    with open_store(mongo_url):
        pass
    database["schema"].insert_one({"_id": 9999, "name": "future", "at": dt.datetime.now(dt.UTC)})
    newer = found(mongo_url)["schema"]
    assert (newer.level, "update hstore" in str(newer.todo)) == ("problem", True)
    database["schema"].delete_one({"_id": 9999})
    with open_store(mongo_url) as store:
        begin(store)
    database["schema"].delete_one({"_id": 9})
    checks = found(mongo_url)
    database["schema"].insert_one({"_id": 9, "name": "quarantine"})
    assert (checks["schema"].level, checks["schema"].todo) == ("problem", "`hstore migrate` takes them")


def test_a_home_that_others_can_write_to_or_nobody_is_named(
    mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path))
    for mode, said in ((0o777, "other users can write"), (0o500, "cannot be written to")):
        tmp_path.chmod(mode)
        home = found(mongo_url)["home"]
        assert (home.level, said in home.message, "chmod" in str(home.todo)) == ("warning", True, True)
    tmp_path.chmod(0o700)
    assert found(mongo_url)["home"].level == "ok"
    (tmp_path / "file").touch()
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path / "file"))
    assert found(mongo_url)["home"].message.endswith("is no folder")
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path / "file" / "below"))
    assert found(None)["connection"].level == "problem"


def test_keys_and_mongod_are_looked_at(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "new FILE" in str(found(mongo_url)["key"].todo)
    monkeypatch.setenv("HSTORE_KEY", new_key())
    assert found(mongo_url)["key"].level == "ok"
    monkeypatch.setenv("HSTORE_KEY", "weak")
    assert found(mongo_url)["key"].level == "problem"
    monkeypatch.setenv("HSTORE_MONGOD", "/nothing")
    monkeypatch.setenv("HSTORE_HOME", "/nothing")
    assert found(None)["mongod"].level == "problem"


def test_a_full_disk_a_slow_line_and_a_clock_that_is_wrong_are_told(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hstore.store.health.LITTLE_SPACE", 2**70)
    monkeypatch.setattr("hstore.store.health.SLOW_SECONDS", 0.0)
    monkeypatch.setattr("hstore.store.health.CLOCK_SECONDS", -1.0)
    checks = found(mongo_url)
    assert [checks[name].level for name in ("disk", "connection", "clock")] == ["warning"] * 3
