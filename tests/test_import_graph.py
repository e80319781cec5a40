"""The import graph: no module imports itself through others, but for the one that hyperopt's interface has."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]

LISTED = {("engine.hyperopt.trials", "engine.fmin")}
"""Imports that may close a circle: fmin makes Trials when it is given none, and `Trials.fmin` is fmin."""


def modules(folder: str) -> dict[str, Path]:
    """Return the files below *folder* by the dotted name of their module, without `hstore.`."""
    found = {}
    for file in sorted((ROOT / folder).rglob("*.py")):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imported(file: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of *known* that *file* imports, late imports included, those for type checkers alone not."""
    tree = ast.parse(file.read_text())
    skipped = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for statement in block.body
        for node in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if id(node) in skipped or not isinstance(node, (ast.Import, ast.ImportFrom)):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            inner = name.removeprefix("hstore.")
            while inner and inner not in known:
                inner = inner.rpartition(".")[0]
            if inner:
                yield inner


def circles(arrows: dict[str, set[str]]) -> list[frozenset[str]]:
    """Return the sets of modules that reach each other, by Tarjan's algorithm (1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(arrows[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            members = set()
            while True:
                members.add(member := stack.pop())
                if member == node:
                    break
            if len(members) > 1:
                found.append(frozenset(members))

    for node in arrows:
        if node not in index:
            visit(node)
    return found


def test_no_module_imports_itself_through_others() -> None:
    known = {name: file for folder in ("store", "engine", "workers", "cli") for name, file in modules(folder).items()}
    packages = {name for name, file in known.items() if file.name == "__init__.py"}
    # A package stands for its front page; that its modules import each other through it is Python's own way.
    arrows = {
        name: {
            other for other in imported(file, known) if other not in {name, *packages} and (name, other) not in LISTED
        }
        for name, file in known.items()
        if name not in packages
    }
    assert [sorted(circle) for circle in circles(arrows)] == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [frozenset("abc")]
