"""`import hyperopt` that yields hstore: in this process, and in the Python processes that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from importlib.metadata import Distribution, DistributionFinder
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import hstore
from hstore.engine.hyperopt.documents import shape
from hstore.engine.hyperopt.exposed_names import exposed_by, lookup
from hstore.engine.space.expressions import ApplyType
from hstore.store.errors import HstoreError

NAME = "hyperopt"
VERSION = "0.3.0"
"""Of the hyperopt whose names and behaviour hstore has; what programs that look at versions see."""
FOR_CHILDREN = Path(__file__).resolve().parent / "as_hyperopt"
"""On PYTHONPATH: holds a `hyperopt` that calls `install` and gives way to hstore."""


def _exposing(value: Any) -> Any:
    """Return *value*; if it is a module, with the names that hyperopt's module of that name exposes."""
    if isinstance(value, ModuleType) and value.__name__.startswith(f"{hstore.__name__}."):
        vars(value).setdefault("__getattr__", lookup(value.__name__.removeprefix(f"{hstore.__name__}.")))
        for inner in ("base", "stochastic") if value.__name__ == "hstore.pyll" else ():
            _exposing(getattr(value, inner))
    return value


_exposed, _EXPOSED = lookup(""), frozenset(exposed_by(""))


class _Hyperopt(ModuleType):
    """`hyperopt` itself: hstore, but for the version; pickled it is hstore, wherever it is loaded."""

    _of_its_own = frozenset({"__version__", "__all__", "__spec__", "__loader__", "__package__"})

    def __init__(self) -> None:
        super().__init__(hstore.__name__, hstore.__doc__)
        self.__version__ = VERSION
        self.__all__ = [name for name in hstore.__all__ if name != "open"]  # a star is not to hide Python's own

    def __getattr__(self, name: str) -> Any:
        return _exposed(name) if name in _EXPOSED else _exposing(getattr(hstore, name))

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._of_its_own:
            super().__setattr__(name, value)
        else:
            setattr(hstore, name, value)

    def __dir__(self) -> list[str]:
        return dir(hstore)

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (hstore.__name__,)

    def __repr__(self) -> str:
        return f"<module {NAME!r} from {hstore.__file__!r}>"


class _Loader(Loader):
    """Hands out a module of hstore's as it is, under another name."""

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        if spec.name == NAME:
            return _Hyperopt()
        module: ModuleType = _exposing(import_module(_ours(spec.name)))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own `__spec__` back, which the machinery of imports has replaced."""
        assert module.__spec__ is not None
        if module.__spec__.name != NAME:
            module.__spec__ = module.__spec__.loader_state


class _Distribution(Distribution):
    """What `importlib.metadata` says of the hyperopt that is not there."""

    def read_text(self, filename: str) -> str | None:
        return f"Metadata-Version: 2.1\nName: {NAME}\nVersion: {VERSION}\n" if filename == "METADATA" else None

    def locate_file(self, path: Any) -> Any:
        return FOR_CHILDREN / path


class _Finder(DistributionFinder):
    """Finds hyperopt's modules in hstore, before anything else finds them elsewhere."""

    finds_hstore = True

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != NAME and not fullname.startswith(f"{NAME}."):
            return None
        if fullname != NAME and find_spec(_ours(fullname)) is None:
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: {NAME} is hstore here, which has none of that name", name=fullname
            )
        return ModuleSpec(fullname, _Loader(), is_package=fullname == NAME)

    def find_distributions(self, context: DistributionFinder.Context = DistributionFinder.Context()) -> Any:  # noqa: B008
        return iter([_Distribution()] if context.name == NAME else [])


def _ours(name: str) -> str:
    return hstore.__name__ + name.removeprefix(NAME)


def install() -> None:
    """Have `import hyperopt`, and that of its submodules, yield hstore from now on, installed or not.

    So in this process and in the Python processes that it starts. `hyperopt.base` is then `hstore.base` itself, so
    what is pickled loads wherever hstore is. `hyperopt.__version__` is "0.3.0". Done again, nothing changes.
    Raises `HstoreError` if another hyperopt was imported before.
    """
    if any(isinstance(finder, _Finder) for finder in sys.meta_path):
        return
    if (there := sys.modules.get(NAME)) is not None:
        raise HstoreError(
            f"hyperopt was imported before, from {getattr(there, '__file__', 'nowhere')}",
            hint="call hstore.compat.install() before anything imports it, or run `python -m hstore.compat SCRIPT`",
        )
    sys.meta_path.insert(0, _Finder())
    ApplyType.shown_in = f"{NAME}.pyll.base"  # some programs look for "hyperopt" in the text of a type
    shape.has_params = False
    folder = str(FOR_CHILDREN)
    sys.path.insert(1, folder)  # which workers are handed; what lies beside the script stays first
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != folder]
    os.environ["PYTHONPATH"] = os.pathsep.join([folder, *paths])
