"""Stopped trials: what is believed of trials that a pruner ended early, from the last value that each reported.

Only operations that are exact everywhere are used, so this is as portable as the algorithm that reads it.
"""

from __future__ import annotations

import numpy as np

from hstore.engine.algorithms.history import OK, PRUNED, Floats, History


def losses_as_if_ended(history: History) -> Floats:
    """Return the losses of *history*, those of stopped trials as `as_if_ended` has them beside the ended ones."""
    is_stopped = history.kinds == PRUNED
    if not is_stopped.any():
        return history.losses
    losses = history.losses.copy()
    ended = losses[(history.kinds == OK) & np.isfinite(losses)]
    losses[is_stopped] = as_if_ended(history.partial_losses[is_stopped], history.partial_steps[is_stopped], ended)
    return losses


def as_if_ended(partial: Floats, steps: Floats, ended: Floats) -> Floats:
    """Return the losses that trials stopped at *steps* with the values *partial* would have had, beside those *ended*.

    What more steps would have brought nobody knows, but it is much the same for all that were stopped at one step: so
    they keep the distances between them, and the best of them is taken for a middling trial, since better ones went on.

    *ended* are finite. Whoever reported nothing, inf or nan last would have had inf; -inf counts as the best at its
    step. Without a known step (nan) they are compared with each other.
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
