"""`--at`: commands show an experiment as it was."""

import json

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.store import Store


@pytest.fixture
def digits(mongo_url: str, mongo_store: Store) -> str:
    """The URL of a store with an experiment `digits` of four trials, with the losses 3, 2, 1, 0."""
    losses = iter((3, 2, 1, 0))
    fmin(lambda _: float(next(losses)), {"x": hp.uniform("x", 0, 1)}, rand.suggest, 4, rstate=0, verbose=False,
         experiment="digits", store=mongo_store)  # fmt: skip
    return mongo_url


def test_show_best_status_and_log_are_as_a_decision_knew_the_search(digits: str) -> None:
    shown = run(digits, "show", "digits", "--at", "2").stdout
    assert "trials     2 done" in shown
    assert "best       trial 1, loss 2" in shown
    assert run(digits, "best", "digits").stdout.startswith("trial 3, loss 0\n  x = 0.")
    assert json.loads(run(digits, "best", "digits", "--at", "2", "--json").stdout)["tid"] == 1
    status = json.loads(run(digits, "status", "digits", "--at", "2", "--json").stdout)
    assert (status["counts"], status["status"]) == ({"done": 2}, "open")
    logged = run(digits, "log", "digits", "--at", "2").stdout
    assert (logged.count("queued"), logged.count("done")) == (2, 2)


def test_ls_is_as_of_a_time(digits: str) -> None:
    assert "digits" in run(digits, "ls", "--at", "0s-ago").stdout
    assert run(digits, "ls", "--at", "2h-ago").stdout == ""
    assert run(digits, "show", "digits", "--at", "2h-ago").exit_code == 3


def test_moments_that_make_no_sense_are_usage_errors(digits: str) -> None:
    for args in (["show", "digits", "--at", "noon"], ["ls", "--at", "2"], ["status", "--at", "2"],
                 ["log", "digits", "--follow", "--at", "2"]):  # fmt: skip
        assert run(digits, *args).exit_code == 2
