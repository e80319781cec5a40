"""Rules that end a search early, for fmin's *early_stop_fn*."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from hstore.engine.evaluation.results import STATUS_OK
from hstore.store.experiment import Experiment

EarlyStop = Callable[..., tuple[bool, list[Any]]]
"""f(trials, *more) -> (whether to stop, its further arguments next time)"""


def no_progress_loss(iteration_stop_count: int = 20, percent_increase: float = 0.0) -> EarlyStop:
    """Return a rule that stops a search once its best loss got no better for *iteration_stop_count* rounds.

    Better is less by more than *percent_increase* percent of the best. Trials that failed, or have no loss or one of
    nan, are no progress, and the rule holds from before the first trial on. A round is one trial, unless several
    are queued at once.
    """

    count_to_reach, percent = float(iteration_stop_count), float(percent_increase)

    def stop_fn(trials: Any, best_loss: float | None = None, iteration_no_progress: int = 0) -> tuple[bool, list[Any]]:
        loss = _lowest(trials)
        if best_loss is None and iteration_no_progress == 0:  # the first round counts, but ends nothing, as in hyperopt
            return False, [loss, 1]
        if loss is not None and (best_loss is None or loss < _to_beat(best_loss, percent)):
            best_loss, count = loss, 0
        else:
            count = iteration_no_progress + 1
        return count >= count_to_reach, [best_loss, count]

    return stop_fn


def _to_beat(best_loss: float, percent: float) -> float:
    return best_loss - abs(best_loss * (percent / 100.0)) if math.isfinite(best_loss) else best_loss


def _lowest(trials: Any) -> float | None:
    """Return the lowest loss that counts, of our own trials without going through all of them."""
    experiment = getattr(trials, "experiment", None)
    if isinstance(experiment, Experiment):
        return None if experiment.state.best is None else experiment.state.best.loss
    losses = (_loss(document["result"]) for document in trials.trials)
    return min((loss for loss in losses if loss is not None), default=None)


def _loss(result: Any) -> float | None:
    """Return the loss of a *result* that counts."""
    loss = result.get("loss")
    return None if loss is None or result.get("status", STATUS_OK) != STATUS_OK or math.isnan(loss) else float(loss)
