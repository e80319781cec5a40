"""Packages with plug-ins, installed for a test."""

from pathlib import Path

import pytest


def offer(
    monkeypatch: pytest.MonkeyPatch, folder: Path, group: str, name: str, code: str, *, attribute: str = ""
) -> None:
    """Install in *folder* a package whose module holds *code*, and offers it or *attribute* of it in *group*."""
    module = f"plug_in_{name}"
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}{attribute}\n")
    monkeypatch.syspath_prepend(folder)
