"""The commands on a real store, run in this process as click runs them."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from bson import json_util
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from tests.cli.commands import run
from tests.cli.demo_search import SPACE, search
from tests.waiting import GENEROUS

import hstore
from hstore import Store, fmin, hp, rand
from hstore.cli.app import app
from hstore.cli.app import run as run_as_program

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo(filled: Callable[[Callable[[str], None]], str]) -> str:
    """The URL of a store that holds experiment `demo`."""
    return filled(search)


def python(*args: str, stdout: int = subprocess.PIPE) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *args], stdout=stdout, stderr=subprocess.PIPE, text=True, check=False)


def loads(line: str) -> dict[str, Any]:
    options = json_util.JSONOptions(uuid_representation=4, tz_aware=True)
    document: dict[str, Any] = json_util.loads(line, json_options=options)
    return document


def test_ls_lists_what_there_is(demo: str) -> None:
    shown = run(demo, "ls")
    assert shown.exit_code == 0
    assert re.search(r"demo +finished +\d+ done", shown.stdout)
    (listed,) = json.loads(run(demo, "ls", "--json").stdout)
    assert listed["name"] == "demo"
    assert sum(listed["counts"].values()) == 12
    (label, value), *_ = listed["best"]["params"].items()  # the actual values, in the table and in JSON
    assert re.search(rf"demo .* {label}={str(value)[:5]}", shown.stdout)


def test_ls_of_an_empty_store_says_how_to_begin(mongo_url: str) -> None:
    shown = run(mongo_url, "ls")
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "experiment=" in shown.stderr


def test_show_tells_of_space_best_and_latest_trials(demo: str) -> None:
    shown = run(demo, "show", "demo").stdout
    assert "y: normal(0, 1) if c = b" in shown
    assert "best" in shown
    assert "12 trials" in shown
    answer = json.loads(run(demo, "show", "demo", "--json").stdout)
    assert len(answer["trials"]) == 12
    assert answer["best"]["params"]["c"] in ("a", "b")


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
    documents = [loads(line) for line in run(demo, "log", "demo", "--json").stdout.splitlines()]
    assert documents == list(database["events"].find(sort=[("ts", 1)]))
    assert list(documents[0]) == ["_id", "exp", "ver", "type", "v", "at", "by", "data", "ts"]


def test_log_follows_until_it_is_interrupted(demo: str, database: Database[Any]) -> None:
    command = [sys.executable, "-m", "hstore", "--store", demo, "log", "demo", "--follow", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        seen = []
        for line in follower.stdout:
            seen.append(loads(line))
            if seen[-1]["type"] == "finished":
                break
        fmin(
            lambda _: {"status": "ok", "loss": 1.0, "large": "x" * 100_000},
            SPACE,
            algo=rand.suggest,
            max_evals=13,
            verbose=False,
            experiment="demo",
            store=demo,
        )
        for line in follower.stdout:
            seen.append(loads(line))
            if seen[-1]["type"] == "finished":
                break
        follower.send_signal(signal.SIGINT)
        _, said = follower.communicate(timeout=GENEROUS)
    assert follower.returncode == 130
    assert said.strip() == ""
    assert "spilled" in seen[-2]["data"]
    assert seen == list(database["events"].find(sort=[("ts", 1)]))


def test_replay_proves_that_every_suggestion_follows(demo: str) -> None:
    shown = run(demo, "replay", "demo")
    assert shown.exit_code == 0
    first, last = shown.stdout.splitlines()
    assert first == "demo: 12 of 12 decisions recomputed, reproduced exactly"
    assert re.fullmatch("last decision [0-9a-f]{16}", last)
    assert "6 of 6" in run(demo, "replay", "demo", "--until", "5").stdout
    assert json.loads(run(demo, "replay", "demo", "--json").stdout)["is_same"] is True


def test_rebuild_makes_the_same_documents_again(demo: str, database: Database[Any]) -> None:
    models = [database.get_collection(name, read_concern=ReadConcern("local")) for name in ("trials", "experiments")]
    before = [list(model.find(sort=[("_id", 1)])) for model in models]
    database["trials"].update_many({}, {"$set": {"loss": -1.0}})
    shown = run(demo, "rebuild", "demo")
    assert (shown.exit_code, "13 documents" in shown.stderr) == (0, True)
    assert [list(model.find(sort=[("_id", 1)])) for model in models] == before


def test_a_snapshot_is_written_and_opened(demo: str, database: Database[Any]) -> None:
    shown = run(demo, "snapshot", "demo")
    assert (shown.exit_code, "of 12 trials was written" in shown.stderr) == (0, True)
    with hstore.open(demo) as store:
        experiment = store.experiment("demo", from_snapshot=True)
        assert experiment.state.settled is not None
        assert [trial.tid for trial in experiment.trials] == list(range(12))
    for name in ("snapshots", "snapshots.files", "snapshots.chunks"):
        assert len(database[name].index_information()) > 1
        database[name].drop()


def test_migrate_lifts_a_store(demo: str, database: Database[Any]) -> None:
    database["schema"].delete_many({})
    shown = run(demo, "ls")
    assert (shown.exit_code, "hstore migrate" in shown.stderr) == (5, True)
    assert "would apply 0001" in run(demo, "migrate", "--dry-run").stdout
    assert "applied 0001" in run(demo, "migrate").stdout
    assert run(demo, "ls").exit_code == 0
    assert "up to date" in run(demo, "migrate").stderr


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (("show", "dem"), 3, "did you mean 'demo'"),
        (("show", "demo", "99"), 3, "0 to 11"),
        (("verify", "dem"), 3, "did you mean 'demo'"),
        (("log", "dem"), 3, "did you mean 'demo'"),
        (("log", "demo", "99"), 3, "0 to 11"),
        (("show", "demo", "9" * 20), 3, "0 to 11"),
        (("log", "demo", "9" * 20), 3, "0 to 11"),
        (("check", "none.hstore"), 3, "nor is there a file of that name"),
        (("ask", "new", "--space", "{}"), 2, "no range to search"),
        (("key", "new", "/nowhere/key"), 1, "cannot write /nowhere/key"),
        (("rebuild", "other"), 3, "hstore ls"),
        (("replay", "demo", "--until", "99"), 3, "its last is 11"),
        (("show",), 2, "EXPERIMENT"),
        (("nonsense",), 2, "nonsense"),
    ],
)
def test_errors_are_one_line_with_a_hint_and_an_exit_code(
    args: tuple[str, ...], code: int, message: str, demo: str
) -> None:
    shown = run(demo, *args)
    assert shown.exit_code == code
    assert message in shown.stderr
    assert shown.stdout == ""
    assert code == 2 or len(shown.stderr.splitlines()) == 1
    assert "Traceback" not in shown.stderr


def test_a_store_out_of_reach_and_a_bad_url_have_codes_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hstore.cli.session.TIMEOUT", 0.1)
    assert run("mongodb://localhost:1/x?serverSelectionTimeoutMS=100", "ls").exit_code == 5
    assert run("http://localhost/x", "ls").exit_code == 2


@pytest.mark.parametrize("debug", [(), ("--debug",)])
def test_only_debug_shows_where_an_error_comes_from(debug: tuple[str, ...]) -> None:
    shown = python("-m", "hstore", *debug, "--store", "http://localhost/x", "ls")
    assert (shown.returncode, "Traceback" in shown.stderr) == (2, bool(debug))
    assert shown.stderr.splitlines()[-1].startswith("Error: http://… is not the URL of a MongoDB (")


def test_a_bug_is_one_line_that_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("hstore.store.open_store.open_store", broken)
    assert run_as_program(["ls"]) == 70
    printed = capsys.readouterr().err
    assert printed == "Error: this is a bug in hstore: RuntimeError: two lines (--debug shows the traceback)\n"
    assert run_as_program(["--debug", "ls"]) == 70
    assert 'raise RuntimeError("two' in capsys.readouterr().err


def test_a_reader_that_closes_the_pipe_ends_the_command_quietly(demo: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    shown = python("-m", "hstore", "--store", demo, "log", "demo", stdout=writer)
    os.close(writer)
    assert (shown.returncode, shown.stderr) == (0, "")


def test_the_program_ends_with_the_code_of_the_command(demo: str, database: Database[Any]) -> None:
    hstore_ = Path(sys.executable).with_name("hstore")
    assert subprocess.run([hstore_, "--store", demo, "verify", "demo"], capture_output=True).returncode == 0
    database["events"].delete_one({"exp": "demo", "tid": 3, "ver": 2})
    assert subprocess.run([hstore_, "--store", demo, "verify", "demo"], capture_output=True).returncode == 6
    shown = python("-m", "hstore", "--version")
    assert (shown.returncode, shown.stdout) == (0, f"hstore {hstore.__version__}\n")


@pytest.mark.parametrize(
    ("args", "unneeded"), [(("--help",), {"bson", "pymongo", "numpy", "scipy"}), (("ls",), {"numpy", "scipy", "tqdm"})]
)
def test_a_command_imports_only_what_it_needs(args: tuple[str, ...], unneeded: set[str], demo: str) -> None:
    shown = python("-X", "importtime", "-m", "hstore", "--store", demo, *args)
    assert shown.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in shown.stderr.splitlines()}
    assert "hstore.cli.app" in imported
    assert not imported & unneeded


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
    assert f"hstore {name}" in command.help, "an example"


WITHOUT_JSON = {"worker": "what objectives print", "mcp": "a protocol of its own, in JSON"}
"""Commands that have nothing to say on stdout but this."""


def test_every_command_that_prints_something_has_json() -> None:
    leaves = {
        f"{name} {inner}".strip(): each
        for name, command in app.commands.items()
        for inner, each in (command.commands.items() if isinstance(command, click.Group) else [("", command)])
    }
    lacking = {
        name for name, command in leaves.items()
        if not any("--json" in parameter.opts for parameter in command.params)
    }  # fmt: skip
    assert lacking == WITHOUT_JSON.keys()


def test_messages_come_as_json_too(demo: str, tmp_path: Path) -> None:
    def answer(*args: str) -> Any:
        return json.loads(run(demo, *args, "--json").stdout)

    assert answer("pause", "demo")["changed"] is False  # it has finished
    assert answer("resume", "demo") | {"why": None} == {
        "name": "demo", "status": "open", "why": None, "changed": True, "requeued": [], "cancelled": [], "running": [],
    }  # fmt: skip
    assert answer("stop", "demo")["status"] == "finished"
    assert answer("retry", "demo", "0")["requeued"] == [0]
    assert answer("rebuild", "demo")["trials"] == 12
    assert answer("snapshot", "demo")["name"] == "demo"
    assert answer("migrate") == {"steps": [], "applied": False}
    assert len(answer("key", "new")["key"]) > 40
    csv = str(tmp_path / "demo.csv")
    assert answer("export", "demo", "--csv", csv)["written"] == [{"file": csv, "kind": "trials", "rows": 12}]
    assert answer("db", "path").keys() == {"path"}
    for command in ("check", "head"):
        assert answer(command, "demo")["name"] == "demo"


def test_an_attachment_of_a_trial_is_saved_to_a_file(
    mongo_url: str, mongo_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def objective(x: float) -> dict[str, Any]:
        return {"status": "ok", "loss": x, "attachments": {"model": b"\x00weights", "../out": b"escapes"}}

    fmin(objective, hp.uniform("x", 0, 1), rand.suggest, 1, rstate=0, verbose=False, experiment="a", store=mongo_store)
    monkeypatch.chdir(tmp_path)
    done = run(mongo_url, "show", "a", "0", "--save", "model")
    assert (done.exit_code, done.stderr) == (0, "wrote 8 bytes to model\n")
    assert (tmp_path / "model").read_bytes() == b"\x00weights"
    assert "already" in run(mongo_url, "show", "a", "0", "--save", "model").stderr
    done = run(mongo_url, "show", "a", "0", "--save", "model", "-o", "-")
    assert (done.exit_code, done.stdout_bytes, done.stderr) == (0, b"\x00weights", "")
    assert "no plain file name" in run(mongo_url, "show", "a", "0", "--save", "../out").stderr
    assert "it has 'model'" in run(mongo_url, "show", "a", "0", "--save", "other").stderr.replace("'../out', ", "")
    assert run(mongo_url, "show", "a", "--save", "model").exit_code == 2


@pytest.mark.parametrize("command", ["log", "show"])
def test_more_than_there_can_be_is_a_mistake_of_usage(command: str) -> None:
    done = run("mongodb://127.0.0.1:1/away", command, "e", "-n", "9" * 40)
    assert (done.exit_code, "is not in the range" in done.output) == (2, True)
