"""Finding the program mongod that the embedded server runs."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
from pathlib import Path

from hstore.store.errors import NoMongod

__all__ = ["describe_mongod", "find_mongod"]


def find_mongod() -> Path:
    """Return the mongod to run: `$HSTORE_MONGOD`, the one of the `embedded` extra, or one on `PATH`.

    The extra comes before `PATH` because its version is the tested one. Raises `NoMongod`.
    """
    if named := os.environ.get("HSTORE_MONGOD"):
        found = shutil.which(named)
        if found is None:
            raise NoMongod(
                f"HSTORE_MONGOD is {named!r}, which is not an executable program",
                hint="give the path of a mongod, or unset HSTORE_MONGOD",
                path=named,
            )
        return Path(found).resolve()
    for candidate in (_mongod_of_the_wheel(), shutil.which("mongod")):
        if candidate is not None:
            return Path(candidate).resolve()
    raise NoMongod(
        "no mongod was found on this machine",
        hint="pip install 'hstore[embedded]', or set HSTORE_MONGOD to a mongod, or HSTORE_URL to a MongoDB server",
    )


def _mongod_of_the_wheel() -> Path | None:
    # Only looked up, not imported: where the whole of `fiftyone` is installed, that takes seconds.
    spec = importlib.util.find_spec("fiftyone")
    for folder in (spec and spec.submodule_search_locations) or ():
        mongod = Path(folder, "db", "bin", "mongod")
        if mongod.is_file():
            if not os.access(mongod, os.X_OK):
                with contextlib.suppress(OSError):
                    mongod.chmod(mongod.stat().st_mode | 0o111)
            return mongod if os.access(mongod, os.X_OK) else None
    return None


def describe_mongod(pid: int | None) -> dict[str, str | None]:
    """Return `mongod` (its path) and `version` of process *pid*, or of the program that would be started if None."""
    import psutil  # see `ServerLocks.mongod_pid`

    try:
        mongod = psutil.Process(pid).exe() if pid else str(find_mongod())
        version = subprocess.run([mongod, "--version"], capture_output=True, text=True, check=True, timeout=10).stdout
    except (NoMongod, OSError, psutil.Error, subprocess.SubprocessError):
        return {"mongod": None, "version": None}
    return {"mongod": mongod, "version": version.split()[2].removeprefix("v")}
