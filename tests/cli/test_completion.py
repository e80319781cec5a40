"""Experiment names are completed as a person types them, in the shells that click knows."""

from typing import Any

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete
from histories import begin
from pymongo.database import Database

from hstore.cli.app import app
from hstore.store.store import Store


def completed(url: str, *typed: str, kind: type[ShellComplete] = BashComplete) -> list[str]:
    """Return what the shell offers for the last of *typed*."""
    found = kind(app, {}, "hstore", "_HSTORE_COMPLETE").get_completions(["--store", url, *typed[:-1]], typed[-1])
    return [each.value for each in found]


@pytest.fixture
def url(mongo_store: Store, mongo_url: str) -> str:
    for name in ("digits", "digits-2", "other one"):
        begin(mongo_store, name)
    return mongo_url


@pytest.mark.parametrize("kind", [BashComplete, ZshComplete, FishComplete])
def test_names_that_begin_so_are_offered(kind: type[ShellComplete], url: str) -> None:
    for command in ("show", "status", "rm", "void"):
        assert completed(url, command, "dig", kind=kind) == ["digits", "digits-2"]
    assert completed(url, "show", "") == ["digits", "digits-2", "other one"]
    assert completed(url, "archive", "digits", "dig") == ["digits-2"]
    assert completed(url, "sho", kind=kind) == ["show"]


def test_files_of_searches_are_offered_and_a_store_that_is_away_offers_nothing(
    url: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits.hstore").touch()
    assert completed(url, "verify", "digits") == ["digits", "digits-2", "digits.hstore"]
    assert completed("mongodb://127.0.0.1:1/x?serverSelectionTimeoutMS=50", "show", "") == ["digits.hstore"]
    assert completed("nonsense", "show", "") == ["digits.hstore"]
    monkeypatch.setenv("HSTORE_HOME", str(tmp_path / "home"))  # nor is a server started
    monkeypatch.delenv("HSTORE_URL", raising=False)
    found = BashComplete(app, {}, "hstore", "_HSTORE_COMPLETE").get_completions(["show"], "")
    assert [each.value for each in found] == ["digits.hstore"]
    assert not (tmp_path / "home").exists()


def test_the_title_or_the_status_is_shown_beside_a_name(url: str, mongo_store: Store) -> None:
    mongo_store.experiment("digits").set_title("cleaned")
    found = ZshComplete(app, {}, "hstore", "_H").get_completions(["--store", url, "show"], "digits")
    assert [(each.value, each.help) for each in found] == [("digits", "cleaned"), ("digits-2", "open")]


def test_what_is_shown_beside_a_name_steers_no_terminal(url: str, database: Database[Any]) -> None:
    database["experiments"].update_one({"_id": "digits"}, {"$set": {"title": "\x1b]0;x\x07\u202e"}})
    found = ZshComplete(app, {}, "hstore", "_H").get_completions(["--store", url, "show"], "digits")
    assert [each.help for each in found] == ["\\x1b]0;x\\x07\\u202e", "open"]
