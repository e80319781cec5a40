"""What a worker and its evaluators import before they evaluate anything: nothing that takes long and is not used."""

import subprocess
import sys

import pytest
from tests.workers.objectives import HEAVY, heavy_modules
from tests.workers.serving import begin, ran

from hstore.store.store import Store


@pytest.mark.parametrize("module", ["hstore.workers.evaluator", "hstore.workers.worker", "hstore.cli.app"])
def test_it_starts_without_what_only_a_search_needs(module: str) -> None:
    program = f"import {module}, sys; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_an_evaluator_has_imported_nothing_of_it_when_it_calls_an_objective(mongo_store: Store, mongo_url: str) -> None:
    experiment = begin(mongo_store, "e", heavy_modules, 1)
    ran(mongo_url, "--burst")
    experiment.refresh()
    (trial,) = experiment.trials
    assert trial.result is not None
    assert trial.result["loaded"] == []
