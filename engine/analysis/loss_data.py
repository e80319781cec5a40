"""What figures of losses show, as plain columns: history, quantiles over searches, distribution, Pareto front. Pure.

All lists; what is missing is None. *loss* is the number of a loss where a search has several, 0 for the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np

from hstore.engine.analysis.trial_columns import Outcome, columns_of, experiment_of, loss_column
from hstore.store.errors import InvalidValue

FAR = 4.0
"""How many times the spread of nine tenths of the losses the rest may take before they are cut off."""


class HistoryData(TypedDict):
    """The trials of one search in the order in which they were decided; all lists have one entry a trial."""

    name: str
    tid: list[int]
    outcome: list[Outcome]
    loss: list[float | None]
    best: list[float | None]
    """The smallest loss of the ranked trials up to this one; None before the first of them."""


class QuantilesData(TypedDict):
    """The best loss so far of several searches: its quantiles after 1, 2, 3, … trials."""

    names: list[str]
    trials: list[int]
    low: list[float | None]
    middle: list[float | None]
    high: list[float | None]
    """Lower quartile, median and upper quartile; None before each search has a loss."""


class DistributionData(TypedDict):
    """The empirical distribution of the losses of one search."""

    name: str
    loss: list[float]
    """Ascending: of trials that are ranked."""
    share: list[float]
    """For each loss the part of the trials with a loss that is not greater, 0 to 1."""


class ParetoData(TypedDict):
    """The trials with several losses; all lists but *losses* have one entry a trial."""

    name: str
    tid: list[int]
    outcome: list[Outcome]
    losses: list[list[float]]
    """For each loss its value in each trial."""
    is_front: list[bool]
    """Whether the trial is on the Pareto front."""


def history_data(search: Any, *, loss: int = 0) -> HistoryData:
    """Return loss and best loss so far of each trial of *search*; raises `InvalidValue` for a loss that it lacks."""
    columns = columns_of(search)
    losses = loss_column(columns, loss)
    best: list[float | None] = []
    smallest: float | None = None
    for outcome, value in zip(columns["outcome"], losses, strict=True):
        if outcome == "ok" and value is not None and (smallest is None or value < smallest):
            smallest = value
        best.append(smallest)
    return {
        "name": columns["name"], "tid": columns["tid"], "outcome": columns["outcome"], "loss": losses, "best": best,
    }  # fmt: skip


def quantiles_data(searches: Sequence[Any], *, loss: int = 0) -> QuantilesData:
    """Return quartiles of the best loss so far over *searches*; one that ended early keeps its best.

    Raises `InvalidValue` without searches.
    """
    if not searches:
        raise InvalidValue("there are no searches to compare")
    histories = [history_data(search, loss=loss) for search in searches]
    longest = max(len(each["best"]) for each in histories)
    table = np.full((len(histories), longest), np.nan)
    for row, each in zip(table, histories, strict=True):
        best = np.array(each["best"], dtype=float)
        row[: len(best)] = best
        row[len(best) :] = best[-1] if len(best) else np.nan
    is_whole = ~np.isnan(table).any(axis=0)
    quartiles = np.full((3, longest), np.nan)
    quartiles[:, is_whole] = np.quantile(table[:, is_whole], (0.25, 0.5, 0.75), axis=0)
    low, middle, high = ([None if np.isnan(x) else float(x) for x in row] for row in quartiles)
    names = [each["name"] for each in histories]
    return {"names": names, "trials": list(range(1, longest + 1)), "low": low, "middle": middle, "high": high}


def edf_data(search: Any, *, loss: int = 0) -> DistributionData:
    """Return the empirical distribution of the losses of the ranked trials of *search*."""
    columns = columns_of(search)
    pairs = zip(columns["outcome"], loss_column(columns, loss), strict=True)
    losses = sorted(value for outcome, value in pairs if outcome == "ok" and value is not None)
    return {"name": columns["name"], "loss": losses, "share": [(n + 1) / len(losses) for n in range(len(losses))]}


def pareto_data(search: Any) -> ParetoData:
    """Return the trials of *search* that have all of its losses; raises `InvalidValue` if it has not several."""
    columns = columns_of(search)
    if len(columns["losses"]) < 2:
        raise InvalidValue(f"{columns['name']!r} has one loss", hint="a Pareto front is of two losses or more")
    rows = list(zip(*columns["losses"], strict=True))
    kept = [i for i, row in enumerate(rows) if None not in row]
    front = {int(trial.tid) for trial in experiment_of(search).state.pareto}
    return {
        "name": columns["name"],
        "tid": [columns["tid"][i] for i in kept],
        "outcome": [columns["outcome"][i] for i in kept],
        "losses": [[value for i in kept if (value := column[i]) is not None] for column in columns["losses"]],
        "is_front": [columns["tid"][i] in front for i in kept],
    }


def cut(losses: Sequence[float]) -> float | None:
    """Return above which loss the axis is cut off, if few losses are so far above the rest; None if none are."""
    if len(losses) < 10:
        return None
    ordered = sorted(losses)
    least, most, greatest = ordered[0], ordered[int(0.9 * (len(ordered) - 1))], ordered[-1]
    limit = most + 0.5 * (most - least)
    return limit if most > least and greatest - least > FAR * (most - least) else None
