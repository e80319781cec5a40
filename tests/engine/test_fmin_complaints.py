"""What hyperopt's users complained about most (numbers are those of its issues), each shown not to be so here."""

from typing import Any

import numpy as np
import pytest

import hstore
from hstore import STATUS_FAIL, MongoTrials, Trials, fmin, hp, rand, tpe
from hstore.engine.audit.replay import derive_again
from hstore.fmin import generate_trials_to_calculate
from hstore.store.events import Event
from hstore.store.received import Received

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", [10, 20, 30]), "n": hp.quniform("n", 1, 9, 1)}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2 + config["c"])


def quiet(trials: Any, max_evals: int, **arguments: Any) -> Any:
    return fmin(arguments.pop("fn", square), SPACE, max_evals=max_evals, trials=trials, verbose=False, **arguments)


def test_complaint_809_seeds_restart_when_fmin_is_called_again_on_the_same_trials(trials: Trials) -> None:
    for _ in range(3):
        quiet(trials, len(trials) + 4, rstate=np.random.default_rng(7), algo=rand.suggest)
    xs = [vals[0] for vals in (doc["misc"]["vals"]["x"] for doc in trials.trials)]
    assert len(set(xs)) == 12
    at_once = Trials()
    quiet(at_once, 12, rstate=np.random.default_rng(7), algo=rand.suggest)
    assert xs == at_once.vals["x"]


def test_complaint_725_a_search_cannot_be_resumed_after_an_interruption(mongo_url: str) -> None:
    undisturbed, calls = Trials(), []
    quiet(undisturbed, 30, rstate=1)

    def interrupted(config: dict[str, Any]) -> float:
        calls.append(config)
        if len(calls) in (5, 26):
            raise KeyboardInterrupt
        return square(config)

    arguments: dict[str, Any] = {"max_evals": 30, "verbose": False, "rstate": 1, "experiment": "resumed"}
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            fmin(interrupted, SPACE, store=mongo_url, **arguments)
    fmin(interrupted, SPACE, store=mongo_url, **arguments)
    found = MongoTrials(mongo_url, exp_key="resumed")
    assert (found.vals, found.losses()) == (undisturbed.vals, undisturbed.losses())


@pytest.mark.parametrize("rstate", [3, np.random.RandomState(3), np.random.default_rng(3)], ids=str)
def test_complaint_838_random_state_has_no_attribute_integers(rstate: Any) -> None:
    assert set(quiet(None, 2, rstate=rstate)) == {"x", "c", "n"}


def test_complaint_284_the_best_holds_indices_and_floats_rather_than_values() -> None:
    trials = Trials()
    best = quiet(trials, 8, rstate=0)
    assert trials.best_params["c"] == [10, 20, 30][best["c"]]
    assert fmin(square, SPACE, max_evals=8, rstate=0, verbose=False, return_argmin=False)["c"] in (10, 20, 30)


def test_complaint_666_errors_vanish_without_a_traceback(trials: Trials) -> None:
    def fragile(config: dict[str, Any]) -> float:
        if config["x"] < 0:
            raise ValueError(f"no root of {config['x']}")
        return square(config)

    quiet(trials, 12, rstate=0, fn=fragile, catch_eval_exceptions=True)
    assert len(trials) + len(trials.errors) == 12
    for doc in trials.errors:
        assert doc["misc"]["error"] == ("<class 'ValueError'>", f"no root of {doc['misc']['vals']['x'][0]}")
        assert "in fragile" in doc["misc"]["traceback"]


def test_complaint_470_all_trials_failed_says_nothing() -> None:
    trials = Trials()
    with pytest.raises(hstore.exceptions.AllTrialsFailed, match="no trial finished with a usable loss"):
        quiet(trials, 2, fn=lambda _: {"status": STATUS_FAIL})
    assert trials.statuses() == ["fail", "fail"]


def test_complaint_514_points_to_evaluate_are_ignored_with_trials() -> None:
    trials = Trials()
    point = {"x": 0.5, "c": 20, "n": 3}
    quiet(trials, 2, rstate=0, points_to_evaluate=[point])
    assert trials.trials[0]["params"] == point
    given = generate_trials_to_calculate([point])
    quiet(given, 2, rstate=0)
    assert [doc["params"] for doc in given.trials] == [doc["params"] for doc in trials.trials]


@pytest.mark.parametrize("algo", [rand.suggest, tpe.suggest], ids=lambda algo: algo.name)
def test_complaint_89_it_gets_slower_with_every_trial(algo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials()
    quiet(trials, 40, algo=algo, rstate=0)
    documents = list(trials.trials)
    looked: list[int] = []
    since = Received._since

    def watched(received: Received, first: int) -> list[Event]:
        found = since(received, first)
        looked.append(len(found))
        return found

    monkeypatch.setattr(Received, "_since", watched)
    quiet(trials, 41, algo=algo, rstate=0)
    assert 0 < sum(looked) < 20  # the events of one trial and of the search itself, and none of those before
    assert all(a is b for a, b in zip(documents, trials.trials, strict=False))
    assert derive_again(trials.experiment).is_same
