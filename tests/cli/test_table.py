"""Tables and values as text."""

import datetime as dt
import json
import sys
from typing import Any

import pytest
from bson.datetime_ms import DatetimeMS

from hstore.cli.printing import for_json
from hstore.cli.table import aside, named, render, text

ROWS: list[list[Any]] = [["trial", "loss"], [7, 0.123456789], [10, None]]


def test_columns_are_aligned_and_nothing_hangs_over() -> None:
    assert render(ROWS) == "trial  loss\n7      0.123457\n10     -"


def test_only_a_terminal_cuts_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "10")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "0.123457" in render(ROWS)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert render(ROWS).splitlines() == ["trial  lo…", "7      0.…", "10     -"]


def test_a_value_is_a_few_characters_on_one_line() -> None:
    assert text("two\n lines") == r"two\n lines"
    assert text(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)) == "2026-01-02 03:04:05"
    assert named({"x": 0.5, "c": None, "b": True}) == "x=0.5, c=None, b=True"


def test_whatever_a_log_can_hold_becomes_json() -> None:
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    value = {"nan": float("nan"), "b": b"\x00\xff", "at": moment, "far": DatetimeMS(2**60), "l": (1, 2.5, None, True)}
    assert json.loads(json.dumps(for_json(value), allow_nan=False)) == {
        "nan": "nan",
        "b": "00ff",
        "at": "2026-01-02T00:00:00+00:00",
        "far": for_json(value["far"]),
        "l": [1, 2.5, None, True],
    }


def test_quarantine_is_advised_unless_the_beginning_itself_is_set_aside() -> None:
    def advice(tid: int | None, ver: int) -> str:
        return [*aside("e", [{"tid": tid, "ver": ver, "why": "has a wrong signature"}])][-1]

    assert advice(3, 0) == advice(None, 1) == "`hstore quarantine e` lets it go on without"
    assert advice(None, 0) == "nothing goes on without its beginning: `hstore verify e` says what is wrong with it"
