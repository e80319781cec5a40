"""Importance of labels: how much each of them decides whether a trial is among the best. Pure.

PED-ANOVA: Watanabe, Bansal, Hutter, PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
Subspaces (IJCAI 2023), eq. 7: of a label, the variance over its values of the share of trials that are among the best,
which is the Pearson divergence of two densities, that of its values in the best trials and that in all.

A conditional label has a value in some trials only. By the law of total variance, what its being active explains is
the doing of the choice above it, and counted there; the label gets what its values explain where it is active. With
*a* the share of all trials in which it is active, and *b* that of the best, this is b² / a times the divergence among
those trials. For a label that is always active it is the divergence itself. If labels do not interact, the
importances of choices and of the labels below them add up to the whole variance, (1 - quantile) / quantile.
"""

from __future__ import annotations

import math
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from hstore.engine.analysis.trial_columns import LabelColumn, columns_of, loss_column, ranked_positions
from hstore.engine.plain_numbers import as_real
from hstore.store.errors import InvalidValue

Floats = NDArray[np.float64]

FEWEST = 10
"""Trials with a loss that importance needs."""
_CELLS = 50
"""Into which the range of a number is divided."""
_LEAST_TOP = 2
_NARROWEST = 0.5 / 1.64
"""Cells: the least width of a kernel, which has 90 % of its mass in one."""


class LabelImportance(TypedDict):
    """How important a label is: its share of what all labels explain, so all of them add up to 1."""

    label: str
    importance: float
    low: float
    high: float
    """Between which the share lies in most resamples of the trials."""
    active: float
    """In which part of the trials it is active."""


class _Cells:
    """The values of one label as the cells of a grid."""

    def __init__(self, column: LabelColumn, kept: NDArray[np.intp]) -> None:
        self.label = column["label"]
        self.is_category = column["is_category"]
        values = np.array([math.nan if value is None else value for value in column["values"]])[kept]
        self.is_active = ~np.isnan(values)
        self.n, self.cells = _cells(column, values[self.is_active])

    def counts(self, weights: Floats) -> Floats:
        """Return how often each cell occurs, with *weights* of all trials."""
        return np.bincount(self.cells, weights[self.is_active], minlength=self.n).astype(np.float64)

    def explained(self, weights: Floats, is_top: NDArray[np.bool_]) -> float:
        """Return the variance that the label explains, in units of the squared share of the best trials."""
        if self.n < 2:
            return 0.0
        counts, top = self.counts(weights), self.counts(weights * is_top)
        n_active, n_top_active = counts.sum(), top.sum()
        if n_top_active == 0:
            return 0.0
        a, b = n_active / weights.sum(), n_top_active / (weights * is_top).sum()
        density = _shares if self.is_category else _smoothed
        p, p_top = density(counts) + 1e-12, density(top) + 1e-12
        return float(b**2 / a * (p @ (p_top / p - 1.0) ** 2))


def importance(
    search: Any, *, quantile: float = 0.1, loss: int = 0, level: float = 0.9, resamples: int = 200, seed: int = 0
) -> list[LabelImportance]:
    """Return how important each label of *search* was for a trial to be among the best, the most important first.

    search: an `Experiment` or `Trials`. quantile: the part of the trials that are the best. loss: which of several
    losses is meant, 0 for the first. level: the part of the *resamples* of the trials whose shares lie between `low`
    and `high`; wide intervals mean that the search has too few trials to tell. seed: that of the resampling; the same
    trials give the same numbers.

    Only trials that ended with a loss count: neither failed, pruned, infeasible nor void ones. Raises `InvalidValue`
    if there are fewer than ten, and for a *quantile* or *level* that is not between 0 and 1.

    The method is PED-ANOVA (Watanabe, Bansal, Hutter 2023), extended to conditional labels: a label that is active in
    some trials only is credited with what its values decide there, and the choice above it with the rest. It is about
    the points that were tried: labels that an algorithm soon settled seem less important than they are.
    """
    for name, share in (("quantile", quantile), ("level", level)):
        if (real := as_real(share)) is None or not 0.0 < real < 1.0:
            raise InvalidValue(f"{name} is {share!r:.60}, and must be between 0 and 1")
    columns = columns_of(search)
    values = loss_column(columns, loss)
    ranked = ranked_positions(columns, values)
    if len(ranked) < FEWEST:
        raise InvalidValue(
            f"importance needs at least {FEWEST} trials with a loss; {columns['name']!r} has {len(ranked)}"
        )
    if not columns["labels"]:
        raise InvalidValue(
            f"{columns['name']!r} has no labels: nothing is known of what its parameters are drawn from",
            hint="for a study of Optuna's, call optuna.importance on `hstore.optuna.study(experiment)`",
        )
    found = np.array([values[i] for i in ranked], dtype=float)
    order = np.argsort(found, kind="stable")
    losses, kept = found[order], np.array(ranked)[order]
    labels = [_Cells(column, kept) for column in columns["labels"]]
    shares = _shares_of_all(labels, losses, np.ones(len(losses)), quantile)
    rng = np.random.default_rng(seed)
    even = np.full(len(losses), 1.0 / len(losses))
    drawn = np.array([
        _shares_of_all(labels, losses, rng.multinomial(len(losses), even).astype(float), quantile)
        for _ in range(resamples)
    ])  # fmt: skip
    tail = (1.0 - level) / 2.0
    ends = np.quantile(drawn, (tail, 1.0 - tail), axis=0) if resamples else np.array([shares, shares])
    result: list[LabelImportance] = [
        {"label": each.label, "importance": float(share), "low": float(low), "high": float(high),
         "active": float(each.is_active.mean())}
        for each, share, low, high in zip(labels, shares, *ends, strict=True)
    ]  # fmt: skip
    return sorted(result, key=lambda each: -each["importance"])


def _shares_of_all(labels: list[_Cells], losses: Floats, weights: Floats, quantile: float) -> Floats:
    """Return the share of each label, given ascending *losses* and how often each trial counts."""
    wanted = max(_LEAST_TOP, math.ceil(quantile * len(losses)))
    last = int(np.searchsorted(np.cumsum(weights), wanted))
    is_top = losses <= losses[min(last, len(losses) - 1)]
    explained = np.array([label.explained(weights, is_top) for label in labels])
    total = explained.sum()
    return explained / total if total > 0 else np.full(len(labels), 1.0 / max(1, len(labels)))


def _cells(column: LabelColumn, values: Floats) -> tuple[int, NDArray[np.intp]]:
    """Return the number of cells, and the cell of each of *values*."""
    if column["is_category"]:
        return len(column["options"]), values.astype(np.intp)
    low, high, step = column["low"], column["high"], column["step"]
    if low is None or high is None or not low < high:
        return 1, np.zeros(len(values), dtype=np.intp)
    n = _CELLS
    if step is not None:
        steps = (high - low) / step
        n = min(n, round(steps) + 1 if not column["is_log"] else math.ceil(math.log2(steps + 1)) + 1)
    if column["is_log"]:
        low, high, values = math.log(low), math.log(high), np.log(np.maximum(values, low))
    places = np.rint((values - low) / (high - low) * (n - 1))
    return n, np.clip(places, 0, n - 1).astype(np.intp)


def _shares(counts: Floats) -> Floats:
    """Return the density over categories, with one observation of a uniform prior beside *counts*."""
    density: Floats = (counts + 1.0 / len(counts)) / (counts.sum() + 1.0)
    return density


def _smoothed(counts: Floats) -> Floats:
    """Return the density over the cells of a number: a Parzen estimate, its width by Scott's rule.

    Scott, Multivariate Density Estimation (1992). Beside *counts* there is one observation of a prior as wide as the
    range. Kernels are normal, truncated to the range and integrated over each cell.
    """
    n, total = len(counts), counts.sum()
    (used,) = np.nonzero(counts)
    held = counts[used]
    mean = used @ held / total
    deviation = math.sqrt((used - mean) ** 2 @ held / max(1.0, total - 1.0))
    cumulative = np.cumsum(held)
    first = used[np.searchsorted(cumulative, total // 4)]
    third = used[min(len(used) - 1, np.searchsorted(cumulative, total * 3 // 4, side="right"))]
    width = 1.059 * min((third - first) / 1.34, deviation) * total**-0.2
    observed = _kernels(used.astype(float), max(width, _NARROWEST), n) @ held
    prior = _kernels(np.array([(n - 1) / 2.0]), float(n), n)[:, 0]
    density: Floats = (observed + prior) / (total + 1.0)
    return density


def _kernels(centres: Floats, width: float, n: int) -> Floats:
    """Return cells x centres: how much of a kernel around each of *centres* lies in each cell."""
    edges = (np.arange(n + 1)[:, None] - 0.5 - centres[None, :]) / width
    cumulative = _normal_cdf(edges)
    return np.asarray(np.diff(cumulative, axis=0) / (cumulative[-1] - cumulative[0]))


def _normal_cdf(x: Floats) -> Floats:
    distinct, places = np.unique(x, return_inverse=True)  # kernels of one width share most of theirs
    values = np.array([0.5 * math.erfc(-each / math.sqrt(2.0)) for each in distinct.tolist()])
    return values[places].reshape(x.shape)
