"""Project files: digests of the code that an objective uses beside its own, as far as the user's project has it.

They tell whether the objective was edited in a module that it imports. Installed packages are not looked at: their
versions are what changes there.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, TypeAlias

MOST_FILES, MOST_BYTES = 100, 2**19
"""What is looked at at the start of a call, in the order of imports: so many files, and so many bytes in all. That
takes a second at most, and nothing in later calls of one process as long as the files stay the same."""
SCRIPT = "__main__"
"""Stands for the functions and the constants in capitals, of the script or notebook, that the objective uses."""


@dataclass(frozen=True)
class ProjectFiles:
    """The code of the user's project that an objective uses."""

    digests: list[list[str]] = field(default_factory=list)
    """[path, digest] of each file, by path. Comments and blank lines do not count. Of a script only what the objective
    uses counts, since a script also says how long to search."""
    places: dict[str, Path] = field(default_factory=dict)
    """Where each of the files is, by its path. The script is among them, if there is a file of it."""
    pieces: tuple[str, ...] = ()
    """The source of what the objective uses of a script that has no file: of a notebook."""


def project_files(fn: Callable[..., Any]) -> ProjectFiles:
    """Return the files of the user's project that *fn* uses; none if none is known.

    Those are the file of its module, and what that imports from the same top folder. The paths are relative to that.
    """
    try:
        return _UsedCode().of(fn)
    except Exception:  # noqa: BLE001 - whatever the user's objects raise when they are looked at
        return ProjectFiles()


def script_files() -> ProjectFiles:
    """Return the script that runs, and what it imports from its folder; none if it is not the user's."""
    try:
        return _UsedCode().of_script()
    except Exception:  # noqa: BLE001 - as above
        return ProjectFiles()


class _UsedCode:
    def __init__(self) -> None:
        self._digests: dict[str, str] = {}
        self._script: dict[str, str] = {}
        self._of_script: list[FunctionType | type] = []
        self._files: list[tuple[Path, Path]] = []
        self._places: dict[str, Path] = {}
        self._bytes = 0

    def of(self, fn: Callable[..., Any]) -> ProjectFiles:
        for found in _functions(fn):
            self._take(found)
        self._follow()
        pieces: list[str] = []
        if self._script:
            self._digests[SCRIPT] = _digest(repr(sorted(self._script.items())))
            if (file := script_file()) is not None:
                self._places[SCRIPT] = file
            else:
                pieces += filter(None, map(_source, self._of_script))
        return self._found(pieces)

    def of_script(self) -> ProjectFiles:
        top, file = _script_folder(), script_file()
        if top is not None and file is not None and file.is_relative_to(top):
            self._files.append((top, file))
            self._follow()
        return self._found([])

    def _found(self, pieces: list[str]) -> ProjectFiles:
        digests = [[path, digest] for path, digest in sorted(self._digests.items())]
        return ProjectFiles(digests, self._places, tuple(pieces))

    def _follow(self) -> None:
        """Read the files that were found, and those that they import."""
        seen: set[Path] = set()
        while self._files and len(seen) < MOST_FILES:
            top, path = self._files.pop(0)
            if path not in seen:
                seen.add(path)
                self._read(top, path)

    def _take(self, found: FunctionType | type) -> None:
        """Take in a function or a class: the file of its module, or what it uses of the script."""
        name = found.__module__
        if name == SCRIPT:
            self._take_of_script(found)
        elif (place := _place(name)) is not None:
            self._files.append(place)

    def _take_of_script(self, found: FunctionType | type) -> None:
        if found.__qualname__ in self._script:
            return
        functions = [found] if isinstance(found, FunctionType) else list(_methods(found))
        self._of_script.append(found)
        self._script[found.__qualname__] = repr([code_text(each.__code__) for each in functions])
        if isinstance(found, type):
            for base in found.__bases__:
                self._take(base)
        for each in functions:
            names = set(_names(each.__code__))
            for name in names:
                self._take_named(name, each.__globals__, names)

    def _take_named(self, name: str, variables: dict[str, Any], names: set[str]) -> None:
        """Take in what *name* means in a function of the script that uses *names*."""
        if name not in variables:  # perhaps a module that the function imports
            self._take_modules(name, names)
            return
        value = variables[name]
        if isinstance(value, ModuleType):
            self._take_modules(value.__name__, names)
        elif isinstance(value, (FunctionType, type)):
            self._take(value)
        elif name.isupper() and _is_plain(value):
            self._script[name] = repr(value)

    def _take_modules(self, module: str, names: set[str]) -> None:
        top = _script_folder()
        if top is not None:
            for name in (module, *(f"{module}.{each}" for each in names)):
                self._files += _resolved(top, name)

    def _read(self, top: Path, path: Path) -> None:
        stat, relative = path.stat(), path.relative_to(top)
        if self._bytes + stat.st_size > MOST_BYTES:
            return
        self._bytes += stat.st_size
        self._places[relative.as_posix()] = path
        self._digests[relative.as_posix()], imports = _read(path, stat.st_mtime_ns, stat.st_size)
        for level, module, names in imports:
            for name in _absolute(relative.parent.parts, level, module, names):
                self._files += _resolved(top, name)


def code_text(code: CodeType) -> str:
    """Return what *code* does as text: the same for the same source, wherever its lines stand, under one Python."""

    def text(constant: object) -> str:
        if isinstance(constant, CodeType):
            return code_text(constant)
        # The order of a set of strings differs from process to process.
        return str(sorted(map(repr, constant))) if isinstance(constant, frozenset) else repr(constant)

    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {[text(c) for c in code.co_consts]}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _functions(fn: Any) -> Iterator[FunctionType | type]:
    """Yield the functions and classes that *fn* is made of: through partials, methods, decorators and closures."""
    left, seen = [fn], set()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, functools.partial):
            left += [each.func, *filter(callable, [*each.args, *each.keywords.values()])]
        elif isinstance(each, MethodType):
            left += [each.__func__, type(each.__self__)]
        elif isinstance(each, FunctionType):
            cells = [cell.cell_contents for cell in each.__closure__ or () if _is_filled(cell)]
            left += [*filter(callable, cells), *filter(None, [getattr(each, "__wrapped__", None)])]
            yield each
        elif isinstance(each, type):
            yield each
        elif callable(each):
            left += [type(each), *filter(callable, [getattr(each, "func", None)])]


def _is_filled(cell: Any) -> bool:
    try:
        cell.cell_contents  # noqa: B018 - to see whether it raises
    except ValueError:
        return False
    return True


def _methods(cls: type) -> Iterator[FunctionType]:
    for value in vars(cls).values():
        function = getattr(value, "__func__", None) or getattr(value, "fget", None) or value
        if isinstance(function, FunctionType):
            yield function


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _is_plain(value: Any) -> bool:
    """Return whether *value* is the same text in every process."""
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, [*value, *value.values()]))
    return value is None or isinstance(value, (bool, int, float, str, bytes))


def _place(module: str) -> tuple[Path, Path] | None:
    """Return the top folder of the project that *module* belongs to, and its file; None if it is installed."""
    file = getattr(sys.modules.get(module), "__file__", None)
    if file is None or module.partition(".")[0] == "hstore":
        return None
    path = Path(file).resolve()
    up = module.count(".") + (path.stem == "__init__")
    top = path.parents[up]
    return (top, path) if path.suffix == ".py" and not _is_installed(top) else None


def script_file() -> Path | None:
    """Return the file of the script that runs; None in a notebook, without a file, and for an installed program."""
    file = getattr(sys.modules[SCRIPT], "__file__", None)
    path = None if file is None else Path(file).resolve()
    is_users = path is not None and path.suffix == ".py" and path.is_file() and not _is_installed(path)
    return path if is_users else None


def _source(found: FunctionType | type) -> str | None:
    try:
        return inspect.getsource(found)
    except (OSError, TypeError):  # of a REPL, or read from stdin
        return None


def _script_folder() -> Path | None:
    """Return the top folder of the script's project; in a notebook the folder where that runs."""
    script = sys.modules[SCRIPT]
    file = getattr(script, "__file__", None)
    spec = getattr(script, "__spec__", None)
    top = Path.cwd() if file is None else Path(file).resolve().parents[spec.name.count(".") if spec else 0]
    return None if _is_installed(top) else top


def _is_installed(top: Path) -> bool:
    library = Path(sysconfig.get_paths()["stdlib"]).resolve()
    return bool({"site-packages", "dist-packages"} & set(top.parts)) or top.is_relative_to(library)


def _resolved(top: Path, module: str) -> list[tuple[Path, Path]]:
    """Return the file of *module* below *top*, and those of the packages that it is in, as far as they exist."""
    parts = module.split(".")
    if not all(part.isidentifier() for part in parts):
        return []
    files = [top.joinpath(*parts[:n], "__init__.py") for n in range(1, len(parts) + 1)]
    files.append(top.joinpath(*parts).with_suffix(".py"))
    return [(top, file) for file in files if file.is_file()]


Import: TypeAlias = tuple[int, str, tuple[str, ...]]
"""Level (how many dots), module, and what is imported from it, of an `import` or a `from … import`."""


@functools.lru_cache(maxsize=4 * MOST_FILES)
def _read(path: Path, mtime_ns: int, size: int) -> tuple[str, list[Import]]:
    """Return the digest of the code in a file, and its imports, wherever in it they stand."""
    content = path.read_bytes()
    try:
        tree = ast.parse(content)
        text = code_text(compile(tree, "project file", "exec", dont_inherit=True))
    except (SyntaxError, ValueError, RecursionError):
        return _digest(content.hex()), []
    imports: list[Import] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [(0, alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imports.append((node.level, node.module or "", tuple(alias.name for alias in node.names)))
    return _digest(text), imports


def _absolute(package: tuple[str, ...], level: int, module: str, names: tuple[str, ...]) -> Iterator[str]:
    """Yield the modules that an import in *package* may mean; a name that it imports from one may be another."""
    base = package[: len(package) - level + 1] if level else ()
    parts = [*base, *filter(None, [module])]
    if parts:
        yield ".".join(parts)
    yield from (".".join([*parts, name]) for name in names)
