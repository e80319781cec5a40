"""The pages: what they show runs, prints what they say it prints, and their links lead somewhere.

The python blocks of a page are one program, run in a folder and a MongoDB of its own. `print(…)  # what` says what is
printed, … standing for anything. Blocks marked console hold commands that come to an end; they run where they stand.
"""

import builtins
import dataclasses
import logging
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.waiting import GENEROUS

from hstore.cli.app import app
from hstore.store.events import (  # fmt: skip
    Cancelled,
    Done,
    Event,
    Failed,
    Noted,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Running,
)

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
ELSEWHERE = {"deploy.md", "roles.md"}
"""Pages whose examples have tests of their own."""
PAGES = [ROOT / "README.md", *sorted(page for page in DOCS.rglob("*.md") if page.name not in ELSEWHERE)]
NEEDED = {
    "agents.md": ("mcp.server.mcpserver",),
    "frameworks.md": ("lightgbm", "sklearn"),
    "from-optuna.md": ("optuna",),
    "hydra.md": ("hydra",),
    "index.md": ("matplotlib", "pandas"),
    "lightgbm.md": ("lightgbm", "sklearn"),
    "mlflow.md": ("mlflow",),
    "neural-network.md": ("sklearn", "matplotlib"),
    "optuna.md": ("optuna",),
    "ray.md": ("ray",),
    "README.md": ("matplotlib", "pandas"),
    "sklearn-pipeline.md": ("sklearn",),
}
"""Packages that the program of a page needs, which not every environment has."""
NOT_COMMANDS = {"make", "pip", "pre-commit"}
"""What the console blocks of a page may name besides `hstore` and `python`: what sets up an environment."""
OF_THEIR_OWN = {"worker", "db"}
"""Commands that run in a process of their own, for they start others and handle signals."""
SLOW = ("neural-network", "plots", "sklearn-pipeline")
"""Pages whose programs import or compute the most."""
STORE = "mongodb://host/lab"
"""How pages call a MongoDB that is there already."""


def blocks(page: Path) -> Iterator[tuple[int, str, str]]:
    """Yield line, kind and text of each fenced block."""
    text = page.read_text()
    for found in re.finditer(r"^```([^`\n]*)\n(.*?)^```$", text, re.DOTALL | re.MULTILINE):
        yield text.count("\n", 0, found.start(2)) + 1, found[1], found[2]


def matches(stated: str, printed: str) -> bool:
    return re.fullmatch(".*?".join(map(re.escape, stated.split("…"))), printed, re.DOTALL) is not None


class Program:
    """What the python blocks of a page become: one module, whose prints are compared with what the page states."""

    def __init__(self, page: Path, url: str) -> None:
        self.page = page
        self.url = url
        self.printed: dict[int, str] = {}
        self.names: dict[str, Any] = {"__name__": "__main__", "print": self.print}

    def print(self, *values: object, **options: Any) -> None:
        self.printed.setdefault(sys._getframe(1).f_lineno, " ".join(map(str, values)))
        builtins.print(*values, **options)

    def run(self, line: int, text: str) -> None:
        code = compile("\n" * (line - 1) + text.replace(STORE, self.url), str(self.page), "exec")
        exec(code, self.names)
        for offset, statement in enumerate(text.splitlines()):
            stated = re.fullmatch(r" *print\(.*\)  # (.*)", statement)
            if stated is not None:
                place = f"{self.page.name}:{line + offset}"
                printed = self.printed[line + offset]
                assert matches(stated[1], printed), f"{place} states {stated[1]!r} and prints {printed!r}"

    def command(self, line: int, words: str) -> None:
        """Run a command as a reader would, with `hstore` and `python` those of this environment."""
        words = words.partition("  #")[0].strip()
        name, *rest = shlex.split(words.replace(STORE, self.url))
        if name in NOT_COMMANDS:
            return
        assert name in ("hstore", "python"), f"{self.page.name}:{line} runs {name}"
        if name == "hstore" and rest[0] not in OF_THEIR_OWN:
            result = CliRunner().invoke(app, rest)
            code, output = result.exit_code, result.output
        else:
            python = [sys.executable, *(["-m", "hstore"] if name == "hstore" else [])]
            done = subprocess.run([*python, *rest], capture_output=True, text=True, check=False, timeout=GENEROUS)
            code, output = done.returncode, done.stdout + done.stderr
        assert code == 0, f"{self.page.name}:{line}: {words}\n{output}"


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=str(page.relative_to(ROOT)), marks=pytest.mark.long if page.stem in SLOW else ())
        for page in PAGES
    ],
)
def test_a_page_runs_and_prints_what_it_states(
    page: Path, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in NEEDED.get(page.name, ()):
        pytest.importorskip(package, reason=f"the program of {page.name} needs {package}")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("HSTORE_URL", mongo_url)
    monkeypatch.setattr(logging.getLogger("hstore"), "handlers", [])  # a page may add one
    program = Program(page, mongo_url)
    for line, kind, text in blocks(page):
        if kind == "python":
            program.run(line, text)
        elif kind == "console":
            for offset, command in enumerate(text.splitlines()):
                if command.startswith("$ "):
                    program.command(line + offset, command[2:])


def test_links_lead_to_files_and_headings() -> None:
    lost = []
    for page in (*ROOT.glob("*.md"), *sorted(DOCS.rglob("*.md"))):
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            if re.match(r"\w+:", link):
                continue
            path, _, heading = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists() or (heading and heading not in headings(target)):
                lost.append(f"{page.relative_to(ROOT)} links to {link}")
    assert lost == []


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of *page*."""
    found = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("folder", [DOCS, DOCS / "decisions"], ids=["docs", "decisions"])
def test_the_index_lists_every_page(folder: Path) -> None:
    index = (folder / "README.md").read_text()
    files = [*folder.rglob("*.md"), *folder.rglob("*.ipynb")]
    pages = {str(page.relative_to(folder)) for page in files if "decisions" not in page.parts[len(folder.parts) :]}
    listed = re.findall(r"^\| \[[^\]]*\]\(([^)]+)\) \|", index, re.MULTILINE)
    assert sorted(pages - {"README.md"} - set(listed)) == [], f"docs/README.md has no row for these in {folder.name}/"
    assert len(listed) == len(set(listed)), "a page is listed once, for it has one place in the tree of the site"


def test_other_languages_are_told_of_every_event_of_a_trial_and_what_it_must_hold() -> None:
    page = (DOCS / "other-languages.md").read_text()
    envelope = {field.name for field in dataclasses.fields(Event)}
    for kind in (Queued, Reserved, Running, Reported, Done, Failed, Requeued, Cancelled, Noted):
        row = next(line for line in page.splitlines() if line.startswith(f"| `{kind.type}` |"))
        optional, named = set(re.findall(r"\*`(\w+)`\*", row)), set(re.findall(r"`(\w+)`", row))
        for field in dataclasses.fields(kind):
            if field.name not in envelope and not str(field.type).endswith("| None"):
                assert field.name in named - optional, f"{kind.type} needs {field.name}"
        assert optional <= {field.name for field in dataclasses.fields(kind)}


def test_a_statement_that_is_not_so_is_told(tmp_path: Path) -> None:
    program = Program(tmp_path / "page.md", "mongodb://here/db")
    program.run(3, f'x = 1.25\nprint(x, "{STORE}")  # 1.… mongodb://here/db\n')
    with pytest.raises(AssertionError, match=r"page\.md:9 states '1\.3' and prints '1\.25'"):
        program.run(9, "print(x)  # 1.3\n")
    with pytest.raises(AssertionError, match="runs rm"):
        program.command(12, "rm -r .")
    assert os.listdir(tmp_path) == []
