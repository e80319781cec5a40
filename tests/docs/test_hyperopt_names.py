"""hyperopt's names: each is here or explained, takes what it took, and is shown by a test; and what says so works."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs.hyperopt_names import ROOT, Notes, Row, covers, judge, page, problems
from docs.public_names import Name, differs, signature


def test_every_name_of_hyperopt_is_here_or_explained_and_shown_by_a_test() -> None:
    # In a process of its own: what other tests have imported would be bound to the packages.
    result = subprocess.run(
        [sys.executable, "-m", "docs.hyperopt_names", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, "\n" + result.stdout + result.stderr


def function(value: Any, path: str = "base.f") -> Name:
    return Name(path, "base", "function", value)


def test_what_is_here_and_shown_by_a_test_is_the_same() -> None:
    row = judge(function(lambda x, y=1: 0), function(lambda x, y=1, z=2: 0), Notes(), ["tests/test_f.py"])
    assert (row.status, row.problems) == ("same", ())
    assert "| `f` | `(x, y=1)` | *same* | [f](../tests/test_f.py) |" in page([row], "0.3.0")


def test_what_is_missing_is_told_unless_it_is_explained() -> None:
    missing = judge(function(len), None, Notes(), ())
    assert missing.problems == ("is missing, and nothing says why",)
    explained = judge(function(len), None, Notes(absent={"base.*": "nobody wants it"}), ())
    assert (explained.status, explained.note, explained.problems) == ("absent", "nobody wants it", ())


def test_what_is_said_to_be_absent_must_be() -> None:
    row = judge(function(len), function(len), Notes(absent={"base.f": "nobody wants it"}), ["tests/test_f.py"])
    assert row.problems == ("is said to be absent, and is here",)


def test_what_no_test_covers_is_told() -> None:
    assert judge(function(len), function(len), Notes(), ()).problems == ("is covered by no test",)


@pytest.mark.parametrize(
    ("ours", "difference"),
    [
        (lambda x, y=1: 0, None),
        (lambda x, y=1, *args, z=2, **more: 0, None),
        (lambda x: 0, "it does not take y"),
        (lambda a, y=1: 0, "it takes a where x is expected"),
        (lambda x, y=2: 0, "the default of y is 2, not 1"),
        (lambda x, *, y=1: 0, "it takes y=1 where y=1 is expected"),
        (lambda x, y=1, *, z: 0, "it insists on z"),
    ],
)
def test_a_signature_must_take_what_hyperopts_takes(ours: Any, difference: str | None) -> None:
    assert differs(function(lambda x, y=1: 0), function(ours)) == difference
    row = judge(function(lambda x, y=1: 0), function(ours), Notes(mended={"base.f": "better"}), ["tests/test_f.py"])
    assert (row.status, row.problems) == ("mended", ())


def test_kinds_constants_and_bases_must_agree() -> None:
    a_property = Name("base.C.p", "base", "property")
    assert differs(a_property, function(len)) == "it is a method, not a property"
    assert differs(function(len), Name("base.f", "base", "property", property())) == "it is a property, not a function"
    constant = Name("base.STATES", "base", "attribute", [0, 1])
    assert differs(constant, Name("base.STATES", "base", "attribute", (0, 1))) is None
    assert differs(constant, Name("base.STATES", "base", "attribute", (0, 2))) == "it is (0, 2), not [0, 1]"
    theirs = Name("base.E", "base", "class", KeyError, KeyError.__mro__[1:])
    assert differs(theirs, Name("base.E", "base", "class", OSError, OSError.__mro__[1:])) == "it is no LookupError"


def test_marks_are_read_without_running_the_tests(tmp_path: Path) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(
        "raise SystemExit\nNAMES = ['hp.normal']\n@pytest.mark.covers('hp.uniform', *NAMES)\ndef test_a(): ...\n"
    )
    assert covers(tmp_path / "tests") == {"hp.uniform": {"tests/test_a.py"}, "hp.normal": {"tests/test_a.py"}}


def test_a_page_that_was_not_made_again_is_told() -> None:
    row = Row(function(inspect.getdoc), "same")
    assert problems([row], [], "new", "old") == ["docs/hyperopt-names.md is not what `make docs` writes"]
    assert problems([row], [], "new", "new") == []


def test_a_signature_reads_alike_on_every_machine() -> None:
    def called(x: Any, n: int = sys.maxsize, f: Any = page, *a: Any, **k: Any) -> None: ...

    assert signature(function(called)) == "(x, n=sys.maxsize, f=page, *a, **k)"
