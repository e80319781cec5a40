"""LightGBM and XGBoost: a report after each boosting round."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hstore.engine.callbacks.reporting import ReportingTrial, base_class, unknown_metric

HIGHER_IS_BETTER = ("auc", "aucpr", "pre", "map", "ndcg")
"""XGBoost's metrics of which more is better, without what may follow an @; the same as in its own EarlyStopping."""


def lightgbm_callback(trial: ReportingTrial, metric: str | None = None) -> Callable[[Any], None]:
    """Return a callback for `lightgbm.train`, `lightgbm.cv` and `fit`, which reports *metric* after each round.

        lightgbm.train(params, data, valid_sets=[held_out], callbacks=[lightgbm_callback(ctrl)])

    metric: "auc", or "valid_0 auc" of one data set. None: the first that LightGBM computes. One of which more is
        better is reported with its sign changed.
    When the trial is to stop, training ends as with `lightgbm.early_stopping`, at the present round.
    Raises `InvalidValue` while training if there is no such metric.
    """

    def callback(env: Any) -> None:
        results = env.evaluation_result_list or []
        for data, name, value, is_higher_better, *_ in results:
            if metric in (None, name, f"{data} {name}"):
                trial.report(env.iteration + 1, -value if is_higher_better else value)
                break
        else:
            names = [f"{data} {name}" for data, name, *_ in results]
            raise unknown_metric(metric, names, "pass valid_sets to train, or eval_set to fit")
        if trial.should_stop():
            from lightgbm.callback import EarlyStopException

            raise EarlyStopException(env.iteration, results)

    callback.order = 25  # type: ignore[attr-defined]  # behind what records, before early_stopping ends the round
    return callback


def xgboost_callback(
    trial: ReportingTrial, metric: str | None = None, *, data: str | None = None, maximize: bool | None = None
) -> Any:
    """Return a callback for `xgboost.train`, `xgboost.cv` and estimators, which reports *metric* after each round.

        xgboost.train(params, dtrain, evals=[(held_out, "held_out")], callbacks=[xgboost_callback(ctrl)])

    metric, data: name of the metric and of the data set. None: the last of each, as in XGBoost's EarlyStopping.
    maximize: whether more is better, so that the sign is changed. None: as XGBoost takes the metric.
    Raises `InvalidValue` while training if there is no such metric.
    """

    class XGBoostCallback(base_class("TrainingCallback", "xgboost.callback")):  # type: ignore[misc]
        """Made by `xgboost_callback`."""

        def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
            """Report the latest value; return whether training should stop."""
            by_metric = evals_log.get(data or next(reversed(evals_log), None), {})
            name = metric or next(reversed(by_metric), None)
            if name is None or name not in by_metric:
                names = [f"{data} {name}" for data, metrics in evals_log.items() for name in metrics]
                raise unknown_metric(metric, names, "pass evals to train, or eval_set to fit")
            value = by_metric[name][-1]
            mean = value[0] if isinstance(value, tuple) else value  # of xgboost.cv, with a deviation
            is_more_better = name.partition("@")[0] in HIGHER_IS_BETTER if maximize is None else maximize
            trial.report(epoch + 1, -mean if is_more_better else mean)
            return trial.should_stop()

    return XGBoostCallback()
