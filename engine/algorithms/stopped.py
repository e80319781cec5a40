"""Stopped trials: losses for trials that a pruner ended early, estimated from the last value that each reported.

Only operations that are exact everywhere are used, so this is as portable as the algorithm that reads it.
"""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms.history import OK, PRUNED, Floats, History


def losses_as_if_ended(history: History) -> Floats:
    """Return the losses (N,) of *history*; those of stopped trials as `as_if_ended` estimates them."""
    is_stopped = history.kinds == PRUNED
    if not is_stopped.any():
        return history.losses
    losses = history.losses.copy()
    ended = losses[(history.kinds == OK) & np.isfinite(losses)]
    losses[is_stopped] = as_if_ended(history.partial_losses[is_stopped], history.partial_steps[is_stopped], ended)
    return losses


def as_if_ended(partial: Floats, steps: Floats, ended: Floats) -> Floats:
    """Return the losses that trials stopped at *steps* with the values *partial* would have had, beside those *ended*.

    The gain of more steps is unknown, but it is about the same for all trials that were stopped at one step. So these
    keep the distances between them, and the best of them gets the median of *ended*, since better trials went on.

    partial, steps: (stopped trials,). ended: finite losses of the others. A trial that reported nothing, or inf or nan
    last, gets inf; -inf counts as the best at its step. Trials without a known step (nan) are compared with each other.
    """
    ordered = np.sort(ended)
    n = len(ordered)
    base = ordered[(n - 1) // 2] / 2 + ordered[n // 2] / 2 if n else 0.0
    values = np.where(np.isnan(partial), np.inf, partial)
    steps = np.where(np.isnan(steps), -1.0, steps)
    distances = np.full(len(values), np.inf)
    with np.errstate(over="ignore"):  # what is as far apart as that is inf
        for step in np.unique(steps):
            here = (steps == step) & (values < np.inf)
            finite = values[here & np.isfinite(values)]
            distances[here] = np.maximum(values[here] - (finite.min() if len(finite) else 0.0), 0.0)
        return np.asarray(base + distances)
