"""The released version of hstore, from this repository's history: for workers of two versions on one store."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

from faults import ROOT

COMMIT = "9e85530a9b1fe94abb3d82dd1623f2866aa0be73"
"""The last one of version 0.1.0, which wrote the golden logs."""
MAKE_STORE = "import sys; from hstore.store.opening import open_store; open_store(sys.argv[1], patience=60.0).close()"


def why_not() -> str | None:
    """Return why there is no released version here; None if there is one."""
    found = subprocess.run(["git", "cat-file", "-e", COMMIT], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if found.returncode == 0 else f"this is no clone that has commit {COMMIT[:7]}, which is version 0.1.0"


def unpack(folder: Path) -> Path:
    """Unpack the released version into *folder*; return where it is. Raises `CalledProcessError` if there is none."""
    source = folder / "released"
    archive = subprocess.run(["git", "archive", COMMIT], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(source, filter="tar")
    return source


def make_store(source: Path, url: str) -> None:
    """Have the released version in *source* make the store at *url*, and this one migrate it."""
    from hstore import migrations
    from hstore.store.open_store import open_store

    environment = {**os.environ, "PYTHONPATH": str(source / "src")}
    subprocess.run([sys.executable, "-c", MAKE_STORE, url], env=environment, cwd=source, check=True)
    with open_store(url, patience=60.0, check_schema=False) as store:
        assert store.database is not None
        migrations.apply(store.database, by_version="faults")
