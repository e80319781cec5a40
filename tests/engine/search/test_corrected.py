"""Corrections while a search goes on: algorithms see them from the next decision on, and replay derives both sides."""

from typing import Any

from hstore import Trials, fmin, hp, rand, tpe
from hstore.engine.audit.replay import derive_again

SPACE = {"x": hp.uniform("x", -5, 5)}


def search(trials: Trials, max_evals: int, algo: Any = tpe.suggest) -> None:
    fmin(lambda p: p["x"] ** 2, SPACE, algo, max_evals, trials=trials, rstate=0, verbose=False)


def test_decisions_before_a_correction_know_the_earlier_loss_and_those_after_it_the_new_one(trials: Trials) -> None:
    search(trials, 25)
    undisturbed = Trials()
    search(undisturbed, 30)
    best = trials.experiment.best.tid
    trials.experiment.amend(best, loss=99.0, reason="wrong data")
    trials.experiment.void((best + 1) % 25, reason="wrong data")
    search(trials, 30)
    points = [[trial.point for trial in each.experiment.trials] for each in (trials, undisturbed)]
    assert points[0][:25] == points[1][:25]
    assert points[0][25:] != points[1][25:]
    replay = derive_again(trials.experiment)
    assert (replay.is_same, replay.suggested) == (True, 30)


def test_the_documents_of_hyperopt_show_an_amended_loss() -> None:
    trials = Trials()
    search(trials, 4, rand.suggest)
    trials.experiment.amend(3, loss=-1.0, reason="r")
    trials.refresh()
    assert trials.trials[3]["result"]["loss"] == -1.0
    assert trials.losses()[3] == -1.0
    assert trials.best_trial["tid"] == 3
