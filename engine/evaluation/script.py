"""The script that an objective was defined in, where it is evaluated: the functions of its `__main__`, and its lines.

An objective of a script travels as a pickle, and the process that evaluates it runs another program. Whatever pickles a
function of the script by its name there (`multiprocessing` does) looks for it in `__main__`. So the evaluator makes a
module of the functions and classes that came with the pickle, and lets that be `__main__` while the objective runs. A
process that starts with nothing (start methods spawn and forkserver) makes the same module of the same pickles.
"""

from __future__ import annotations

import io
import pickle
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import CodeType, ModuleType
from typing import Any

from hstore.engine.evaluation.source_lines import SourceLines

MAKERS = ("_make_function", "_make_skeleton_class", "_make_skeleton_enum")
"""What cloudpickle calls to make a function or a class that came by value."""
SPAWNED = "hstore.engine.evaluation.spawned_main"


class Script:
    """What the pickles of one objective bring of the script that it was defined in.

    source: its lines, as `source_lines.lines_of` returns them; None if they are not known.
    """

    def __init__(self, source: bytes | None = None) -> None:
        self.source = source
        self.names: dict[str, Any] = {}
        """The names of its `__main__` that came along, with their values."""
        self._pickles: list[bytes] = []
        self._lines = SourceLines(source)

    def unpickle(self, content: bytes) -> Any:
        """Return what cloudpickle made *content* of; raises what the pickle raises."""
        reader = _ScriptUnpickler(content, self._lines)
        found = reader.load()
        made = [each for each in reader.made if getattr(each, "__module__", None) == "__main__"]
        for each in made:
            self.names |= _shared(getattr(each, "__globals__", {}))
        self.names |= {each.__qualname__: each for each in made if each.__qualname__.isidentifier()}
        self._pickles.append(content)
        self._lines.show()
        return found

    def as_module(self) -> ModuleType:
        """Return a module `__main__` with `names`, which spawned processes make for themselves."""
        module = ModuleType("__main__")
        if self.names:
            module.__spec__ = ModuleSpec(_Carried(SPAWNED).with_script(self._pickles, self.source), loader=None)
            module.__dict__.update(self.names)
        return module

    @contextmanager
    def as_main(self) -> Iterator[None]:
        """Let the script be `__main__` meanwhile, if anything of it came along.

        Of several threads that do so at once, the last to enter has its script there: a process has one `__main__`.
        """
        self._lines.show()  # two objectives may come from different states of one file
        if not self.names:
            yield
            return
        module = self.as_module()
        _put_on_top(module)
        try:
            yield
        finally:
            _take_away(module)


_lock = threading.Lock()
_mains: list[ModuleType] = []
"""The process's own `__main__`, and those that stand in its place, the latest last; empty if there are none."""


def _put_on_top(module: ModuleType) -> None:
    with _lock:
        if not _mains:
            _mains.append(sys.modules["__main__"])
        _mains.append(module)
        sys.modules["__main__"] = module


def _take_away(module: ModuleType) -> None:
    with _lock:
        _mains.remove(module)
        sys.modules["__main__"] = _mains[-1]
        if len(_mains) == 1:
            _mains.clear()


def _shared(names: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in names.items() if not name.startswith("__")}


class _ScriptUnpickler(pickle.Unpickler):
    """Gives code its file name back, and lists in `made` the functions and classes that came by value."""

    def __init__(self, content: bytes, lines: SourceLines) -> None:
        super().__init__(io.BytesIO(content))
        self.lines = lines
        self.made: list[Any] = []

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler.find_class`."""
        found = super().find_class(module, name)
        is_maker = module.partition(".")[0] == "cloudpickle" and name in MAKERS
        return self._recorded(found) if is_maker else found

    def _recorded(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def make_and_record(first: Any, *others: Any) -> Any:
            made = make(self.lines.named(first) if isinstance(first, CodeType) else first, *others)
            self.made.append(made)
            return made

        return make_and_record


class _Carried(str):
    """The name of the module that a spawned process runs as its `__main__`: pickled, it brings the script along.

    `multiprocessing` and loky send this name, and nothing else of `__main__`, to the processes that they spawn.
    """

    script: tuple[list[bytes], bytes | None]

    def with_script(self, pickles: list[bytes], source: bytes | None) -> _Carried:
        """Return this name, to bring *pickles* and *source* along."""
        self.script = pickles, source
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return carry, (str(self), *self.script)


_carried: tuple[list[bytes], bytes | None] = [], None


def carry(name: str, pickles: list[bytes], source: bytes | None) -> str:
    """Keep what a spawned process was sent until it can be unpickled, when `sys.path` is as it was; return *name*."""
    global _carried
    _carried = pickles, source
    return name


def carried() -> dict[str, Any]:
    """Return the names of `__main__` in the process that has spawned this one."""
    pickles, source = _carried
    script = Script(source)
    for content in pickles:
        script.unpickle(content)
    return script.names
