"""Losses of hyperopt's results: the best of them, and how good a search is on average when they are noisy. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hstore.engine.evaluation import attempt
from hstore.engine.evaluation.results import STATUS_NEW, STATUS_OK, numbers_of
from hstore.engine.hyperopt.documents import JOB_STATE_DONE, is_same
from hstore.store.errors import AllTrialsFailed, InvalidLoss
from hstore.store.events import Document
from hstore.store.fold import Trial
from hstore.store.ranked import is_feasible, why_unranked


def best_of(
    documents: Sequence[Document], trial_of: Callable[[Document], Trial | None] = lambda document: None
) -> Document:
    """Return the first of *documents* with the smallest loss that is ranked; raises `AllTrialsFailed`.

    trial_of: returns the trial that a document shows, if it shows one. What the log says of that trial counts, unless
    the program has changed the result in the document since.
    """
    best: Document | None = None
    least = math.nan
    for document in documents:
        loss = _ranked_loss(document, trial_of(document))
        if loss is not None and (best is None or loss < least):
            best, least = document, loss
    if best is None:
        raise AllTrialsFailed("no trial finished with a usable loss")
    return best


def _ranked_loss(document: Document, trial: Trial | None) -> float | None:
    """Return the loss of *document*, which shows *trial*; None if it has none or is not ranked."""
    if document["state"] != JOB_STATE_DONE:
        return None
    result = document["result"]
    if trial is not None and trial.result is not None and is_same(result, trial.result):
        return None if trial.why_unranked else trial.loss
    end = attempt.done({"status": STATUS_NEW, **result}, None)
    reasons = why_unranked(
        status=end["status"], loss=end["loss"], losses=end["losses"], constraints=end["constraints"],
        is_pruned=bool(end["pruned"]), is_void=trial is not None and trial.is_void,
    )  # fmt: skip
    return None if reasons else end["loss"]


def average_best_error(results: Sequence[Mapping[str, Any]], *, is_strict: bool = False) -> float:
    """Return the `true_loss` (or loss) to expect of the best of *results*, in hyperopt's numbers.

    That is the one of the smallest loss, unless `loss_variance` says that losses are noisy: then all those less than
    three standard deviations of the best above it count, by how likely each is the smallest of them. A loss of nan
    counts for nothing, nor does the loss of a result that violates a constraint.
    Raises ValueError without any loss, and with *is_strict* `InvalidLoss` for one that is not finite.
    """
    ok = [result for result in results if result.get("status") == STATUS_OK]
    if is_strict:
        for result in ok:
            if result.get("loss") is None or not math.isfinite(float(result["loss"])):
                raise InvalidLoss(f"the loss is {result.get('loss')!r}, not a finite number", result=result)
    ok = [result for result in ok if result.get("loss") is not None and not math.isnan(result["loss"])]
    ok = [result for result in ok if is_feasible(numbers_of(result.get("constraints")))]
    if not ok:
        raise ValueError("Empty loss vector: no trial has a loss yet")
    losses = np.array([float(result["loss"]) for result in ok])
    variances = np.array([float(result.get("loss_variance", 0.0)) for result in ok])
    true_losses = np.array([float(result.get("true_loss", result["loss"])) for result in ok])
    if not variances.any():
        return float(true_losses[losses.argmin()])
    ascending = losses.argsort(kind="stable")
    best = ascending[0]
    cutoff = losses[best] + 3 * math.sqrt(variances[best])
    near = ascending[losses[ascending] < cutoff]
    weights = pmin_sampled(losses[near], variances[near])
    return float((true_losses[near] * weights).sum())


def pmin_sampled(
    mean: Any, var: Any, n_samples: int = 1000, rng: np.random.Generator | np.random.RandomState | None = None
) -> NDArray[np.float64]:
    """Return how likely each of independent normals with *mean* and *var* is the smallest, from *n_samples* draws."""
    rng = np.random.default_rng(232342) if rng is None else rng
    mean, var = np.asarray(mean, dtype=float), np.asarray(var, dtype=float)
    samples = rng.standard_normal((n_samples, len(mean))) * np.sqrt(var) + mean
    counts = (samples.min(axis=1) == samples.T).sum(axis=1)
    return np.asarray(counts / counts.sum(), dtype=float)
