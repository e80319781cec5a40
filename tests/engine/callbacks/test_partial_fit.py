"""Estimators of scikit-learn that learn in steps report after each."""

from typing import Any

import numpy as np
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import SGDClassifier

import hstore
from hstore import hp
from hstore.callbacks import partial_fit

X = np.random.default_rng(0).normal(size=(60, 2))
Y = np.where(X[:, 0] > 0, "up", "down")


def test_a_classifier_learns_in_steps_and_hopeless_trials_end_early() -> None:
    space = {"alpha": hp.log("alpha", 1e-5, 1e3)}
    with hstore.search(space, "rand", max_evals=9, rstate=0, pruner="asha") as search:
        while trial := search.ask():
            model = SGDClassifier(alpha=trial.params["alpha"], random_state=0)
            error = partial_fit(trial, model, X, Y, loss=lambda model: 1 - model.score(X, Y), steps=5)
            assert error == trial.last_report[1]  # type: ignore[index]
            trial.tell(None if trial.is_pruned else error)
        reports = {len(each.reports) for each in search.experiment.trials}
        assert search.experiment.state.pruned > 0
        assert max(reports) == 5 > min(reports)
        assert search.best.loss == min(each.loss for each in search.experiment.trials if each.loss is not None)


def test_an_estimator_without_classes_gets_what_it_is_given() -> None:
    class Trial:
        def __init__(self) -> None:
            self.steps: list[int] = []

        def report(self, step: int, value: float) -> None:
            self.steps.append(step)

        def should_stop(self) -> bool:
            return False

    def loss(model: Any) -> float:
        return -float(model.score(X))

    trial = Trial()
    value = partial_fit(trial, MiniBatchKMeans(2, random_state=0), X, loss=loss, steps=3, sample_weight=np.ones(60))
    assert trial.steps == [1, 2, 3]
    assert value > 0
