"""Write hyperopt-names.md: every public name of hyperopt, and what became of it here. `make docs`, or `--check`.

What is mended or absent on purpose, and why, stands in hyperopt-names.toml; any other name must be here under its
path, with a signature that takes whatever hyperopt's takes, and a test must say (`@pytest.mark.covers`) that it
shows it.
"""

from __future__ import annotations

import ast
import logging
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from importlib import import_module
from pathlib import Path
from types import FunctionType

from docs.public_names import MODULES, Name, counterpart, differs, home, is_bound, load, names, shown, signature

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "hyperopt-names.md"
NOTES = ROOT / "docs" / "hyperopt-names.toml"


@dataclass(frozen=True, slots=True)
class Row:
    """What the page says of a name."""

    name: Name
    status: str
    """same, mended, absent; or missing, which the check does not let pass."""
    note: str = ""
    tests: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(slots=True)
class Notes:
    """What hyperopt-names.toml says. A pattern (`vectorize.*`) is about those of its names that have no entry and,
    if it says why they are absent, that are not here."""

    mended: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)

    def find(self, table: Mapping[str, str], path: str) -> str | None:
        """Return what *table* says of *path*; its own entry goes before that of a pattern."""
        entries = [entry for entry in table if entry == path or fnmatchcase(path, entry)]
        if not entries:
            return None
        entry = max(entries, key=lambda entry: (entry == path, len(entry)))
        self.used.add(entry)
        return table[entry]


# -- what tests say ---------------------------------------------------------------------------------------------


def covers(tests: Path) -> dict[str, set[str]]:
    """Return which test files cover what, by reading their `pytest.mark.covers(…)`; nothing is run."""
    found: dict[str, set[str]] = {}
    for file in sorted(tests.rglob("test_*.py")):
        text = file.read_text()
        if "mark.covers" not in text:
            continue
        tree = ast.parse(text)
        lists = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("mark.covers"):
                for name in _literals(node.args, lists):
                    found.setdefault(name, set()).add(file.relative_to(tests.parent).as_posix())
    return found


def _literals(arguments: Iterable[ast.expr], lists: Mapping[str, ast.expr]) -> Iterator[str]:
    for argument in arguments:
        if isinstance(argument, ast.Starred):
            argument = lists[argument.value.id] if isinstance(argument.value, ast.Name) else argument.value
            yield from ast.literal_eval(argument)
        else:
            yield ast.literal_eval(argument)


# -- judging ----------------------------------------------------------------------------------------------------


def judge(theirs: Name, ours: Name | None, notes: Notes, tests: Iterable[str]) -> Row:
    """Return the row of a name of hyperopt's, given its counterpart here, if there is one."""
    covered = tuple(sorted(tests))
    if theirs.kind == "borrowed":
        return Row(theirs, "same") if ours is not None else Row(theirs, "absent", "take it from there")
    if ours is None:
        absent = notes.find(notes.absent, theirs.path)
        if absent is not None:
            return Row(theirs, "absent", absent, covered)
        return Row(theirs, "missing", tests=covered, problems=("is missing, and nothing says why",))
    mended = notes.find(notes.mended, theirs.path)
    problems = []
    if theirs.path in notes.absent:
        notes.used.add(theirs.path)
        problems.append("is said to be absent, and is here")
    difference = differs(theirs, ours)
    if difference is not None and mended is None:
        problems.append(difference)
    if not covered and theirs.kind != "module":
        problems.append("is covered by no test")
    return Row(theirs, "same" if mended is None else "mended", mended or "", covered, tuple(problems))


def survey() -> tuple[list[Row], list[str]]:
    """Return a row per public name of hyperopt, and what is wrong beside the rows: notes and marks of no name."""
    logging.disable(logging.WARNING)
    notes_file = tomllib.loads(NOTES.read_text())
    notes = Notes(notes_file["mended"], notes_file["absent"])
    theirs = list(names("hyperopt"))
    said = covers(ROOT / "tests")
    shown_by: dict[object, set[str]] = {}
    used: set[str] = set()
    for name in theirs:
        marks = {mark for mark in said if fnmatchcase(name.path, mark)}
        used |= marks
        holder = name.path.rpartition(".")[0]  # a class is shown by who shows a member of it
        for thing in (*_things(name), ("class", holder)):
            shown_by.setdefault(thing, set()).update(file for mark in marks for file in said[mark])
    rows = []
    for name in theirs:
        tests = {file for thing in _things(name) for file in shown_by.get(thing, ())}
        rows.append(judge(name, counterpart("hstore", name), notes, tests))
    stale = [
        f"{entry}: hyperopt-names.toml explains nothing by it" for entry in {*notes.mended, *notes.absent} - notes.used
    ]
    others = [mark for mark in said.keys() - used if not is_bound("hyperopt", mark)]
    unknown = [f"{mark}: {min(said[mark])} covers it, hyperopt has no such name" for mark in others]
    broken = [
        f"{module}: {error}"
        for module in MODULES
        if isinstance(error := load("hstore", module), Exception) and not _is_not_there(module, error)
    ]
    return rows, broken + sorted(stale) + sorted(unknown)


def _is_not_there(module: str, error: Exception) -> bool:
    return isinstance(error, ModuleNotFoundError) and f"hstore.{module}".startswith(str(error.name))


def _things(name: Name) -> set[object]:
    """Return what *name* stands for, so that all names of one thing are shown by a test of one of them."""
    things: set[object] = {name.path.replace("pyll.base.SymbolTable.", "scope.")}
    if name.kind == "class":
        things.add(("class", name.path))
    if isinstance(name.value, (type, FunctionType)):
        things.add(id(name.value))
    elif name.title.isupper():
        things.add((name.title, shown(name.value)))
    elif name.kind == "field":  # who shows the objects of a class shows what they have
        things.add(name.path.rpartition(".")[0])
    return things


# -- the page ---------------------------------------------------------------------------------------------------

INTRODUCTION = """\
<!-- Generated by `make docs` from hyperopt and hstore as installed; what is said of a name: hyperopt-names.toml. -->
# hyperopt's names

Each public name of hyperopt {version}: what can be imported from it without an underscore and is its own. *same*: it is
here under the same path (`hyperopt.base.Trials` is `hstore.base.Trials`), takes what it took and does what it did.
*mended*: on purpose not quite, and how. *absent*: not here, and why. Behind each name stand the tests that show it.
What a module merely imports from another stands at its end. [How to come over](coming-from-hyperopt.md).
"""


def page(rows: Iterable[Row], version: str) -> str:
    """Return the page."""
    sections: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: [*MODULES, "scope", "commands"].index(row.name.module)):
        sections.setdefault(row.name.module, []).append(row)
    states = ("same", "mended", "absent")
    text = [INTRODUCTION.format(version=version)]
    text += ["| module | same | mended | absent |", "| --- | ---: | ---: | ---: |"]
    every = [row for section in sections.values() for row in section]
    for module, section in [*sections.items(), ("", every)]:
        counts = [sum(row.status == state for row in section) for state in states]
        title = "**all**" if section is every else f"[{_title(module)}](#{_anchor(module)})"
        text.append(f"| {title} | " + " | ".join(map(str, counts)) + " |")
    for module, section in sections.items():
        text += ["", f"## {_title(module)}", "", "| name | | here | shown by |", "| --- | --- | --- | --- |"]
        text += [_line(row) for row in section]
    return "\n".join(text) + "\n"


def _title(module: str) -> str:
    return {"": "hyperopt", "scope": "pyll.scope"}.get(module, module)


def _anchor(module: str) -> str:
    return _title(module).replace(".", "")


def _line(row: Row) -> str:
    how = _escaped(signature(row.name)) if row.name.kind != row.name.path else ""
    if row.name.path == row.name.module and row.name.kind != "module":
        how = f"cannot be imported: `{row.name.kind}`"
    elif row.name.kind == "borrowed":
        how = f"from `{home(row.name)}`"
    elif how:
        how = f"`{how}`"
    else:
        how = row.name.kind
    status = f"*{row.status}*" + (f": {_escaped(row.note)}" if row.note else "")
    files = ", ".join(f"[{Path(file).stem.removeprefix('test_')}](../{file})" for file in row.tests)
    return f"| `{row.name.title}` | {how} | {status} | {files} |"


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def problems(rows: Iterable[Row], beside: Iterable[str], written: str, stored: str) -> list[str]:
    """Return all that is to be done before the page can be believed, a line each."""
    found = [f"{row.name.path}: {problem}" for row in rows for problem in row.problems]
    found += beside
    if not found and written != stored:
        found.append(f"{PAGE.relative_to(ROOT)} is not what `make docs` writes")
    return found


def main(arguments: list[str]) -> int:
    """Write the page; with --check, only say what is wrong with it, and return 1 if anything is."""
    rows, beside = survey()
    text = page(rows, str(import_module("hyperopt").__version__))
    if "--check" not in arguments:
        PAGE.write_text(text)
    stored = PAGE.read_text() if PAGE.exists() else ""
    found = problems(rows, beside, text, stored)
    print("\n".join([f"{len(rows)} names, {len(found)} to look at", *found]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
