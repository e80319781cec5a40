"""Scalarisation: a history of several losses, or of constraints, as one that any algorithm for one loss can read.

Maximin fitness: Balling, The Maximin Fitness Function; Multi-objective City and Regional Planning (EMO 2003), eq. 1.
It is below 0 for what is on the Pareto front, the lower the further it is from the others there, and else says how far
off the front a point is. It is the same for all suggestions, which suits algorithms that look at a few best trials.

Chebyshev: Knowles, ParEGO: A Hybrid Algorithm With On-Line Landscape Approximation for Expensive Multiobjective
Optimization Problems (IEEE TEC 2006), section III: each suggestion draws weights, and goes for the part of the front
that they point at. It is smooth wherever the losses are, which suits algorithms that model the loss itself.

Infeasible trials come after all feasible ones, by how much they violate: Deb, An efficient constraint handling method
for genetic algorithms (CMAME 2000), section 3.
"""

from collections.abc import Mapping
from functools import reduce
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from hstore.engine.algorithms.history import OK, Floats, History

VERSION = 1
"""Recorded with each decision that was made so; goes up with each change of its numbers."""
_RHO = 0.05
_SEED_BELOW = 2**31

How: TypeAlias = Literal["maximin", "chebyshev", "modelled"]
"""modelled: not at all, for an algorithm that reads several losses and constraints itself. chebyshev: by weights that
the seed draws, for one that models a loss. maximin: for one that looks at a few best trials."""


def is_needed(history: History) -> bool:
    """Return whether *history* holds what an algorithm for one loss cannot read."""
    return bool(history.loss_vectors.shape[1] or history.constraints.shape[1])


def describe(how: str) -> str:
    """Return what the log says of a decision that was made so."""
    return f"{how} {VERSION}"


def why_unknown_scalarisation(described: Mapping[str, Any]) -> str | None:
    """Return why this hstore cannot read a history as the decision *described* in a log did; None if it can."""
    scalarised = described.get("scalarised")
    known = [describe(how) for how in get_args(How)]
    if scalarised is None or scalarised in known:
        return None
    return f"{described['name']} with scalarisation {scalarised}, this hstore has {', '.join(known)}"


def scalarise(history: History, how: str, *, seed: int) -> tuple[History, int]:
    """Return *history* with one loss for each trial and no constraints, and the seed for the algorithm that reads it.

    Where they are modelled, both are what they were. Only operations that are exact everywhere are used, so this is as
    portable as the algorithm that comes after it.
    """
    if how == "modelled":
        return history, seed
    is_ok = history.kinds == OK
    # All other failures get inf, which is the worst on any scale; nan, which algorithms ignore, stays nan.
    losses = np.where(np.isnan(history.losses), np.nan, np.inf)
    losses[is_ok] = history.losses[is_ok]
    is_feasible = is_ok
    if history.constraints.shape[1]:
        violated = np.zeros(len(losses))
        violated[is_ok] = violation(history.constraints[is_ok])
        # By the values themselves: a tiny one, relative to the largest, may be 0. NaN is not at most 0.
        is_feasible = is_ok & (history.constraints <= 0.0).all(axis=1)
    if n := history.loss_vectors.shape[1]:
        vectors = history.loss_vectors[is_feasible]
        if how == "chebyshev":
            rng = np.random.default_rng(seed)
            seed = int(rng.integers(_SEED_BELOW))
            losses[is_feasible] = chebyshev(vectors, random_weights(rng, n))
        else:
            losses[is_feasible] = maximin(vectors)
    if history.constraints.shape[1]:
        known = losses[is_feasible & np.isfinite(losses)]
        worst, span = (known.max(), known.max() - known.min()) if len(known) else (0.0, 1.0)
        is_violating = is_ok & ~is_feasible
        losses[is_violating] = worst + (span if span > 0 else 1.0) * violated[is_violating]
    return history.with_losses(losses), seed


def random_weights(rng: np.random.Generator, n: int) -> Floats:
    """Return *n* weights that add up to 1, uniformly distributed: the gaps between sorted uniform numbers."""
    return np.diff(np.sort(rng.random(n - 1)), prepend=0.0, append=1.0)


def chebyshev(vectors: Floats, weights: Floats) -> Floats:
    """Return max over j of w_j f_ij + rho sum over j of w_j f_ij (eq. 2) for each point i of *vectors*.

    Each loss is scaled to 0..1 first. inf for those with a loss that is not finite.
    """
    is_finite = np.isfinite(vectors).all(axis=1)
    weighed = np.full(len(vectors), np.inf)
    if is_finite.any():
        terms = weights * _scaled(vectors[is_finite])
        total = np.zeros(len(terms))
        for column in terms.T:  # one after the other: the order in which numpy adds may differ between machines
            total += column
        weighed[is_finite] = terms.max(axis=1) + _RHO * total
    return weighed


def maximin(vectors: Floats) -> Floats:
    """Return max over j of min over k of f_ik - f_jk for each point i of *vectors* (points x losses), j another point.

    Each loss is scaled to 0..1 first. inf for those with a loss that is not finite.
    """
    is_finite = np.isfinite(vectors).all(axis=1)
    fitness = np.full(len(vectors), np.inf)
    if is_finite.any():
        fitness[is_finite] = _maximin(_scaled(vectors[is_finite]))
    return fitness


def _scaled(finite: Floats) -> Floats:
    half = 0.5 * finite  # whose differences are finite
    low, high = half.min(axis=0), half.max(axis=0)
    scaled: Floats = (half - low) / np.where(high > low, high - low, 1.0)
    return scaled


def _maximin(scaled: Floats) -> Floats:
    points, which = np.unique(scaled, axis=0, return_inverse=True)  # equal ones do not compete with each other
    columns = np.ascontiguousarray(points.T)  # there are few of them: one after the other is fastest
    most = np.full(len(points), -np.inf)
    # A dominated point is dominated by a point of the front that is as far ahead as any other: only these matter.
    for j in _front(columns):
        ahead = reduce(np.minimum, (column - column[j] for column in columns))
        ahead[j] = -np.inf
        np.maximum(most, ahead, out=most)
    most[np.isinf(most)] = -1.0  # alone on the front: as far from others as can be
    return most[which.reshape(-1)]


def _front(columns: Floats) -> list[int]:
    """Return which points of *columns* (losses x points), distinct and in ascending order, none other dominates."""
    left = np.arange(columns.shape[1])
    front = []
    while len(left):  # no point is dominated by a later one
        front.append(int(left[0]))
        is_worse = reduce(np.logical_and, (column >= column[0] for column in columns))
        left, columns = left[~is_worse], columns[:, ~is_worse]
    return front


def violation(constraints: Floats) -> Floats:
    """Return by how much each row is infeasible: the sum over constraints, each relative to the largest there is."""
    total = np.zeros(len(constraints))
    for column in np.maximum(constraints, 0.0).T:  # nan stays nan
        finite = column[np.isfinite(column)]
        largest = finite.max() if len(finite) else 0.0
        total += np.where(np.isfinite(column), column / (largest if largest > 0 else 1.0), np.inf)
    return total
