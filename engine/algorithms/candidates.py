"""Candidates: rows from which the search for the next point starts."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hstore.engine.algorithms.encoding import MIDDLE, Encoding
from hstore.engine.algorithms.surrogate import KnownTrials, features

Floats = NDArray[np.float64]

_N_FIRST = 20
_N_PRIOR, _N_NEAR, _N_CENTRES = 200, 250, 5
_SHORTEST, _LONGEST = 0.005, 0.3  # steps away from a good row, in ranges
_FEW_LABELS, _SOME_LABELS = 2.0, 6.0  # that change on average, in each half of the steps
_SHARED = 0.6
_FIRST = 0.4  # chance that a step is from the best row, then of what is left from the next one
_PARENTS = 0.25  # share of the trials that offspring come from
_NARROWEST = 0.3  # that they are spread over, of what their parents are
_SHORTEST_STEP, _LONGEST_STEP = 0.01, 0.5


def farthest_first(code: Encoding, taken: Floats, rng: np.random.Generator) -> Floats:
    """Return (20, labels) rows from the prior, first the one farthest from all *taken* (Mitchell's best candidate).

    If *taken* has no rows, all numbers are in the middle of their ranges: the middle is seldom bad, the ends often are.
    """
    pool = code.tidy(code.draw(rng, _N_FIRST))
    if not len(taken):
        pool[:, code.numbers] = MIDDLE
        return code.tidy(pool)
    return pool[np.argsort(-nearest(code, pool, taken), kind="stable")]


def nearest(code: Encoding, pool: Floats, taken: Floats) -> Floats:
    """Return (n,) how far each of the rows *pool* (n, labels) is from the nearest of *taken*, squared, in ranges."""
    feats = features(code, np.concatenate((pool, taken)))
    a, b = feats.of(pool), feats.of(taken)
    square = np.einsum("ij,ij->i", a, a)[:, None] + np.einsum("ij,ij->i", b, b) - 2.0 * (a @ b.T)
    return np.asarray(square.min(1))


def candidates(code: Encoding, best_first: Floats, rng: np.random.Generator) -> Floats:
    """Return tidy rows from the prior, and steps of all sizes in some labels away from the first of *best_first*."""
    drawn = code.draw(rng, _N_PRIOR + _N_NEAR)
    others = drawn[_N_PRIOR:]
    centres = best_first[np.minimum(np.arange(_N_NEAR) % _N_CENTRES, len(best_first) - 1)]
    near = code.filled(centres, others)
    d = len(code)
    chance = np.where(np.arange(_N_NEAR) < _N_NEAR // 2, _FEW_LABELS, _SOME_LABELS) / d
    change = rng.random((_N_NEAR, d)) < chance[:, None]
    change[np.arange(_N_NEAR), rng.integers(d, size=_N_NEAR)] = True
    size = np.exp(rng.uniform(math.log(_SHORTEST), math.log(_LONGEST), _N_NEAR))
    numbers, categories = code.numbers, code.categories
    steps = rng.standard_normal((_N_NEAR, len(numbers))) * size[:, None]
    moved = near[:, numbers] + np.where(change[:, numbers], steps, 0.0)
    near[:, numbers] = np.clip(moved, code.lowest, code.highest)
    change[:, categories] &= rng.random((_N_NEAR, len(categories))) < 0.5
    near[:, categories] = np.where(change[:, categories], others[:, categories], near[:, categories])
    return code.tidy(np.concatenate((drawn[:_N_PRIOR], near)))


def steps(code: Encoding, best_first: Floats, rng: np.random.Generator, n: int) -> Floats:
    """Return *n* tidy rows, each a step of any size in one active label or a few from one of the first *best_first*."""
    chosen = best_first[np.minimum(rng.geometric(_FIRST, n) - 1, len(best_first) - 1)]
    active = code.active(chosen)
    drawn = code.draw(rng, n)
    rows = code.filled(chosen, drawn)
    order = np.where(active, rng.random(rows.shape), np.inf)
    n_changed = 1 + rng.binomial(np.maximum(active.sum(1) - 1, 0), 1.0 / np.maximum(active.sum(1), 1))
    change = active & (order.argsort(1, kind="stable").argsort(1, kind="stable") < n_changed[:, None])
    numbers, categories = code.numbers, code.categories
    size = np.exp(rng.uniform(math.log(_SHORTEST_STEP), math.log(_LONGEST_STEP), (n, len(numbers))))
    moved = np.clip(rows[:, numbers] + size * rng.standard_normal(size.shape), code.lowest, code.highest)
    rows[:, numbers] = np.where(change[:, numbers], moved, rows[:, numbers])
    rows[:, categories] = np.where(change[:, categories], drawn[:, categories], rows[:, categories])
    return code.tidy(rows)


def offspring(code: Encoding, best_first: Floats, rng: np.random.Generator, n: int) -> Floats:
    """Return *n* tidy rows spread as the best of *best_first* are that have the same labels active as the first.

    Each is drawn around the parents' weighted mean with their covariance, which is the weighted sum over them of
    outer products, and so never formed; weights fall with the rank (Hansen, The CMA Evolution Strategy: A Tutorial,
    2016, eq. 53). Options are those of one parent.
    """
    active = code.active(best_first)
    alike = best_first[(active == active[0]).all(1)]
    d = int(active[0, code.numbers].sum())
    parents = alike[: max(d + 1, math.ceil(_PARENTS * len(alike)))]
    weights = math.log(len(parents) + 0.5) - np.log(np.arange(1.0, len(parents) + 1.0))
    weights /= weights.sum()
    rows = code.filled(parents[rng.choice(len(parents), n, p=weights)], code.draw(rng, n))
    numbers = code.numbers
    mean = weights @ parents[:, numbers]
    size = np.exp(rng.uniform(math.log(_NARROWEST), 0.0, (n, 1)))
    drawn = (rng.standard_normal((n, len(parents))) * np.sqrt(weights)) @ (parents[:, numbers] - mean)
    drawn += _SHORTEST * rng.standard_normal((n, len(numbers)))
    rows[:, numbers] = np.clip(mean + size * drawn, code.lowest, code.highest)
    return code.tidy(rows)


def under_explored(code: Encoding, rows: Floats, trials: KnownTrials, pool: Floats) -> Floats:
    """Return those of *pool* that take the option furthest behind its share, or all if none is behind.

    A part of the trials of a choice that other labels depend on is shared out among its options: the one with the r-th
    best loss so far gets a share in proportion to 1 / r, whatever the model predicts. A branch is a search of its own,
    and its first trials say little about its best points.

    rows: (N, labels) all trials. pool: (any number, labels). Both tidy rows of the encoding.
    """
    losses = np.full(len(rows), np.inf)
    losses[trials.with_loss] = trials.losses[trials.with_loss]
    rows, losses = rows[trials.taken], losses[trials.taken]
    active = code.active(rows)
    for j in code.leads:
        n = int(code.n_options[j])
        here = active[:, j] & (rows[:, j] >= 0) & (rows[:, j] < n)  # trials of an older space may have no such option
        option = rows[here, j].astype(np.intp)
        counts = np.bincount(option, minlength=n)
        best = np.full(n, np.inf)
        np.minimum.at(best, option, losses[here])
        best[counts == 0] = -np.inf
        share = np.empty(n)
        share[np.argsort(best, kind="stable")] = 1.0 / np.arange(1, n + 1)
        behind = np.floor(_SHARED * len(option) * share / share.sum()) - counts
        worst = int(np.argmax(behind))
        chosen = pool[pool[:, j] == worst]
        if behind[worst] > 0 and len(chosen):
            pool = chosen
    return pool
