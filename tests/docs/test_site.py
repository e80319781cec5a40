"""What the site and a package index make of the pages: their lists, links and pictures. `make docs` builds the site."""

import ast
import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import hstore

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LARGEST = 150_000
"""Bytes of a picture, so that the repository stays small."""


@pytest.fixture(scope="module")
def of_setup() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "setup.py"), run_name="setup")


def test_readme_on_a_package_index_links_to_the_repository_alone(of_setup: dict[str, Any]) -> None:
    base = of_setup["repository"]()
    text = of_setup["with_absolute_links"]((ROOT / "README.md").read_text(), base)
    links = re.findall(r"\]\(([^)\s]+)\)", re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE))
    assert [link for link in links if not re.match(r"https://|#", link)] == []
    paths = [link.removeprefix(base).split("/", 3)[3].partition("#")[0] for link in links if link.startswith(base)]
    assert [path for path in paths if not (ROOT / path).is_file()] == []
    assert {link.split("/")[-1] for link in links if "/raw/" in link} >= {"page-search.png", "slice.png"}


def test_links_become_absolute_from_where_their_page_stands(of_setup: dict[str, Any]) -> None:
    absolute = of_setup["with_absolute_links"]
    assert absolute("[a](../README.md#b) [c](#d) [e](https://f)", "https://h", "docs") == (
        "[a](https://h/blob/main/README.md#b) [c](#d) [e](https://f)"
    )
    assert absolute("![p](pictures/a.png)", "https://h", "docs") == "![p](https://h/raw/main/docs/pictures/a.png)"


def test_readme_renders_on_a_package_index(of_setup: dict[str, Any]) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown", reason="needs readme-renderer[md], of the group docs")
    shown = markdown.render(of_setup["with_absolute_links"]((ROOT / "README.md").read_text(), of_setup["repository"]()))
    assert shown is not None
    assert shown.count("<img") == 2
    assert "<table>" in shown


def test_the_tree_of_the_site_has_every_page_once(of_setup: dict[str, Any]) -> None:
    conf = runpy.run_path(str(DOCS / "conf.py"), run_name="conf")
    trees = conf["toctrees"]((DOCS / "README.md").read_text())
    shown = [line for line in trees.splitlines() if re.fullmatch(r"[\w./-]+", line)]
    files = [file for kind in ("*.md", "*.ipynb") for file in DOCS.rglob(kind) if file.parent.name != "decisions"]
    pages = {str(file.relative_to(DOCS).with_suffix("")) for file in files} - {"README", "index"} | {"decisions/README"}
    assert sorted(shown) == sorted(pages), "a page of docs/ has one row in the tables of docs/README.md"


def test_docstrings_become_terms_and_blocks() -> None:
    conf = runpy.run_path(str(DOCS / "conf.py"), run_name="conf")
    lines = ["Do it.", "", "    f(x)", "", "x: what, it", "    is.", "Raises an error.", "a, b,", "c: as there."]
    conf["as_rst"](None, "function", "f", None, None, lines)
    said = "Do it. :: f(x) ``x`` what, it is. Raises an error. ``a``, ``b``, ``c`` as there."
    assert " ".join("\n".join(lines).split()) == said
    assert lines[lines.index("Raises an error.") - 1] == lines[lines.index("``x``") - 1] == ""


def test_examples_of_a_help_text_keep_their_lines_and_dashes() -> None:
    conf = runpy.run_path(str(DOCS / "conf.py"), run_name="conf")
    lines = ["Stop it.", "", "| hstore stop a --now", "| hstore ls", "", "See there."]
    conf["examples_as_block"](None, None, lines)
    block = "\n".join(lines)
    assert block.startswith("Stop it.\n\n.. code-block:: console\n\n    hstore stop a --now\n    hstore ls\n\n")
    assert lines[-2:] == ["See there.", ""]  # what follows is a directive


def test_pictures_are_small_and_each_is_shown() -> None:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    shown = {found for page in pages for found in re.findall(r"pictures/([\w-]+\.png)", page.read_text())}
    pictures = {file.name: file.stat().st_size for file in (DOCS / "pictures").glob("*.png")}
    assert sorted(shown - set(pictures)) == []
    assert {name: size for name, size in pictures.items() if size > LARGEST} == {}


def test_the_reference_has_every_public_name_that_is_not_of_hyperopt() -> None:
    page = (DOCS / "reference" / "python.md").read_text()
    of_hyperopt = (DOCS / "hyperopt-names.md").read_text()
    named = {name.partition(".")[0] for name in re.findall(r"hstore\.([\w.]+)", page)}
    missing = {name for name in hstore.__all__ if name not in named and not re.search(rf"\b{name}\b", of_hyperopt)}
    assert sorted(missing - ALGORITHMS) == []


ALGORITHMS = {"auto", "cmaes", "compat", "gp", "grid", "mtpe", "qmc"}
"""Modules that other pages describe: docs/algorithms.md, docs/coming-from-hyperopt.md."""


def test_the_first_section_of_readme_leads_to_a_page_in_three_commands() -> None:
    text = (ROOT / "README.md").read_text()
    start = text.index("## Quick start")
    assert text.count("\n", 0, start) < 20
    program, commands = re.findall(r"^```(?:python|sh)\n(.*?)^```$", text[start:], re.DOTALL | re.MULTILINE)[:2]
    ast.parse(program)
    assert len([line for line in program.splitlines() if line.strip()]) <= 10
    assert [line.split()[0] for line in commands.splitlines()] == ["pip", "python", "hstore"]
