"""The installed distributions: name and version of all that can be imported here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

SUFFIXES = (".dist-info", ".egg-info")


def installed() -> dict[str, str]:
    """Return the version of each distribution on `sys.path` by its name, as pip would use it; sorted.

    Names and versions are those of the folders `NAME-VERSION.dist-info`: hundreds of files need not be read. Where
    several are installed the first on the path counts, as for imports.
    """
    found: dict[str, str] = {}
    for folder in sys.path:
        for name, version in sorted(_in_folder(folder)):
            found.setdefault(name, version)
    return dict(sorted(found.items()))


def as_bytes(packages: dict[str, str]) -> bytes:
    """Return *packages* as they are attached: JSON, the same bytes for the same packages."""
    return json.dumps(packages, indent=0, sort_keys=True).encode()


def _in_folder(folder: str) -> Iterator[tuple[str, str]]:
    if os.path.isfile(folder):  # a zip: of a frozen program, say
        yield from _in_archive(folder)
        return
    try:
        entries = os.scandir(folder or ".")
    except OSError:
        return
    with entries:
        for entry in entries:
            stem, suffix = os.path.splitext(entry.name)
            if suffix in SUFFIXES:
                name, _, version = stem.partition("-")
                # A checkout's NAME.egg-info, and what old tools made: NAME-VERSION-py3.11.egg-info.
                version = version.partition("-py")[0] or _version_in(Path(entry.path))
                yield _normal(name), version


def _in_archive(file: str) -> Iterator[tuple[str, str]]:
    from importlib.metadata import distributions

    for each in distributions(path=[file]):
        yield _normal(str(each.metadata["Name"])), str(each.version)


def _version_in(folder: Path) -> str:
    """Return the version that the metadata in *folder* names; "unknown" without one."""
    file = folder / "PKG-INFO" if folder.is_dir() else folder
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line.startswith("Version:"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return "unknown"


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()
