"""`hstore fork`: go back in a search, and on from there under another name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pymongo.database import Database
from tests.cli.commands import run

from hstore import fmin, hp, tpe
from hstore.engine.audit.replay import derive_again
from hstore.store.bundle import open_bundle
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", 0, 1)}


@pytest.fixture
def digits(mongo_url: str, mongo_store: Store) -> str:
    """The URL of a store with an experiment `digits` of six trials."""
    fmin(lambda p: p["x"], SPACE, tpe.suggest, 6, rstate=0, verbose=False, experiment="digits", store=mongo_store)
    return mongo_url


def test_a_fork_is_made_shown_and_verified_and_says_what_it_begins_with(digits: str, mongo_store: Store) -> None:
    done = run(digits, "fork", "digits", "--at", "4", "--as", "digits@retry")
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "'digits@retry' begins with the first 4 trials of 'digits'\n"
    assert "forked     from the first 4 trials of digits" in run(digits, "show", "digits@retry").stdout
    assert json.loads(run(digits, "show", "digits@retry", "--json").stdout)["forked"]["until"] == 4
    verified = run(digits, "verify", "digits@retry")
    assert verified.exit_code == 0
    assert "none of their events was changed there since" in verified.stdout
    assert json.loads(run(digits, "verify", "digits@retry", "--json").stdout)["forked"]["state"] == "same"
    made = json.loads(
        run(digits, "fork", "digits", "more", "--at", "5", "--algo", "mtpe", "--seed", "3", "--json").stdout
    )
    assert (made["name"], made["source"], made["until"], made["algorithm"]) == ("more", "digits", 5, "mtpe")
    for command in ("status", "best", "log", "replay", "check", "explain", "head"):
        assert run(digits, command, "digits@retry").exit_code == 0
    assert "digits@retry" in run(digits, "ls").stdout


def test_wrong_forks_are_one_clear_line_and_leave_nothing_behind(digits: str, tmp_path: Path) -> None:
    file = str(tmp_path / "digits.hstore")
    run(digits, "export", "digits", "-o", file)
    for args, code, said in (
        (["digits"], 2, "name the new experiment once"),
        (["digits", "a", "--as", "b"], 2, "name the new experiment once"),
        (["digits", "digits"], 2, "there is an experiment 'digits' already"),
        (["digits", ""], 2, "name"),
        (["digits", "a\nb"], 2, "name"),
        (["digits", "a.hstore"], 2, "'a.hstore' is a name for a file"),
        (["nope", "a"], 3, "no experiment 'nope'"),
        (["digits", "a", "--at", "7"], 3, "has no decision 7"),
        (["digits", "a", "--at", "noon"], 2, "is no moment"),
        (["digits", "a", "--at", "2h-ago"], 3, "had not begun"),
        (["digits", "a", "--algo", "nope"], 2, "no algorithm is called 'nope'"),
        (["digits", "a", "--space", "no:pe"], 1, "cannot import no:pe"),
        ([file, "a"], 2, "hstore import"),
    ):
        done = run(digits, "fork", *args)
        assert (done.exit_code, said in done.stderr) == (code, True), (args, done.stderr)
        assert "Traceback" not in done.stderr
    assert [each["name"] for each in json.loads(run(digits, "ls", "--json").stdout)] == ["digits"]


def test_a_source_that_was_changed_since_fails_the_verification_of_the_fork(
    digits: str, database: Database[Any]
) -> None:
    run(digits, "fork", "digits", "again", "--at", "4")
    database["events"].update_one({"exp": "digits", "tid": 1, "type": "done"}, {"$set": {"data.duration": 9.0}})
    done = run(digits, "verify", "again")
    assert done.exit_code == 6
    assert "'digits', from which it was forked, was changed since: event 3 of trial 1" in done.stdout
    assert run(digits, "check", "again").exit_code == 6
    database["events"].delete_many({"exp": "digits"})
    done = run(digits, "verify", "again")
    assert done.exit_code == 0
    assert "is not in this store" in done.stdout


def test_a_bundle_of_a_fork_is_verified_and_replayed_without_its_source(
    digits: str, mongo_store: Store, tmp_path: Path
) -> None:
    run(digits, "fork", "digits", "again", "--at", "4")
    fmin(lambda p: p["x"], SPACE, None, 6, verbose=False, experiment="again", store=mongo_store)
    file = tmp_path / "again.hstore"
    assert run(digits, "export", "again", "-o", str(file)).exit_code == 0
    store, name = open_bundle(file)
    with store:
        found = store.experiment(name)
        assert verify(store.log.documents(name)).findings == ()
        assert derive_again(found).is_same
        assert found.head == mongo_store.experiment("again").head
    assert run("mongodb://127.0.0.1:1/nowhere", "verify", str(file)).exit_code == 0
