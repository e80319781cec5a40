"""Colours where a terminal shows them, and nowhere else; a name in a store brings none of its own."""

import sys
from typing import Any

import click
import pytest

from hstore.cli import painting
from hstore.cli.app import app
from hstore.cli.painting import in_colour, painted, wants_colour
from hstore.cli.printing import print_text
from hstore.cli.table import render

ROWS: list[list[Any]] = [["trial", "state", "loss"], [7, "failed", None], [8, "done", 0.5]]
VARIABLES = ("NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "FORCE_COLOR")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


@pytest.mark.usefixtures("terminal")
def test_states_and_headings_are_coloured_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = in_colour(render(ROWS), True)
    assert "\x1b[1;31mfailed\x1b[0m" in shown
    assert "\x1b[32mdone\x1b[0m" in shown
    assert "\x1b[1mtrial\x1b[0m" in shown
    monkeypatch.setenv("NO_COLOR", "1")
    assert render(ROWS) == "trial  state   loss\n7      failed  -\n8      done    0.5"


@pytest.mark.parametrize(
    ("set_", "wanted"),
    [
        ({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False),
        ({"CLICOLOR": "0"}, False), ({"NO_COLOR": "1", "CLICOLOR_FORCE": "1"}, False),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("terminal")
def test_the_environment_decides_on_a_terminal(
    set_: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in set_.items():
        monkeypatch.setenv(name, value)
    assert wants_colour() is wanted


def test_a_pipe_gets_none_unless_it_is_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    assert not wants_colour()
    for name in ("CLICOLOR_FORCE", "FORCE_COLOR"):
        with monkeypatch.context() as patched:
            patched.setenv(name, "1")
            assert wants_colour()
            patched.setenv(name, "0")
            assert not wants_colour()
    for color, wanted in ((True, True), (False, False)):
        with click.Context(app, color=color):
            assert wants_colour() is wanted


def test_a_text_from_a_store_brings_no_colour_and_no_mark(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    hostile = "\x1b[31mred\ue000good\ue001"
    print_text(painted(hostile, "bad"))
    assert capsys.readouterr().out == "\x1b[1;31m\\x1b[31mred\\ue000good\\ue001\x1b[0m\n"
    assert painting.counts("3 done, 2 failed").count("2 failed") == 1


def test_a_narrow_terminal_keeps_the_loss_and_drops_what_matters_less(
    monkeypatch: pytest.MonkeyPatch, terminal: None
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    rows: list[list[Any]] = [
        ["trial", "loss", "ended (UTC)", "parameters"],
        [7, 0.5, "2026-11-30 19:14:25", "x=0.123456789"],
    ]

    def heads(width: int) -> list[str]:
        monkeypatch.setenv("COLUMNS", str(width))
        lines = render(rows, drop=("ended (UTC)", "parameters")).splitlines()
        assert all(len(line) <= width for line in lines)
        return lines[0].split()

    assert heads(80) == ["trial", "loss", "ended", "(UTC)", "parameters"]
    assert heads(30) == ["trial", "loss", "parameters"]
    assert heads(12) == ["trial", "loss"]
