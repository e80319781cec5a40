"""LightGBM and XGBoost report each round, and stop when the trial is to stop: run with the real packages."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import hstore
from hstore import Trials, fmin, hp
from hstore.callbacks import lightgbm_callback, xgboost_callback
from hstore.store.errors import InvalidValue

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 3))
Y = (X[:, 0] + 0.5 * RNG.normal(size=120) > 0).astype(int)


class Listener:
    """A trial that keeps what it is told, and stops after *rounds* reports."""

    def __init__(self, rounds: int = 1000) -> None:
        self.reports: list[tuple[int, float]] = []
        self.rounds = rounds

    def report(self, step: int, value: float) -> None:
        self.reports.append((step, value))

    def should_stop(self) -> bool:
        return len(self.reports) >= self.rounds


def lightgbm_trained(
    callback: Any, rounds: int = 6, metric: Any = ("auc", "binary_logloss"), held_out: bool = True
) -> Any:
    lightgbm = pytest.importorskip("lightgbm")
    data = lightgbm.Dataset(X[:80], Y[:80])
    history: dict[str, Any] = {}
    params = {"objective": "binary", "metric": list(metric), "num_leaves": 4, "verbose": -1, "num_threads": 1}
    booster = lightgbm.train(
        params, data, rounds, valid_sets=[data.create_valid(X[80:], Y[80:])] if held_out else None,
        callbacks=[callback, lightgbm.record_evaluation(history)],
    )  # fmt: skip
    return booster, history["valid_0"]


def test_lightgbm_reports_a_loss_after_each_round_and_a_score_with_its_sign_changed() -> None:
    losses, scores = Listener(), Listener()
    _, history = lightgbm_trained(lightgbm_callback(losses, "valid_0 binary_logloss"))
    lightgbm_trained(lightgbm_callback(scores, "auc"))
    assert losses.reports == list(enumerate(history["binary_logloss"], 1))
    assert scores.reports == [(step, -value) for step, value in enumerate(history["auc"], 1)]


def test_lightgbm_stops_with_the_trial_and_its_model_is_whole() -> None:
    trial = Listener(rounds=3)
    booster, _ = lightgbm_trained(lightgbm_callback(trial))
    assert len(trial.reports) == booster.current_iteration() == 3
    assert np.isfinite(booster.predict(X)).all()


def test_a_metric_that_lightgbm_does_not_compute_is_named() -> None:
    with pytest.raises(InvalidValue, match="no metric 'rmse'; it has: valid_0 auc"):
        lightgbm_trained(lightgbm_callback(Listener(), "rmse"))
    with pytest.raises(InvalidValue, match="valid_sets"):
        lightgbm_trained(lightgbm_callback(Listener()), held_out=False)


def test_a_search_prunes_lightgbm_by_its_ctrl_and_by_an_asked_trial_alike() -> None:
    space = {"lambda_l2": hp.log("lambda_l2", 1e-3, 1e6)}

    def train(config: Any, trial: Any) -> float:
        lightgbm = pytest.importorskip("lightgbm")
        data = lightgbm.Dataset(X[:80], Y[:80], params={"verbose": -1})
        params = {"objective": "binary", "num_leaves": 4, "verbose": -1, "num_threads": 1, **config}
        booster = lightgbm.train(params, data, 9, valid_sets=[data.create_valid(X[80:], Y[80:])],
                                 callbacks=[lightgbm_callback(trial)])  # fmt: skip
        return float(booster.best_score["valid_0"]["binary_logloss"])

    def objective(config: Any, ctrl: Any) -> float:
        return train(config, ctrl)

    trials = Trials()
    fmin(objective, space, "rand", 8, trials=trials, rstate=0, verbose=False, pruner="asha")
    with hstore.search(space, "rand", max_evals=8, rstate=0, pruner="asha") as search:
        while trial := search.ask():
            loss = train(trial.config, trial)
            trial.tell(None if trial.is_pruned else loss)
        assert search.experiment.state.pruned == trials.experiment.state.pruned > 0
        assert [each.loss for each in search.experiment.trials] == [each.loss for each in trials.experiment.trials]


def xgboost_trained(callback: Any, **how: Any) -> tuple[Any, dict[str, Any]]:
    xgboost = pytest.importorskip("xgboost", reason="needs XGBoost: pip install xgboost")
    history: dict[str, Any] = {}
    params = {"objective": "binary:logistic", "eval_metric": ["logloss", "auc"], "max_depth": 2, "nthread": 1}
    train, held_out = xgboost.DMatrix(X[:80], Y[:80]), xgboost.DMatrix(X[80:], Y[80:])
    booster = xgboost.train(params, train, 6, evals=[(train, "train"), (held_out, "held_out")], evals_result=history,
                            verbose_eval=False, callbacks=[callback], **how)  # fmt: skip
    return booster, history


def test_xgboost_reports_its_last_metric_or_the_named_one_and_stops() -> None:
    pytest.importorskip("xgboost", reason="needs XGBoost: pip install xgboost")
    scores, losses = Listener(), Listener(rounds=2)
    _, history = xgboost_trained(xgboost_callback(scores))
    booster, _ = xgboost_trained(xgboost_callback(losses, "logloss", data="train"))
    assert scores.reports == [(step, -value) for step, value in enumerate(history["held_out"]["auc"], 1)]
    assert losses.reports == list(enumerate(history["train"]["logloss"][:2], 1))
    assert booster.num_boosted_rounds() == 2
    with pytest.raises(InvalidValue, match="no metric 'rmse'; it has: held_out auc, held_out logloss, train auc"):
        xgboost_trained(xgboost_callback(Listener(), "rmse"))


def test_xgboosts_cross_validation_reports_the_mean() -> None:
    xgboost = pytest.importorskip("xgboost", reason="needs XGBoost: pip install xgboost")
    trial = Listener()
    table = xgboost.cv({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, Y), 3, nfold=2,
                       as_pandas=False, callbacks=[xgboost_callback(trial)])  # fmt: skip
    assert [value for _, value in trial.reports] == pytest.approx(table["test-logloss-mean"])
