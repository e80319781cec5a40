"""The house itself: links, public names, what an import costs."""

import ast
import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import get_args

import pytest

import hstore
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.fmin import AlgorithmName

ROOT = Path(__file__).parents[1]

COMMAND = "a command is named like what it calls or prints"
HYPEROPTS = "the core of it, and hyperopt's interface on top of that"
MODULES_OF_ONE_NAME = {
    "check": ({"engine/audit", "cli"}, COMMAND),
    "head": ({"store", "cli"}, COMMAND),
    "importance": ({"engine/analysis", "cli"}, COMMAND),
    "log": ({"store", "cli"}, COMMAND),
    "replay": ({"engine/audit", "cli"}, COMMAND),
    "rerun": ({"engine/audit", "cli"}, COMMAND),
    "retry": ({"store", "cli"}, COMMAND),
    "verify": ({"store", "cli"}, COMMAND),
    "worker": ({"workers", "cli"}, COMMAND),
    "attachments": (
        {"store", "engine/evaluation", "engine/hyperopt"},
        "one idea in three layers: contents by their hash, beside a trial, and under hyperopt's names",
    ),
    "ctrl": ({"engine/evaluation", "engine/hyperopt"}, HYPEROPTS),
    "domain": ({"engine/evaluation", "engine/hyperopt"}, HYPEROPTS),
}
"""Module names that are used more than once: in which folders, and why."""
CLASSES_OF_ONE_NAME: dict[str, tuple[set[str], str]] = {}
"""Class names that are defined more than once: in which files, and why."""


def test_public_names_are_sorted_and_there() -> None:
    def kind(name: str) -> tuple[int, str]:  # constants, classes, functions
        return 0 if name.isupper() else 1 if name[0].isupper() else 2, name

    assert list(hstore.__all__) == sorted(hstore.__all__, key=kind)
    for name in hstore.__all__:
        assert getattr(hstore, name) is not None
        assert name in dir(hstore)
    with pytest.raises(AttributeError, match="nothing_such"):
        hstore.nothing_such  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_know_the_public_names_and_where_each_is_from() -> None:
    stub: dict[str, object] = {}
    for statement in ast.parse((ROOT / "src" / "hstore" / "__init__.pyi").read_text()).body:
        if isinstance(statement, ast.ImportFrom):
            module = import_module(statement.module or "")
            stub |= {str(each.asname): getattr(module, each.name) for each in statement.names}
        elif isinstance(statement, ast.Assign):
            stub[ast.unparse(statement.targets[0])] = stub.pop(ast.unparse(statement.value))
    assert stub == {name: getattr(hstore, name) for name in hstore.__all__}


def test_type_checkers_know_every_algorithm_by_its_name() -> None:
    assert sorted(get_args(AlgorithmName)) == sorted(ALGORITHMS)


@pytest.mark.parametrize("folder", ["store", "engine", "workers", "cli", "migrations"])
def test_each_folder_is_linked_into_the_package(folder: str) -> None:
    link = ROOT / "src" / "hstore" / folder
    assert link.is_symlink()
    assert link.readlink() == Path("../..") / folder


def test_each_file_of_tests_mirrors_a_file() -> None:
    for test in (ROOT / "tests").glob("*/**/test_*.py"):
        folder = ROOT / test.parent.relative_to(ROOT / "tests")
        if folder.name == "golden":  # whole logs of released versions, of which no folder of ours is the source
            continue
        assert folder.is_dir(), f"{test} mirrors no folder"


def test_each_module_opens_with_a_sentence() -> None:
    for folder in ("store", "engine", "workers", "cli", "migrations", "docs", "examples", "bench"):
        for file in (ROOT / folder).rglob("*.py"):
            assert re.match(r'"""\S', file.read_text()), f"{file} does not say what it is for"


def test_no_module_or_class_name_has_two_meanings() -> None:
    modules, classes = defaultdict(list), defaultdict(list)
    for folder in ("store", "engine", "workers", "cli", "migrations"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            place = file.relative_to(ROOT)
            if file.stem != "__init__":
                modules[file.stem].append(str(place.parent))
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.ClassDef):
                    classes[node.name].append(str(place))
    assert _ambiguous(modules, MODULES_OF_ONE_NAME) == {}
    assert _ambiguous(classes, CLASSES_OF_ONE_NAME) == {}


def _ambiguous(
    found: Mapping[str, list[str]], allowed: Mapping[str, tuple[Collection[str], str]]
) -> dict[str, list[str]]:
    """Return the names that are in several places, or twice in one, other than *allowed* says."""
    return {
        name: places
        for name, places in found.items()
        if len(places) > 1 and not (name in allowed and len(places) == len({*places} & {*allowed[name][0]}))
    }


def test_pure_modules_that_know_datetimes_never_ask_what_time_it_is() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (pure,) = (each for each in contracts if each["name"] == "pure modules know no I/O, clock or process")
    excused = {line.partition(" -> ")[0] for line in pure["ignore_imports"] if line.endswith(" -> datetime")}
    assert excused
    for module in excused:
        file = ROOT / Path(*module.split(".")[1:]).with_suffix(".py")
        asked = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
        assert not asked & {"now", "utcnow", "today"}, f"{module} asks the clock"


def test_the_faces_under_hyperopts_module_names_hold_names_and_no_code() -> None:
    package = ROOT / "src" / "hstore"
    faces = [*package.glob("*.py"), *(package / "pyll").glob("*.py"), *(package / "compat").glob("*.py")]
    for face in faces:
        if face == package / "__init__.py" or face.name == "__main__.py":
            continue
        said, *statements = ast.parse(face.read_text()).body
        assert isinstance(said, ast.Expr), f"{face} does not say what it is for"
        text = str(ast.literal_eval(said.value))
        assert not text.startswith("hyperopt"), f"{face} says whose names it has before what it is for"
        assert text.partition("\n")[0].endswith(("`", ".", ".`")), f"{face} opens with half a sentence"
        for statement in statements:
            is_names = isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "__all__"
            assert is_names or isinstance(statement, (ast.Import, ast.ImportFrom)), f"{face} holds code"


def test_fmin_stays_a_function_beside_the_module_of_that_name() -> None:
    from hstore.fmin import space_eval  # as hyperopt's users write it

    assert hstore.space_eval is space_eval
    assert callable(hstore.fmin)
    assert not isinstance(hstore.fmin, type(hstore))


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import hstore", ["numpy", "pymongo", "scipy", "click"]),
        (
            "from hstore import fmin, hp, tpe, rand, Trials, space_eval",
            ["scipy", "pymongo", "gridfs", "click", "tqdm", "psutil"],
        ),
        (
            "from hstore import algobase, anneal, atpe, early_stop, graph_viz, plotting, progress, tpe, utils",
            ["scipy", "pymongo", "matplotlib", "sklearn", "lightgbm", "hyperopt", "tqdm"],
        ),
        ("import hstore.cli.app", ["numpy", "pymongo", "scipy"]),
    ],
)
def test_imports_come_late(statement: str, unwanted: list[str]) -> None:
    code = f"import sys\n{statement}\nprint([m for m in {unwanted} if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
