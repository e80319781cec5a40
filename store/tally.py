"""Tally: the trials of many experiments, counted now, and the best of each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hstore.migrations.m0006_results import IS_RANKED
from hstore.store.events import Document
from hstore.store.lazy_dataclass import lazy_dataclass

if TYPE_CHECKING:
    from pymongo.collection import Collection

FEW = 10
"""Of so many experiments at most the best trial is looked up one by one, by an index."""
BEST_BY_INDEX = [("status", 1), ("loss_kind", 1), ("loss", 1), ("tid", 1)]
"""What an index of `trials` has behind `exp`. The kinds of losses sort as the losses do."""
WITH_LOSS = {"status": "ok", "loss_kind": {"$in": ["-inf", "finite", "inf"]}, "$expr": IS_RANKED}
"""The ranked trials with one loss."""


@lazy_dataclass(frozen=True, slots=True)
class Tally:
    """The trials of an experiment, counted now."""

    counts: dict[str, int]
    """By state."""
    best: Document
    """tid, loss, loss_kind and params of the best, as in `experiments`; empty if there is none."""


def read_tally(trials: Collection[Document], names: Sequence[str]) -> dict[str, Tally]:
    """Return the tally of each of the experiments *names* that has *trials*."""
    if not names:
        return {}
    if len(names) > FEW:
        return _read_all(trials, names)
    # Both queries read indexes only, but for the best trials.
    states = {"_id": {"exp": "$exp", "state": "$state"}, "n": {"$sum": 1}}
    found: dict[str, Tally] = {}
    steps: list[Document] = [{"$match": {"exp": {"$in": [*names]}}}, {"$group": states}, {"$sort": {"_id": 1}}]
    for each in trials.aggregate(steps):
        tally = _tally_of(found, each)
        if type(state := each["_id"].get("state")) is str:  # else no program of hstore wrote it
            tally.counts[state] = each["n"]
    for name, tally in found.items():
        fields = {"_id": 0, "loss_kind": 1, "loss": 1, "tid": 1, "params": 1}
        best = trials.find_one({"exp": name, **WITH_LOSS}, fields, sort=BEST_BY_INDEX)
        tally.best.update(best or {})
    return found


def _read_all(trials: Collection[Document], names: Sequence[str]) -> dict[str, Tally]:
    has_loss = {"$and": [IS_RANKED, {"$gt": ["$loss_kind", None]}]}
    # Documents are compared field by field, as BEST_BY_INDEX sorts them.
    best = {"loss_kind": "$loss_kind", "loss": "$loss", "tid": "$tid", "params": "$params"}
    group = {"_id": {"exp": "$exp", "state": "$state"}, "n": {"$sum": 1},
             "best": {"$min": {"$cond": [has_loss, best, None]}}}  # fmt: skip
    found: dict[str, Tally] = {}
    for each in trials.aggregate([{"$match": {"exp": {"$in": [*names]}}}, {"$group": group}, {"$sort": {"_id": 1}}]):
        tally = _tally_of(found, each)
        if type(state := each["_id"].get("state")) is str:
            tally.counts[state] = each["n"]
            tally.best.update(each["best"] or {})  # only trials that are done are ranked
    return found


def _tally_of(found: dict[str, Tally], group: Document) -> Tally:
    return found.setdefault(group["_id"]["exp"], Tally({}, {}))
