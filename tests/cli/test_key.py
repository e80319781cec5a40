"""`hstore key`, `hstore sign`, and what `hstore verify` says of signatures."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.cli.app import run as run_all
from hstore.engine.audit.replay import derive_again
from hstore.store.keys import new_key, read_keys
from hstore.store.open_store import open_store

KEY, OTHER = new_key(), new_key()


def id_of(key: str) -> str:
    keys = read_keys(key)
    assert keys is not None
    return keys.ids[0].hex()


def search(url: str, key: str | None, monkeypatch: pytest.MonkeyPatch, n: int = 3) -> None:
    monkeypatch.delenv("HSTORE_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("HSTORE_KEY", key)
    fmin(
        lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=n,
        rstate=np.random.default_rng(0), verbose=False, experiment="e", store=url,
    )  # fmt: skip


def test_a_new_key_is_printed_or_written_for_its_owner_alone(tmp_path: Path) -> None:
    printed = run("memory:", "key", "new")
    assert read_keys(printed.stdout.strip()) is not None
    file = tmp_path / "key"
    written = run("memory:", "key", "new", str(file))
    assert written.stdout.strip() == id_of(str(file))
    assert file.stat().st_mode & 0o777 == 0o600


def test_no_file_is_overwritten_with_a_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("mine")
    assert run_all(["key", "new", str(tmp_path / "key")]) == 2
    assert "exists already" in capsys.readouterr().err
    assert (tmp_path / "key").read_text() == "mine"


@pytest.mark.parametrize("value", ["", " ", "0", "secret"])
@pytest.mark.parametrize("command", [["ls"], ["worker", "--burst"], ["status", "e"], ["replay", "e"]])
def test_a_key_that_is_none_is_an_error_of_one_line(
    value: str, command: list[str], mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HSTORE_KEY", value)
    assert run_all(["--store", mongo_url, *command]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert "HSTORE_KEY" in line
    assert "hstore key new" in line


def test_replay_of_what_is_not_signed_ends_with_6_and_says_whose_and_why(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert run_all(["--store", mongo_url, "replay", "e"]) == 6
    assert "experiment 'e' is refused: event 0 of its own chain is not signed" in capsys.readouterr().err


# -- hstore sign ------------------------------------------------------------------------------------------------------


def test_what_was_written_without_a_key_goes_on_once_it_is_signed(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    signed = run(mongo_url, "sign", "e")
    assert (signed.exit_code, id_of(KEY) in signed.stdout) == (0, True)
    search(mongo_url, KEY, monkeypatch, n=6)
    with open_store(mongo_url) as store:
        assert derive_again(store.experiment("e")).is_same
    assert run(mongo_url, "verify", "e").exit_code == 0
    assert run(mongo_url, "check", "e").exit_code == 0


def test_what_comes_after_it_is_not_signed_with_it(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert run(mongo_url, "sign", "e").exit_code == 0
    search(mongo_url, None, monkeypatch, n=4)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert run_all(["--store", mongo_url, "replay", "e"]) == 6
    assert "is not signed" in capsys.readouterr().err


def test_what_was_signed_and_then_changed_is_refused(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert run(mongo_url, "sign", "e").exit_code == 0
    database["events"].update_one({"tid": 1, "type": "done"}, {"$set": {"data.loss": -1.0}})
    assert run_all(["--store", mongo_url, "replay", "e"]) == 6


def test_a_log_that_was_tampered_with_is_not_signed(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    database["events"].update_one({"tid": 1, "type": "queued"}, {"$set": {"data.point.x": 0.125}})
    before = database["events"].count_documents({})
    assert run_all(["--store", mongo_url, "sign", "e"]) == 6
    assert "was not signed: event 0 of trial 1 was changed" in capsys.readouterr().err
    assert database["events"].count_documents({}) == before


def test_nothing_is_signed_without_a_key(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    search(mongo_url, None, monkeypatch)
    assert run_all(["--store", mongo_url, "sign", "e"]) == 2
    assert "HSTORE_KEY is not set" in capsys.readouterr().err


# -- hstore verify ----------------------------------------------------------------------------------------------------


def verified(url: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(url, "verify", "e", "--json").stdout)["signatures"]
    return found


def test_verify_says_which_key_signed_how_many_events_and_how_many_none(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    search(mongo_url, OTHER, monkeypatch)
    n = database["events"].count_documents({})
    search(mongo_url, f"{KEY},{OTHER}", monkeypatch, n=5)
    m = database["events"].count_documents({})
    assert (
        verified(mongo_url)["by_key"] == {id_of(KEY): m - n + 0, id_of(OTHER): n}
        or verified(mongo_url)["unsigned"] == 0
    )
    search(mongo_url, None, monkeypatch, n=6)
    last = database["events"].count_documents({})
    monkeypatch.setenv("HSTORE_KEY", f"{KEY},{OTHER}")
    found = verified(mongo_url)
    assert sum(found["by_key"].values()) == m
    assert (found["unsigned"], found["wrong"], found["is_checked"]) == (last - m, [], True)
    text = run(mongo_url, "verify", "e").stdout
    assert f"unsigned: {last - m} events" in text
    assert f"signed with key {id_of(KEY)}" in text
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert set(verified(mongo_url)["unknown"]) <= {id_of(OTHER)}
    monkeypatch.delenv("HSTORE_KEY")
    assert "not checked" in run(mongo_url, "verify", "e").stdout


def test_verify_fails_for_a_wrong_signature_and_names_the_event(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    search(mongo_url, KEY, monkeypatch)
    database["events"].update_one({"tid": 1, "type": "done"}, {"$set": {"mac.mac": b"m" * 32}})
    found = run(mongo_url, "verify", "e")
    assert found.exit_code == 6
    assert "of trial 1 has a wrong signature" in found.stdout


def test_verify_says_nothing_of_signatures_where_there_are_none(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search(mongo_url, None, monkeypatch)
    assert "signed" not in run(mongo_url, "verify", "e").stdout


def test_verify_counts_what_hstore_sign_signed(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    search(mongo_url, None, monkeypatch)
    monkeypatch.setenv("HSTORE_KEY", KEY)
    assert run(mongo_url, "sign", "e").exit_code == 0
    found = verified(mongo_url)
    assert (set(found["by_key"]), found["unsigned"]) == ({id_of(KEY)}, 0)


# -- commands that print what was found -------------------------------------------------------------------------------


READERS = [
    "best e", "best e --json", "best e --at 3", "show e 1", "show e --json", "show e --sort loss",
    "report e -o - --no-figures", "export e --csv -", "log e --at 3",
]  # fmt: skip


def test_what_a_forger_wrote_is_not_printed_as_the_best_without_a_word(
    mongo_url: str, monkeypatch: pytest.MonkeyPatch, database: Database[Any]
) -> None:
    search(mongo_url, KEY, monkeypatch, n=4)
    assert {command: run(mongo_url, *command.split()).stderr for command in READERS} == dict.fromkeys(READERS, "")
    forged = {"data.loss": -1.0, "data.result.loss": -1.0}
    database["events"].update_one({"tid": 1, "type": "done"}, {"$set": forged})
    database["trials"].update_one({"tid": 1}, {"$set": {"loss": -1.0}})
    said = {command: run(mongo_url, *command.split()).stderr for command in READERS}
    assert [command for command, line in said.items() if "of trial 1 has a wrong signature" not in line] == []
    assert [command for command, line in said.items() if line.count("\n") != 1] == []
    assert "has a wrong signature" in run(mongo_url, "show", "e").stdout
    monkeypatch.delenv("HSTORE_KEY")
    assert run(mongo_url, "best", "e").stderr == ""


def test_the_log_as_of_then_has_the_signatures_that_it_has_now(mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    search(mongo_url, KEY, monkeypatch)
    now, then = (run(mongo_url, "log", "e", "--json", *at).stdout.splitlines() for at in ((), ("--at", "2")))
    macs = {str(event["_id"]): event["mac"] for event in map(json.loads, now)}
    assert all(event["mac"] == macs[str(event["_id"])] for event in map(json.loads, then))
