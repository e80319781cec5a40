"""The papers: hooks run what make check runs, forms can be read, and what pages name is there."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
PAPERS = [
    *(ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
MAY_NAME_THE_BENCHMARK = {"Makefile", "README.md", "bench/quality.py"}
"""Where it is said that the benchmark, which is not in the repository, is optional."""


def test_the_hooks_before_a_commit_are_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in recipe[1].splitlines()]
    [hooks] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert [hook["entry"] for hook in hooks["hooks"]] == commands
    assert all(hook["language"] == "system" and not hook["pass_filenames"] for hook in hooks["hooks"])


@pytest.mark.parametrize("name", ["bug", "feature"])
def test_an_issue_form_has_a_name_and_fields_with_labels(name: str) -> None:
    form = yaml.safe_load((ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml").read_text())
    assert form["name"]
    assert form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 1
    assert all(field["attributes"]["label"] for field in fields)


def test_the_changelog_has_what_is_unreleased_first_then_the_versions() -> None:
    headings = re.findall(r"^## \[(.*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "Unreleased"
    assert "0.1.0" in headings


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_files_that_a_paper_names_by_their_path_are_there(paper: Path) -> None:
    named = re.findall(
        r"`((?:store|engine|workers|cli|migrations|tests|docs|src|examples)/[\w./-]*)`", paper.read_text()
    )
    written = [path for path in named if not re.search(r"NAME|NNNN", path)]
    assert [path for path in written if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("paper", PAPERS, ids=lambda paper: str(paper.relative_to(ROOT)))
def test_a_paper_refers_to_nothing_outside_the_repository(paper: Path) -> None:
    text = paper.read_text()
    assert "DESIGN" not in text
    if str(paper.relative_to(ROOT)) not in MAY_NAME_THE_BENCHMARK:
        assert "../shared" not in text


def test_code_refers_to_nothing_outside_the_repository() -> None:
    files = [ROOT / "Makefile", *(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))]
    found = {
        str(file.relative_to(ROOT))
        for file in files
        if file != Path(__file__) and re.search(r"\bDESIGN\b|shared/", file.read_text())
    }
    assert found <= MAY_NAME_THE_BENCHMARK


FOLDERS = ["store", "engine", "workers", "cli", "migrations", "tests", "docs", "bench", "faults", "examples"]
