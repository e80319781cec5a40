"""A worker that has other code under the name of the objective says so: its losses may mean something else."""

import importlib
import sys
from pathlib import Path

import pytest
from tests.waiting import GENEROUS
from tests.workers.serving import begin, worker

from hstore.store.store import Store


@pytest.mark.parametrize("code", ["return p['x']", "return -100 * p['x']"])
def test_other_code_than_that_of_the_search_is_told_once(
    mongo_url: str, mongo_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    module = tmp_path / "elsewhere_objective.py"
    module.write_text("def f(p):\n    return p['x']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    try:
        begin(mongo_store, "other", importlib.import_module("elsewhere_objective").f, 2)
        module.write_text(f"def f(p):\n    {code}\n")
        with worker(mongo_url, "other", "--burst") as process:
            _, said = process.communicate(timeout=GENEROUS)
    finally:
        sys.modules.pop("elsewhere_objective", None)
    assert said.count("the code of f is not the same here") == ("100" in code), said
    assert mongo_store.experiment("other").state.counts["done"] == 2
