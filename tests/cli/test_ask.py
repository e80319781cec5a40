"""`hstore ask`, `report`, `tell` and `fail`: a search from any language."""

import json
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.store import Store

SPACE = '{"lr": "log(1e-5, 1)", "opt": "adam|sgd", "m": "float(0, 1) if opt=sgd"}'


def asked(url: str, *args: str) -> dict[str, Any]:
    done = run(url, "ask", "train", *args, "--json")
    assert done.exit_code == 0, done.output
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def test_trials_are_asked_for_reported_and_told_by_their_tokens(mongo_url: str, mongo_store: Store) -> None:
    first = asked(mongo_url, "--space", SPACE, "--algo", "rand", "-n", "3", "--seed", "1")
    assert run(mongo_url, "report", "train", first["token"], "1", "-2.5e-1").exit_code == 0
    assert "trial 0 of train is recorded" in run(mongo_url, "tell", "train", first["token"], "-0.25").stderr
    second = asked(mongo_url)
    done = run(mongo_url, "fail", "train", second["token"], "MemoryError: 24 GB were not enough", "--json")
    assert json.loads(done.stdout) == {"tid": 1, "counts": True}
    third = asked(mongo_url)
    run(mongo_url, "tell", "train", third["token"], "0.5", "--result", '{"epochs": 7}')
    none = run(mongo_url, "ask", "train")
    assert (none.exit_code, none.stderr) == (4, "no trial: the search is over (max_evals)\n")
    trials = mongo_store.experiment("train").trials
    assert [trial.loss for trial in trials] == [-0.25, None, 0.5]
    assert trials[0].reports[0].value == -0.25
    assert "No such option" in run(mongo_url, "tell", "train", third["token"], "0.5", "--jason").stderr
    assert trials[1].error == "MemoryError: 24 GB were not enough"
    assert dict(trials[2].result or {})["epochs"] == 7


def test_a_trial_that_is_told_twice_counts_once(mongo_url: str, mongo_store: Store) -> None:
    token = asked(mongo_url, "--space", SPACE)["token"]
    for loss, said in (("1", "is recorded"), ("2", "came late")):
        assert said in run(mongo_url, "tell", "train", token, loss).stderr
    assert mongo_store.experiment("train").trials[0].loss == 1.0


def test_a_search_of_fmin_can_be_asked_and_is_not_changed_by_that(mongo_url: str, mongo_store: Store) -> None:
    fmin(lambda config: config["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 1, experiment="train",
         store=mongo_store, rstate=0, verbose=False)  # fmt: skip
    assert run(mongo_url, "ask", "train").exit_code == 4
    run(mongo_url, "enqueue", "train", '{"x": 0.5}')
    said = asked(mongo_url)
    assert said["params"] == {"x": 0.5}
    run(mongo_url, "tell", "train", said["token"], "0")
    state = mongo_store.experiment("train").state
    assert (state.objective["name"], state.status) == (state.created and state.created.objective["name"], "finished")


def test_a_trial_of_a_search_for_two_losses_takes_two(mongo_url: str, mongo_store: Store) -> None:
    token = asked(mongo_url, "--space", SPACE, "--objectives", "2", "--algo", "rand")["token"]
    assert "no list of losses; this search takes 2" in run(mongo_url, "tell", "train", token, "0.5").stderr
    assert run(mongo_url, "tell", "train", token, "[0.5, 12]").exit_code == 0
    assert [trial.losses for trial in mongo_store.experiment("train").pareto] == [[0.5, 12.0]]


@pytest.mark.parametrize(
    ("args", "said", "code"),
    [
        (["ask", "train"], "there is no experiment 'train'", 3),
        (["ask", "train", "--algo", "tpe"], "add --space", 2),
        (["ask", "train", "--objectives", "2"], "add --space", 2),
        (["ask", "train.hstore", "--space", SPACE], "'train.hstore' is a name for a file", 2),
        (["ask", "train", "--space", "{x}"], "is no JSON", 2),
        (["ask", "train", "--space", '{"x": "gauss(0)"}'], "x: 'gauss(0)' is no range", 2),
        (["ask", "train", "--space", "no.module:SPACE"], "cannot import no.module:SPACE", 1),
    ],
)
def test_what_cannot_be_is_one_line(mongo_url: str, args: list[str], said: str, code: int) -> None:
    done = run(mongo_url, *args)
    assert said in (done.stderr or str(done.exception))
    assert done.exit_code == code or done.exception is not None
