"""A store whose every string steers terminals, read by every command: no control or bidi character is printed."""

import ast
import dataclasses
import json
import logging
import subprocess
import sys
import types
import typing
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
import numpy as np
import pytest
from histories import begin
from pymongo.database import Database
from tests.waiting import GENEROUS

from hstore import fmin, hp, rand
from hstore.cli.app import COMMANDS, app, run
from hstore.store import events
from hstore.store.errors import HstoreError
from hstore.store.events import Event
from hstore.store.experiment import Experiment
from hstore.store.messages import Log, shown_on_stderr
from hstore.store.store import Store

HOSTILE = "\x1b]0;PWNED\x07\x1b[31mred\u202egnp.exe\u2066\x9b31m\r\n\u200f\u2028\x7f\x00end".replace("\x00", "")
KEPT_FOR_SENSE = {"status": "ok", "source": "enqueued", "attempt": 1, "final": True, "tags": [HOSTILE], "loss": 0.5}
"""Fields of a choice of values, or without which the event means nothing."""
DATA = {HOSTILE: HOSTILE, "name": HOSTILE, "settings": {HOSTILE: HOSTILE}, "list": [HOSTILE, {"x": HOSTILE}]}
ORDER = {
    None: ["changed", "paused", "resumed", "noted", "forked", "sealed", "quarantined", "finished"],
    0: ["queued", "reserved", "running", "reported", "noted", "done"],
    1: ["queued", "reserved", "running", "requeued", "reserved", "running", "failed"],
    2: ["queued", "cancelled"],
    3: ["queued", "reserved", "running"],
}
"""The events of each chain."""


def steers(text: str) -> set[str]:
    """Return the characters of *text* that a terminal obeys or hides."""
    return {c for c in text if c != "\n" and not c.isprintable()}


def value_of(name: str, hint: Any) -> Any:
    """Return a hostile value for a field, by its type."""
    if name in KEPT_FOR_SENSE:
        return KEPT_FOR_SENSE[name]
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(kind for kind in kinds if kind is not type(None))
    origin = typing.get_origin(kind) or kind
    if origin is str:
        return HOSTILE
    if origin in (int, float, bool, bytes):
        return {int: 1, float: 0.5, bool: False, bytes: b"\x9b"}[origin]
    if isinstance(origin, type) and issubclass(origin, typing.cast("Any", typing.get_origin(events.Data) or dict)):
        return dict(DATA)
    return []


def hostile(kind: type[Event]) -> dict[str, Any]:
    """Return data of *kind* in which every string is hostile."""
    envelope = {field.name for field in dataclasses.fields(Event)}
    hints = typing.get_type_hints(kind)
    named = [field.name for field in dataclasses.fields(kind) if field.name not in envelope]
    return {name: value_of(name, hints[name]) for name in named}


SPECIAL: dict[str, dict[str, Any]] = {
    "queued": {"point": {HOSTILE: 0.5}, "params": {HOSTILE: HOSTILE}, "observed": [], "batch": None, "seed": None,
               "algorithm": None},
    "reported": {"attachment": None, "pruning": None, "result": {HOSTILE: HOSTILE}},
    "done": {"result": {"status": "ok", "loss": 0.5, HOSTILE: HOSTILE}, "losses": None, "constraints": None,
             "pruned": None},
    "noted": {"late": None, "attachment": None, "about": None, "void": None},
    "requeued": {"cause": "lost"},
    "failed": {"cause": None, "traceback": f"{HOSTILE}\n{HOSTILE}", "signal": None},
    "changed": {"limits": {"max_evals": 9}, "objective": {"name": HOSTILE, "kind": "none"},
                "pruner": {"name": HOSTILE}},
    "finished": {"observed": [], "decision": None},
    "quarantined": {"events": [[HOSTILE, HOSTILE, HOSTILE, b""]]},
}  # fmt: skip


@pytest.fixture
def poisoned(mongo_store: Store, mongo_url: str, database: Database[Any]) -> str:
    """The URL of a store with experiment `e`, hostile from end to end, `real`, made hostile afterwards, and a copy."""
    experiment = begin(mongo_store, "e")
    written = {"created"}
    for tid, names in ORDER.items():
        for name in names:
            kind = events.TYPES[name]
            try:
                experiment.append(experiment.compose((kind, tid, hostile(kind) | SPECIAL.get(name, {}))))
            except HstoreError:
                assert name == "forked", name  # nothing writes it yet
            written.add(name)
    assert written == set(events.TYPES), "each kind of event"
    search(mongo_store)
    stored = database["events"]
    for document in list(stored.find({"exp": {"$in": ["real", "e"]}})):
        document["by"] += HOSTILE
        if document["exp"] == "e":
            copy = document | {"_id": uuid4(), "exp": f"copy{HOSTILE}"}
            stored.insert_one(copy, bypass_document_validation=True)
        elif document["type"] in ("done", "failed", "queued"):
            document["data"] = poison(document["data"])
        stored.replace_one({"_id": document["_id"]}, document, bypass_document_validation=True)
    for model in ("trials", "experiments"):
        for document in list(database[model].find()):
            made = poison(document) | {"_id": document["_id"]}
            database[model].replace_one({"_id": document["_id"]}, made, bypass_document_validation=True)
            if model == "experiments":
                renamed = made | {"_id": f"{made['_id']}{HOSTILE}"}
                database[model].insert_one(renamed, bypass_document_validation=True)
    assert mongo_store.claims is not None
    about = {"host": HOSTILE, "pid": 1, "state": HOSTILE, "slots": 1, "experiments": ["e", HOSTILE],
             "holds": [{"exp": HOSTILE, "tid": HOSTILE}]}  # fmt: skip
    mongo_store.claims.announce(f"worker{HOSTILE}", "session", 60.0, about)
    return mongo_url


def poison(value: Any, key: str = "") -> Any:
    if isinstance(value, dict):
        return {name: poison(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [poison(item) for item in value]
    is_free = isinstance(value, str) and key not in ("status", "source", "state", "exp")
    return value + HOSTILE if is_free else value


def search(store: Store) -> Experiment:
    def objective(config: dict[str, Any]) -> Any:
        if config["x"] > 0.5:
            raise ValueError(HOSTILE)
        return {"status": "ok", "loss": config["x"], HOSTILE: HOSTILE}

    fmin(
        objective, {"x": hp.uniform("x", 0, 1), "c": hp.choice("c", [HOSTILE, "plain"])}, algo=rand.suggest,
        max_evals=6, rstate=np.random.default_rng(0), experiment="real", store=store, catch_eval_exceptions=True,
        show_progressbar=False,
    )  # fmt: skip
    return store.experiment("real")


CALLS: list[list[str]] = [
    ["ls"], ["ls", "--json"], ["status"], ["status", "--json"],
    *([command, name, *more] for name in ("e", "real", f"copy{HOSTILE}")
      for command, *more in (["show"], ["show", "--json"], ["status"], ["status", "--json"], ["log"],
                             ["log", "--json"], ["verify"], ["verify", "--json"], ["check"], ["check", "--json"],
                             ["replay"], ["replay", "--json"], ["rebuild"], ["head"], ["head", "--json"], ["seal"],
                             ["snapshot"])),
    *(["show", name, str(tid), *more] for name in ("e", "real", f"copy{HOSTILE}") for tid in range(4)
      for more in ([], ["--json"])),
    *([*call, name, *more] for name in ("e", "real", f"copy{HOSTILE}", f"none{HOSTILE}")
      for call, *more in ((["export"], "--jsonl", "-"), (["importance"],), (["importance"], "--json"))),
    ["plot", f"none{HOSTILE}", "-o", f"{HOSTILE}.png"], ["plot", "real", "-o", f"/none{HOSTILE}/a.png", "--dpi", "20"],
    ["plot", "real", f"history{HOSTILE}", "-o", "a.png"], ["show", "e", "1", "--save", f"none{HOSTILE}"],
    ["show", "e", f"9{HOSTILE}"], ["show", f"none{HOSTILE}"], ["retry", "e", "--failed"], ["pause", "e"],
    ["resume", "e"], ["stop", "e", "--now"], ["pause", f"copy{HOSTILE}"], ["enqueue", "real", f'{{"x{HOSTILE}": 1}}'],
    ["enqueue", "real", json.dumps({f"x{HOSTILE}": 1})], ["enqueue", "real", '{"x": 0.5, "c": {"index": 0}}'],
    ["quarantine", "e"], ["quarantine", f"copy{HOSTILE}", "--json"], ["quarantine", "real", "--unreadable"],
    *([command, name, *more] for name in ("e", "real") for command, *more in (
        ["export", "--jsonl", "-"], ["ask"], ["ask", "--json"], ["tell", f"0-{HOSTILE}", HOSTILE],
        ["tell", f"0-{HOSTILE}", "1"], ["report", f"0-{HOSTILE}", "1", "1"], ["fail", f"0-{HOSTILE}", HOSTILE],
        ["run", "--", "echo", f"{{x:{HOSTILE}|1}}"])),
    *([command, name, *more] for name in ("e", "real", f"copy{HOSTILE}") for command, *more in (
        ["best"], ["best", "--json"], ["explain"], ["explain", "--json"], ["explain", "0"], ["diff", "real"],
        ["diff", "real", "--json"], ["show", "--at", "1"], ["log", "--at", "0s-ago"], ["snapshot"], ["show", "--exact"],
        ["tag", HOSTILE], ["note", HOSTILE, "0"], ["void", "0", "--reason", HOSTILE],
        ["unvoid", "0", "--reason", HOSTILE], ["amend", "0", "--loss", "1", "--reason", HOSTILE], ["show", "0"],
        ["show"], ["log"], ["rerun", "0"], ["rerun", "1", "--json"], ["show", "--provenance"],
        ["show", "--provenance", "--json"], ["report", "-o", "-", "--no-figures"])),
    *([command, name, *more] for name in ("e", "real", f"copy{HOSTILE}", f"none{HOSTILE}") for command, *more in (
        ["title", HOSTILE], ["title", "plain"], ["archive", "--reason", HOSTILE, "--force"], ["copy", f"x{HOSTILE}"],
        ["copy", f"mongodb://{HOSTILE}"], ["copy", "twin", "--force"], ["fork", f"x{HOSTILE}"],
        ["fork", "branch", "--at", "0", "--json"], ["show", "--sort", "loss"],
        ["show", "--all", "--json"], ["show", "--filter", HOSTILE], ["show", "--columns", HOSTILE],
        ["rm", "--yes", HOSTILE])),
    ["ls", "--all"], ["show", "real"], ["show", "twin"], ["verify", "twin"], ["unarchive", "real"], ["doctor"],
    ["rm", "real", "--yes", "real", "--reason", HOSTILE, "--force"], ["show", "real"], ["rm", "e", "--yes", "e"],
    ["sign", "e"], ["sign", f"none{HOSTILE}"], ["key", "new", f"none{HOSTILE}/k"],
    ["migrate"], ["import", "--from-hyperopt", f"none{HOSTILE}"], [HOSTILE], ["ls", f"--{HOSTILE}"],
]  # fmt: skip


def test_no_command_prints_a_character_that_steers_a_terminal(poisoned: str, capfd: pytest.CaptureFixture[str]) -> None:
    for call in CALLS:
        code = run(["--store", poisoned, *call])
        printed = capfd.readouterr()
        assert not steers(printed.out + printed.err), (call, printed)
        assert code != 70, (call, printed.err)
        assert call[-1] != "--json" or code not in (0, 6) or printed.out.isascii()


@pytest.mark.parametrize("experiment", ["e", f"none{HOSTILE}"])
def test_no_worker_prints_a_character_that_steers_a_terminal(poisoned: str, experiment: str) -> None:
    command = ["--store", poisoned, "worker", experiment, "--burst", "--force", "--name", f"w{HOSTILE}"]
    ended = subprocess.run(
        [sys.executable, "-m", "hstore", *command], capture_output=True, encoding="utf-8", timeout=GENEROUS, check=False
    )
    assert ended.returncode in (0, 2, 3), ended.stderr
    assert not steers(ended.stdout + ended.stderr)


def test_a_bad_url_steers_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    for url in (f"mongodb://h{HOSTILE}/x", f"mongodb://h/x{HOSTILE}", HOSTILE, f"mongodb://h/x?{HOSTILE}=1"):
        assert run(["--store", url, "ls"]) == 2
        assert run(["--debug", "--store", url, "ls"]) == 2
        printed = capfd.readouterr()
        assert not steers(printed.out + printed.err)


def test_every_command_that_reads_a_store_is_among_the_calls() -> None:
    called = {call[0] for call in CALLS}
    assert {command.name for command in COMMANDS} - called == {"db", "worker", "mcp", "ui"}
    assert isinstance(app, click.Group)


def test_messages_on_stderr_steer_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with shown_on_stderr(always=True):
        Log("test", experiment=HOSTILE).warning(f"worker {HOSTILE} has left")
        logging.getLogger("hstore.test").warning("%s", HOSTILE)
    printed = capfd.readouterr().err
    assert not steers(printed)
    assert len(printed.splitlines()) == 2


def test_commands_print_through_one_module_only() -> None:
    for file in (Path(__file__).parents[2] / "cli").glob("*.py"):
        calls = {ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)}
        printing = calls & {"click.echo", "click.secho", "print", "sys.stdout.write", "sys.stderr.write"}
        assert not printing or file.name in ("printing.py", "hyperopt_worker.py"), file.name
