"""What all commands share: whose fault an error is, and output that others can read."""

import errno
import sys
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
from bson import json_util
from bson.binary import UuidRepresentation
from click.testing import CliRunner
from pymongo.database import Database
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.cli.app import app
from hstore.cli.app import run as run_all
from hstore.cli.session import Session
from hstore.cli.table import render
from hstore.store.errors import Indigestible, VerificationFailed
from hstore.store.store import Store
from hstore.store.terminal_text import printable
from hstore.store.verify import verify


def search(url: str) -> None:
    fmin(
        lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", ["a", "b"])},
        algo=rand.suggest, max_evals=6, rstate=np.random.default_rng(0), verbose=False, experiment="demo",
        store=url,
    )  # fmt: skip


@pytest.fixture
def demo(filled: Callable[[Callable[[str], None]], str]) -> str:
    """The URL of a store that holds experiment `demo`."""
    return filled(search)


@pytest.mark.parametrize("error", [AssertionError(), AttributeError("items"), KeyError(99), TypeError("list")])
def test_an_error_on_a_log_that_was_tampered_with_says_that_the_log_is_corrupt(
    error: Exception, demo: str, database: Database[Any]
) -> None:
    session = Session(demo)
    with closing(session):
        with pytest.raises(Indigestible), session.experiment("demo"):
            raise error  # no digest shows that an event was changed
        database["events"].update_one({"tid": 2, "type": "queued"}, {"$set": {"data.point.x": 0.125}})
        said = "the log of experiment 'demo' is corrupt: event 0 of trial 2 was changed"
        with pytest.raises(VerificationFailed, match=said), session.experiment("demo"):
            raise error


@pytest.mark.parametrize(
    "edit",
    [
        {"$set": {"data.observed": [[99, 3, b"x" * 32]]}},
        {"$set": {"data.point.nobody": 1.0}},
    ],
)
def test_replay_of_a_log_that_was_tampered_with_ends_with_6(
    edit: dict[str, Any], demo: str, database: Database[Any]
) -> None:
    database["events"].update_one({"exp": "demo", "tid": 2, "type": "queued"}, edit)
    shown = run(demo, "replay", "demo")
    assert shown.exit_code == 6
    assert "hstore verify demo" in shown.stderr or "nobody" in shown.stdout


def test_an_error_on_a_sound_log_names_the_experiment_and_what_to_run(
    demo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise KeyError("x")

    monkeypatch.setattr("hstore.engine.audit.replay.derive_again", broken)
    assert run_all(["--store", demo, "replay", "demo"]) == 6
    said = capsys.readouterr().err
    assert "experiment 'demo' cannot be handled" in said
    assert "or this is a bug in hstore (KeyError: 'x')" in said


def test_a_full_disk_is_not_called_a_bug(
    demo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(_: Store) -> list[str]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("hstore.store.read_models.ReadModels.overview", full)
    assert run_all(["--store", demo, "ls"]) == 1
    assert capsys.readouterr().err == "Error: [Errno 28] No space left on device\n"


def test_a_log_in_json_can_be_read_back_to_the_digest(demo: str) -> None:
    options = json_util.JSONOptions(uuid_representation=UuidRepresentation.STANDARD, tz_aware=True)
    lines = run(demo, "log", "demo", "--json").stdout.splitlines()
    documents = [json_util.loads(line, json_options=options) for line in lines]
    report = verify(sorted(documents, key=lambda document: (document.get("tid", -1), document["ver"])))
    assert report.findings == ()
    assert f"head {report.head.hex()}" in run(demo, "verify", "demo").stdout


def test_show_tells_the_index_behind_a_choice(demo: str) -> None:
    shown = run(demo, "show", "demo", "0").stdout
    assert "c = a  (in the point: 0)" in shown or "c = b  (in the point: 1)" in shown


def test_nothing_from_a_store_steers_a_terminal() -> None:
    assert printable("\x1b[2Jgone\nbell\x07") == r"\x1b[2Jgone\nbell\x07"
    assert "\x1b" not in render([["name"], ["\x1b]0;title"]])


def test_a_table_needs_no_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", None)
    assert render([["name"], ["x"]]) == "name\nx"


def test_help_and_version_open_no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_URL", "no url at all")
    for args in (["--help"], ["replay", "--help"], ["--version"]):
        assert CliRunner().invoke(app, args).exit_code == 0
    assert CliRunner().invoke(app, ["ls"]).exit_code == 2


def test_a_name_of_bytes_that_the_locale_does_not_know_is_read_as_utf_8(
    demo: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = "é".encode().decode("ascii", "surrogateescape")  # as Python has it where LANG is C
    for name, said in ((typed, "no experiment 'é'"), ("\udcff", "must not contain")):
        for command in ("show", "log"):
            monkeypatch.setattr(sys, "argv", ["hstore", "--store", demo, command, name])
            assert run_all() in (2, 3)
            assert said in capsys.readouterr().err
