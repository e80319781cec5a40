"""`hstore show` marks the trials that cannot be the best, and `ls` and `status` find the best without a driver."""

import json
import math
from typing import Any

import pytest
from pymongo.database import Database
from tests.cli.commands import run

from hstore import Pruned, fmin, hp, rand
from hstore.store.events import Noted, Queued
from hstore.store.store import Store

ENDS: list[dict[str, Any] | type[Exception]] = [
    {"loss": 1.0, "constraints": [math.nan]},
    Pruned,
    {"loss": 2.0, "constraints": [1.0]},
    {"loss": math.nan},
    {"loss": 3.0, "status": "fail"},
    ValueError,
    {"loss": 4.0},
    {"loss": 5.0, "constraints": [-1.0]},
]


@pytest.fixture
def marked(mongo_url: str, mongo_store: Store) -> str:
    """The URL of a store with an experiment `marked` whose trials ended as in ENDS; 2 and 4 were voided."""
    remaining = iter(ENDS)

    def objective(config: dict[str, float]) -> Any:
        end = next(remaining)
        if isinstance(end, type):
            raise end
        return {"status": "ok", **end}

    fmin(objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, len(ENDS), rstate=0, verbose=False,
         catch_eval_exceptions=True, experiment="marked", store=mongo_store)  # fmt: skip
    experiment = mongo_store.experiment("marked")
    experiment.append_decided(lambda: [(Noted, tid, {"void": True}) for tid in (2, 4)])
    experiment.append_decided(lambda: [(Queued, 8, {"point": {"x": 0.5}, "params": {"x": 0.5}})])
    experiment.repair()
    return mongo_url


def test_show_marks_the_trials_that_cannot_be_the_best_and_says_what_the_marks_mean(marked: str) -> None:
    lines = run(marked, "show", "marked").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("trial  state"))
    marks = lines[start].index("not ranked"), lines[start].index("seconds")
    table = lines[start + 1 : start + 10]
    assert [line[slice(*marks)].strip() for line in table] == [
        "infeasible", "pruned", "void, infeasible", "nan", "void", "", "", "", "",
    ]  # fmt: skip
    (legend,) = lines[start + 10 :]
    assert "infeasible (violates a constraint)" in legend
    assert all(f"{mark} (" in legend for mark in ("void", "pruned", "nan"))


def test_show_says_in_json_which_trials_are_ranked_and_why_the_others_are_not(marked: str) -> None:
    answer = json.loads(run(marked, "show", "marked", "--json").stdout)
    assert [trial["tid"] for trial in answer["trials"] if trial["is_ranked"]] == [6, 7]
    assert [trial.get("not_ranked") for trial in answer["trials"]] == [
        ["infeasible"], ["pruned"], ["void", "infeasible"], ["nan"], ["void", "status fail"], ["no loss"],
        None, None, None,
    ]  # fmt: skip
    one = json.loads(run(marked, "show", "marked", "2", "--json").stdout)
    assert (one["is_ranked"], one["not_ranked"], one["void"]) == (False, ["void", "infeasible"], True)
    assert answer["best"]["tid"] == 6


def test_a_table_without_such_trials_has_no_legend(mongo_url: str) -> None:
    fmin(lambda point: point["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 2, verbose=False, experiment="plain",
         store=mongo_url)  # fmt: skip
    assert "cannot be the best" not in run(mongo_url, "show", "plain").stdout


@pytest.mark.parametrize("stale", [{"$unset": {"best": 1}}, {"$set": {"best": {"tid": 0, "loss": 1.0}}}])
def test_ls_and_status_know_the_best_though_no_driver_has_recorded_it(
    stale: dict[str, Any], marked: str, database: Database[Any]
) -> None:
    database["experiments"].update_one({"_id": "marked"}, stale)
    (listed,) = json.loads(run(marked, "ls", "--json").stdout)
    (seen,) = json.loads(run(marked, "status", "--json").stdout)["experiments"]
    assert listed["best"] == seen["best"]
    assert (seen["best"]["tid"], seen["best"]["loss"], list(seen["best"]["params"])) == (6, 4.0, ["x"])
    for command in ("ls", "status"):
        (line,) = (line for line in run(marked, command).stdout.splitlines() if line.startswith("marked"))
        assert " 4 " in f"{line} "
