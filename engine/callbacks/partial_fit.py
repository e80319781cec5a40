"""scikit-learn's estimators that learn in steps: a report after each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from hstore.engine.callbacks.reporting import ReportingTrial


def partial_fit(
    trial: ReportingTrial,
    estimator: Any,
    X: Any,  # noqa: N803
    y: Any = None,
    *,
    loss: Callable[[Any], float],
    steps: int,
    **how: Any,
) -> float:
    """Fit *estimator* to *X*, *y* in *steps* passes, reporting its loss after each; return the last loss.

        error = partial_fit(ctrl, SGDClassifier(), X, y, loss=lambda model: 1 - model.score(X_held, y_held), steps=27)

    loss: called with the estimator after each pass; smaller is better.
    how: further arguments of `estimator.partial_fit`. Classifiers get all classes of *y*, unless `classes` is given.
    It ends early when the trial is to stop.
    """
    from sklearn.base import is_classifier

    if is_classifier(estimator):
        how.setdefault("classes", np.unique(y))
    value = np.nan
    for step in range(1, steps + 1):
        estimator.partial_fit(X, y, **how)
        value = float(loss(estimator))
        trial.report(step, value)
        if trial.should_stop():
            break
    return value
