"""Scalarisation: a history of several losses, or of constraints, as one that any algorithm for one loss can read.

Losses become maximin fitness: Balling, The Maximin Fitness Function; Multi-objective City and Regional Planning (EMO
2003), eq. 1. It is below 0 for what is on the Pareto front, the lower the further it is from the others there, and else
says how far off the front a point is. Infeasible trials come after all feasible ones, by how much they violate:
Deb, An efficient constraint handling method for genetic algorithms (CMAME 2000), section 3.
"""

import numpy as np

from hstore.engine.history import OK, Floats, History

VERSION = 1
"""Recorded with each decision that was made so; goes up with each change of its numbers."""


def is_needed(history: History) -> bool:
    """Return whether *history* holds what an algorithm for one loss cannot read."""
    return bool(history.loss_vectors.shape[1] or history.constraints.shape[1])


def scalarise(history: History) -> History:
    """Return *history* with one loss for each trial, and no constraints.

    Only operations that are exact everywhere are used, so this is as portable as the algorithm that comes after it.
    """
    is_ok = history.kinds == OK
    # Whatever else failed is as bad as can be, on whichever scale; what does not count goes on not counting.
    losses = np.where(np.isnan(history.losses), np.nan, np.inf)
    losses[is_ok] = history.losses[is_ok]
    is_feasible = is_ok
    if history.constraints.shape[1]:
        violation = np.zeros(len(losses))
        violation[is_ok] = _violation(history.constraints[is_ok])
        is_feasible = is_ok & (violation == 0.0)
    if history.loss_vectors.shape[1]:
        losses[is_feasible] = maximin(history.loss_vectors[is_feasible])
    if history.constraints.shape[1]:
        known = losses[is_feasible & np.isfinite(losses)]
        worst, span = (known.max(), known.max() - known.min()) if len(known) else (0.0, 1.0)
        is_violating = is_ok & ~is_feasible
        losses[is_violating] = worst + (span if span > 0 else 1.0) * violation[is_violating]
    return history.with_losses(losses)


def maximin(vectors: Floats) -> Floats:
    """Return max over j of min over k of f_ik - f_jk for each point i of *vectors* (points x losses), j another point.

    Each loss is scaled to 0..1 first. inf for those with a loss that is not finite.
    """
    is_finite = np.isfinite(vectors).all(axis=1)
    fitness = np.full(len(vectors), np.inf)
    finite = vectors[is_finite]
    if len(finite):
        low, high = finite.min(axis=0), finite.max(axis=0)
        fitness[is_finite] = _maximin((finite - low) / np.where(high > low, high - low, 1.0))
    return fitness


def _maximin(scaled: Floats) -> Floats:
    points, which = np.unique(scaled, axis=0, return_inverse=True)  # equal ones do not compete with each other
    most = np.full(len(points), -np.inf)
    # Whoever is dominated is so by somebody of the front, who is as far ahead as any other: no more is looked at.
    for j in _front(points):
        ahead = (points - points[j]).min(axis=1)
        ahead[j] = -np.inf
        np.maximum(most, ahead, out=most)
    most[np.isinf(most)] = -1.0  # alone on the front: as far from others as can be
    return most[which.reshape(-1)]


def _front(points: Floats) -> list[int]:
    """Return the rows of *points*, distinct and in ascending order, that none other dominates."""
    left = np.arange(len(points))
    front = []
    while len(left):  # nobody is dominated by who comes later
        first = left[0]
        front.append(int(first))
        left = left[~(points[left] >= points[first]).all(axis=1)]
    return front


def _violation(constraints: Floats) -> Floats:
    """Return by how much each row is infeasible: the sum over constraints, each relative to the largest there is."""
    violation = np.zeros(len(constraints))
    for column in np.maximum(constraints, 0.0).T:  # nan stays nan
        finite = column[np.isfinite(column)]
        largest = finite.max() if len(finite) else 0.0
        violation += np.where(np.isfinite(column), column / (largest if largest > 0 else 1.0), np.inf)
    return violation
