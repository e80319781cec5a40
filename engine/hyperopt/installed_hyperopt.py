"""The hyperopt that is installed, for a moment, where hstore goes by its name."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

NAME = "hyperopt"
STANDS_IN = str(Path(__file__).resolve().parent / "as_hyperopt")
"""The folder on `sys.path` whose `hyperopt` gives way to hstore; see `import_hook`."""

_one_at_a_time = threading.RLock()
_installed: dict[str, ModuleType] = {}
"""Its modules, once they were imported: they are imported once, like others."""


@contextmanager
def installed_hyperopt() -> Iterator[None]:
    """Have `import hyperopt` yield the one that is installed, if there is one, until the block ends.

    For one thread at a time; other threads that import hyperopt meanwhile get the same. Without `import_hook` it is so
    anyway, and nothing changes.
    """
    if not any(getattr(finder, "finds_hstore", False) for finder in sys.meta_path):
        yield
        return
    with _one_at_a_time:
        finders, path, ours = list(sys.meta_path), list(sys.path), _taken_out()
        sys.meta_path[:] = [finder for finder in finders if not getattr(finder, "finds_hstore", False)]
        sys.path[:] = [place for place in path if place != STANDS_IN]
        sys.modules.update(_installed)
        try:
            yield
        finally:
            _installed.update(_taken_out())
            sys.modules.update(ours)
            sys.meta_path[:], sys.path[:] = finders, path


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]
    return {name: sys.modules.pop(name) for name in names}
