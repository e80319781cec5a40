"""`hstore check` says whether a search is sound, to people, to programs and by its exit code."""

import json
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from tests.cli.commands import run

from hstore import fmin, hp, rand


@pytest.fixture
def demo(mongo_url: str) -> str:
    """The URL of a store that holds experiment `demo`."""
    fmin(
        lambda config: config["x"] ** 2, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=3,
        rstate=np.random.default_rng(0), verbose=False, experiment="demo", store=mongo_url,
    )  # fmt: skip
    return mongo_url


def test_a_sound_search_is_called_so(demo: str) -> None:
    result = run(demo, "check", "demo", "--max-evals", "3")
    assert (result.exit_code, result.stdout) == (0, "demo: OK\n")
    assert json.loads(run(demo, "check", "demo", "--json").stdout) == {
        "name": "demo",
        "exp": "demo",
        "is_sound": True,
        "findings": [],
    }


def test_what_is_wrong_is_told_and_ends_with_6(demo: str, database: Database[Any]) -> None:
    database["trials"].update_one({"tid": 1}, {"$set": {"state": "failed"}})
    result = run(demo, "check", "demo")
    assert result.exit_code == 6
    assert result.stdout == "demo: FAILED, 1 finding\nmodel: the read model of trial 1 has another state\n"
    (finding,) = json.loads(run(demo, "check", "demo", "--json").stdout)["findings"]
    assert (finding["kind"], finding["tid"]) == ("model", 1)


def test_an_experiment_that_is_not_there_ends_with_3(demo: str) -> None:
    assert run(demo, "check", "damo").exit_code == 3
