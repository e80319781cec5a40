"""The commands on a real store, run in this process as click runs them."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bson
import click
import numpy as np
import pytest
from bson import json_util
from click.testing import CliRunner, Result
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

import hstore
from hstore import fmin, hp, rand
from hstore.cli.app import app

ROOT = Path(__file__).parents[2]
SPACE = {
    "x": hp.uniform("x", -1, 1),
    "c": hp.choice("c", ["a", {"name": "b", "y": hp.normal("y", 0, 1)}]),
}


def objective(config: dict[str, Any]) -> Any:
    if config["x"] > 0.8:
        raise ValueError("too far")
    return {"status": "ok", "loss": config["x"] ** 2, "attachments": {"note": "hello"}}


@pytest.fixture
def demo(mongo_url: str) -> str:
    """The URL of a store that holds experiment `demo`."""
    fmin(
        objective,
        SPACE,
        algo=rand.suggest,
        max_evals=12,
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment="demo",
        store=mongo_url,
        catch_eval_exceptions=True,
    )
    return mongo_url


def run(url: str, *args: str) -> Result:
    return CliRunner().invoke(app, ["--store", url, *args])


def test_ls_lists_what_there_is(demo: str) -> None:
    shown = run(demo, "ls")
    assert shown.exit_code == 0
    assert re.search(r"demo +finished +\d+ done", shown.stdout)
    (listed,) = json.loads(run(demo, "ls", "--json").stdout)
    assert listed["name"] == "demo"
    assert sum(listed["counts"].values()) == 12


def test_ls_of_an_empty_store_says_how_to_begin(mongo_url: str) -> None:
    shown = run(mongo_url, "ls")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "experiment=" in shown.stderr


def test_show_tells_of_space_best_and_latest_trials(demo: str) -> None:
    shown = run(demo, "show", "demo").stdout
    assert "y: normal(0, 1) if c = b" in shown
    assert "best" in shown
    assert "12 trials" in shown
    told = json.loads(run(demo, "show", "demo", "--json").stdout)
    assert len(told["trials"]) == 12
    assert told["best"]["params"]["c"] in ("a", "b")


def test_show_tells_all_of_a_trial(demo: str) -> None:
    with hstore.open(demo) as store:
        trials = store.experiment("demo").trials
    done = next(t.tid for t in trials if t.state == "done")
    failed = next(t.tid for t in trials if t.state == "failed")
    shown = run(demo, "show", "demo", str(done)).stdout
    assert "attachments" in shown
    assert "running" in shown
    shown = run(demo, "show", "demo", str(failed)).stdout
    assert "ValueError: too far" in shown
    assert "Traceback" in shown
    assert json.loads(run(demo, "show", "demo", str(done), "--json").stdout)["events"][0]["type"] == "queued"


def test_log_prints_one_event_a_line_in_the_order_of_arrival(demo: str) -> None:
    lines = run(demo, "log", "demo").stdout.splitlines()
    assert "created" in lines[0]
    assert "finished" in lines[-1]
    assert [line.split()[4] for line in run(demo, "log", "demo", "0").stdout.splitlines()][:3] == [
        "queued",
        "reserved",
        "running",
    ]


def test_log_in_json_is_the_stored_documents(demo: str, database: Database[Any]) -> None:
    lines = run(demo, "log", "demo", "--json").stdout.splitlines()
    documents = [json_util.loads(line, json_options=json_util.JSONOptions(uuid_representation=4)) for line in lines]
    stored = {d["_id"]: d for d in database["events"].find()}
    assert len(documents) == len(stored)
    assert all(
        d["type"] == stored[d["_id"]]["type"] and d["data"].keys() == stored[d["_id"]]["data"].keys() for d in documents
    )
    assert list(documents[0]) == ["_id", "exp", "ver", "type", "v", "at", "by", "data", "ts"]


def test_log_follows_until_it_is_interrupted(demo: str) -> None:
    command = [sys.executable, "-m", "hstore", "--store", demo, "log", "demo", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        for line in follower.stdout:
            if "finished" in line:
                break
        fmin(
            objective,
            SPACE,
            algo=rand.suggest,
            max_evals=13,
            verbose=False,
            experiment="demo",
            store=demo,
            catch_eval_exceptions=True,
        )
        seen = []
        for line in follower.stdout:
            seen.append(line.split()[4])
            if seen[-1] == "finished":
                break
        assert {"resumed", "queued", "reserved", "running"} <= set(seen)
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=20)
    assert follower.returncode == 130
    assert "Traceback" not in said


def test_replay_proves_that_every_suggestion_follows(demo: str) -> None:
    shown = run(demo, "replay", "demo")
    assert shown.exit_code == 0
    assert "12 of 12 decisions derived again, all the same to the last bit" in shown.stdout
    assert "6 of 6" in run(demo, "replay", "demo", "--until", "5").stdout
    assert json.loads(run(demo, "replay", "demo", "--json").stdout)["is_same"] is True


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


def test_an_event_that_nobody_can_decode_is_named_and_the_rest_is_read(demo: str, database: Database[Any]) -> None:
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


def test_rebuild_makes_the_same_documents_again(demo: str, database: Database[Any]) -> None:
    models = [database.get_collection(name, read_concern=ReadConcern("local")) for name in ("trials", "experiments")]
    before = [list(model.find(sort=[("_id", 1)])) for model in models]
    database["trials"].update_many({}, {"$set": {"loss": -1.0}})
    assert run(demo, "rebuild", "demo").exit_code == 0
    assert [list(model.find(sort=[("_id", 1)])) for model in models] == before


def test_migrate_lifts_a_store(demo: str, database: Database[Any]) -> None:
    database["schema"].delete_many({})
    shown = run(demo, "ls")
    assert (shown.exit_code, "hstore migrate" in shown.stderr) == (1, True)
    assert "would apply 0001" in run(demo, "migrate", "--dry-run").stdout
    assert "applied 0001" in run(demo, "migrate").stdout
    assert run(demo, "ls").exit_code == 0
    assert "current" in run(demo, "migrate").stderr


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (("show", "dem"), 3, "did you mean 'demo'"),
        (("show", "demo", "99"), 3, "0 to 11"),
        (("verify", "dem"), 3, "hstore ls"),
        (("replay", "demo", "--until", "99"), 3, "its last is 11"),
        (("show",), 2, "EXPERIMENT"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_errors_are_one_line_with_a_hint_and_an_exit_code(
    args: tuple[str, ...], code: int, told: str, demo: str
) -> None:
    shown = run(demo, *args)
    assert shown.exit_code == code
    assert told in shown.stderr
    assert shown.stdout == ""
    assert "Traceback" not in shown.stderr


def test_a_store_out_of_reach_and_a_bad_url_have_codes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hstore.cli.app.PATIENCE", 0.1)
    assert run("mongodb://localhost:1/x?serverSelectionTimeoutMS=100", "ls").exit_code == 5
    assert run("http://localhost/x", "ls").exit_code == 2
    command = [sys.executable, "-m", "hstore", "--debug", "--store", "http://localhost/x", "ls"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (shown.returncode, "Traceback" in shown.stderr) == (2, True)


def test_whoever_has_seen_enough_may_leave(demo: str) -> None:
    command = f"{sys.executable} -m hstore --store '{demo}' log demo --json | head -1"
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, check=True)
    assert (len(shown.stdout.splitlines()), shown.stderr) == (1, "")


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize(("name", "command"), list(commands(app)))
def test_every_command_has_help_and_is_in_the_readme(name: str, command: click.Command) -> None:
    assert command.help
    assert f"hstore {name}" in (ROOT / "README.md").read_text()
    if not name.startswith("db"):
        assert f"hstore {name}" in command.help.replace("hstore --store mongodb://host/db ls", "hstore ls")
