"""`hstore export --to optuna` and `hstore import --from-optuna`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

import optuna
from tests.cli.commands import run

from hstore import fmin, hp
from hstore.store.store import Store


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_search_goes_to_a_database_of_optunas_and_comes_back_under_another_name(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    optuna.logging.disable_default_handler()
    fmin(abs, hp.uniform("x", 0, 1), "rand", 3, rstate=0, verbose=False, experiment="lines", store=mongo_store)
    url = str(tmp_path / "journal.log")
    done = run(mongo_url, "export", "lines", "--to", "optuna", url, "--name", "sent")
    assert (done.exit_code, done.stderr) == (0, "added 3 trials to study sent, now of 3\n")
    back = run(mongo_url, "import", "--from-optuna", url, "--name", "back")
    assert back.stdout.split() == ["experiment", "study", "trials", "new", "back", "sent", "3", "3"]
    [again] = json.loads(run(mongo_url, "import", "--from-optuna", url, "--name", "back", "--json").stdout)
    assert (again["trials"], again["new"]) == (3, 0)
    for command in ("ls", "show back", "show back 1", "status back", "verify back", "check back", "replay back",
                    "log back", "rebuild back", "check back"):  # fmt: skip
        shown = run(mongo_url, *command.split())
        assert (command, shown.exit_code) == (command, 0), shown.stderr
    values = [trial.loss for trial in mongo_store.experiment("back").trials]
    assert values == [trial.loss for trial in mongo_store.experiment("lines").trials]


def test_one_source_is_named(mongo_url: str) -> None:
    refused = run(mongo_url, "import", "--from-optuna", "a.db", "--from-hyperopt", "b.pkl")
    assert refused.exit_code == 2
    assert "name one source" in refused.stderr
