"""The installed distributions are those that Python itself finds."""

from importlib.metadata import distributions
from pathlib import Path

import pytest

from hstore.engine.provenance import packages


def test_what_is_installed_is_what_python_finds() -> None:
    found = packages.installed()
    for each in distributions():
        name = str(each.metadata["Name"]).replace("_", "-").replace(".", "-").lower()
        assert name in found
    assert found["numpy"] == __import__("numpy").__version__
    assert packages.as_bytes(found) == packages.as_bytes(dict(reversed(found.items())))


def test_checkouts_old_installs_and_the_first_of_several_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one" / "Some_Lab.egg-info").mkdir()
    (tmp_path / "one" / "Some_Lab.egg-info" / "PKG-INFO").write_text("Name: Some_Lab\nVersion: 0.3\n")
    (tmp_path / "one" / "old-1.2-py3.11.egg-info").write_text("")
    (tmp_path / "one" / "twice-1.dist-info").mkdir()
    (tmp_path / "two" / "twice-2.dist-info").mkdir()
    (tmp_path / "two" / "nothing.egg-info").mkdir()
    monkeypatch.setattr("sys.path", [str(tmp_path / "one"), str(tmp_path / "gone"), str(tmp_path / "two")])
    assert packages.installed() == {"nothing": "unknown", "old": "1.2", "some-lab": "0.3", "twice": "1"}
