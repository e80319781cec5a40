"""Which files of the user's project an objective uses, and what counts as an edit of them."""

import functools
import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from hstore.engine.evaluation.project_files import project_files

FILES = {
    "project/__init__.py": "",
    "project/training.py": "import json\nfrom . import data\nfrom project.models import net\n\n"
    "def objective(p):\n    from project.late import late\n    return data.load() + net.size(p) + late\n\n"
    "class Search:\n    def __call__(self, p):\n        return 0.0\n    def method(self, p):\n        return 0.0\n",
    "project/data.py": "# the data\ndef load():\n    return 1.0\n",
    "project/models/__init__.py": "",
    "project/models/net.py": "def size(p):\n    return 2.0\n",
    "project/late.py": "late = 3.0\n",
    "project/unused.py": "x = 1\n",
}
USED = [
    "project/__init__.py", "project/data.py", "project/late.py", "project/models/__init__.py",
    "project/models/net.py", "project/training.py",
]  # fmt: skip


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project of a package with modules that import each other."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "project"]:
        del sys.modules[name]


def training() -> ModuleType:
    return importlib.import_module("project.training")


def test_it_is_the_module_and_what_that_imports_of_the_project(project: Path) -> None:
    assert [path for path, _ in project_files(training().objective).digests] == USED


@pytest.mark.parametrize("kind", ["partial", "instance", "method", "closure", "decorated"])
def test_objectives_of_every_kind_are_looked_through(project: Path, kind: str) -> None:
    module = training()

    def closure(p: Any) -> Any:
        return module.objective(p)

    def inside(fn: Any) -> Any:
        return lambda p: fn(p)

    made = {
        "partial": functools.partial(module.objective), "instance": module.Search(),
        "method": module.Search().method, "closure": inside(module.objective),
        "decorated": functools.wraps(module.objective)(lambda p: 0.0),
    }[kind]  # fmt: skip
    assert {"project/training.py", "project/data.py"} <= {path for path, _ in project_files(made).digests}


@pytest.mark.parametrize("name", USED)
def test_an_edit_changes_the_digest_of_its_file_alone(project: Path, name: str) -> None:
    before = dict(project_files(training().objective).digests)
    with (project / name).open("a") as file:
        file.write("\nadded = 1\n")
    after = dict(project_files(training().objective).digests)
    assert {path for path in after if after[path] != before[path]} == {name}


def test_comments_and_blank_lines_are_no_edit(project: Path) -> None:
    before = project_files(training().objective).digests
    file = project / "project" / "data.py"
    file.write_text("\n\n# what is loaded\n\n" + file.read_text().replace("# the data", "") + "# the end\n")
    assert project_files(training().objective).digests == before


def test_a_module_that_is_not_imported_is_no_part_of_it(project: Path) -> None:
    before = project_files(training().objective).digests
    (project / "project" / "unused.py").write_text("x = 2\n")
    assert project_files(training().objective).digests == before


def test_a_file_that_cannot_be_parsed_is_taken_as_it_is(project: Path) -> None:
    module = training()
    (project / "project" / "data.py").write_text("def load(:\n")
    assert [path for path, _ in project_files(module.objective).digests] == USED


@pytest.mark.parametrize("fn", [json.dumps, abs, pytest.approx, project_files, None])
def test_of_installed_packages_nothing_is_known(fn: Any) -> None:
    assert project_files(fn).digests == []
