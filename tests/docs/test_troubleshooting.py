"""The page about errors: it has each of them, with its exit code, and quotes messages that the program has."""

import inspect
import re
from pathlib import Path

from hstore.store import errors
from hstore.store.errors import HstoreError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "troubleshooting.md").read_text()
SECTIONS = dict(re.findall(r"^### (\w+)(?: \((\d+)\))?$", PAGE, re.MULTILINE))
QUOTED = re.findall(r"^> (.*)$", PAGE, re.MULTILINE)
ERRORS = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, HstoreError) and value is not HstoreError
}


def test_each_error_has_a_section_or_is_named_among_those_of_hyperopt() -> None:
    (of_hyperopt,) = re.findall(r"^## From hyperopt\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL)
    assert sorted(set(ERRORS) - set(SECTIONS) - set(re.findall(r"`(\w+)`", of_hyperopt))) == []


def test_a_section_of_an_error_states_its_exit_code() -> None:
    stated = {name: int(code) for name, code in SECTIONS.items() if name in ERRORS and name != "CannotLoad"}
    assert stated == {name: ERRORS[name].exit_code for name in stated}
    assert SECTIONS["CannotLoad"] == "9"  # of a worker, which is where it is met


def test_each_quoted_message_is_one_of_the_program() -> None:
    files = [file for folder in ("store", "engine", "workers", "cli") for file in (ROOT / folder).rglob("*.py")]
    text = "\n".join(file.read_text() for file in files).replace("{VARIABLE}", "HSTORE_KEY")
    joined = re.sub(r"\"\s*\n\s*f?\"", "", text)  # a string that continues in the next line
    lines = re.sub(r"\{[^{}]*\}", "…", joined).replace("\\n", "\n").splitlines()
    assert [quoted for quoted in QUOTED if not any(quoted.strip("…: ") in line for line in lines)] == []
    assert len(QUOTED) > len(ERRORS) / 2
