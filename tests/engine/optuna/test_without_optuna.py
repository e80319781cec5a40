"""hstore works without Optuna, and says what to install where that is asked for."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from hstore.engine import algorithms, pruners
from hstore.store.errors import InvalidValue


@pytest.fixture
def _not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith(("hstore.engine.optuna", "hstore.optuna"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "optuna", None)


@pytest.mark.usefixtures("_not_installed")
def test_a_rule_of_optunas_names_the_extra_to_install() -> None:
    with pytest.raises(InvalidValue, match="'optuna:TPESampler' needs optuna, which is not installed") as refused:
        algorithms.named("optuna:TPESampler")
    assert refused.value.hint == "pip install 'hstore[optuna]'"
    assert "not part of this hstore" in str(
        algorithms.why_unknown({"name": "optuna:TPESampler", "version": 50000, "settings": {}})
    )
    with pytest.raises(InvalidValue, match="needs optuna"):
        pruners.resolve("optuna:MedianPruner")


@pytest.mark.usefixtures("_not_installed")
def test_so_does_the_import_of_its_module() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'hstore\[optuna\]'"):
        importlib.import_module("hstore.optuna")


def test_a_search_imports_nothing_of_optuna() -> None:
    program = "import sys, hstore; hstore.fmin; hstore.search; sys.exit('optuna' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
