"""The state of a search as `hstore status` shows it: progress, best, pace, workers, and the trials that they hold."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from hstore.engine.search.pace import pace_of
from hstore.store.as_of import PastLog
from hstore.store.experiment import Experiment, now
from hstore.store.experiment_summary import ExperimentSummary
from hstore.store.model_documents import experiment_document
from hstore.store.set_aside import SetAside
from hstore.store.state import State
from hstore.store.store import Store

COPIED = ("status", "why", "counts", "pruned", "trials", "limits", "best", "pareto", "last", "title", "archived")
"""What a survey has from the experiment's document as it is."""


def survey(summary: ExperimentSummary) -> dict[str, Any]:
    """Return what is known about the experiment of *summary*.

    Beside `name` and `COPIED`: `ended` and `of` (trials), `ends_per_minute`, `seconds_left`, `ends_at` (None unless the
    experiment is open and a pace is known), `held` (see `held_trials`), `workers` (see `worker_presence`),
    `unreadable` (see `unreadable_ends`), `set_aside` (see `told_aside`) and `as_of_event` (see `ExperimentSummary`).
    """
    experiment = summary.experiment
    is_past = isinstance(experiment.store.log, PastLog)
    moment = summary.last.at if is_past and summary.last is not None else now()
    document = experiment_document(summary)
    going = pace_of(summary.evaluations(), summary.ended, summary.limits, moment)
    is_open = summary.status == "open"
    left = going.left if is_open else None
    held = held_trials(experiment, moment)
    return {
        "name": document.pop("_id"),
        **{name: document.get(name) for name in COPIED},
        "ended": going.ended,
        "of": going.of,
        "ends_per_minute": going.per_minute if is_open else None,
        "seconds_left": None if left is None else left.total_seconds(),
        "ends_at": None if left is None else moment + left,
        "held": held,
        "unreadable": unreadable_ends(experiment.state),
        "set_aside": told_aside(experiment.set_aside_if_signed()),
        "workers": _workers(experiment, {each["worker"] for each in held}),
        "as_of_event": summary.as_of_event,
    }


def unreadable_ends(state: State) -> list[dict[str, Any]]:
    """Return `tid` (None: the experiment itself), `ver` and `why` of chains whose last event cannot be read here."""
    ends = [state.closed_by, *(state.trials[tid].closed_by for tid in state.closed)]
    return [{"tid": end.tid, "ver": end.ver, "why": end.why} for end in ends if end is not None]


def told_aside(aside: Iterable[SetAside]) -> list[dict[str, Any]]:
    """Return `tid`, `ver`, `type`, `by` and `why` of each event that is set *aside*."""
    return [{name: getattr(each, name) for name in ("tid", "ver", "type", "by", "why")} for each in aside]


def _workers(experiment: Experiment, holders: set[str]) -> list[dict[str, Any]]:
    """Return the workers of *experiment*: those that serve it, and those that still hold a trial of it."""
    if (claims := experiment.store.claims) is None:
        return []
    present = map(worker_presence, claims.workers())
    return [each for each in present if experiment.name in (each["experiments"] or ()) or each["name"] in holders]


def held_trials(experiment: Experiment, moment: dt.datetime) -> list[dict[str, Any]]:
    """Return the trials that workers hold at *moment*, by number.

    Of each `tid`, `worker`, `attempt`, `seconds` (since it was reserved, by the clock of its worker), `heartbeat_age`
    (seconds; None without a lease) and `is_silent` (whether its lease has run out).
    """
    leases = {held.tid: held for held in experiment.store.claims.held([experiment.name])}
    held = []
    for tid in experiment.state.awaited:
        trial = experiment.state.trials[tid]
        if trial.reserved is not None:
            lease = leases.get(tid)
            held.append(
                {
                    "tid": tid,
                    "worker": trial.reserved.worker,
                    "attempt": trial.attempt,
                    "seconds": max(0.0, (moment - trial.reserved.at).total_seconds()),
                    "heartbeat_age": lease.age if lease else None,
                    "is_silent": lease.is_over if lease else False,
                }
            )
    return held


def worker_presence(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a *document* of the collection `workers` says; `heartbeat_age` in seconds."""
    names = ("host", "pid", "state", "slots", "since", "experiments", "holds")
    return {
        "name": document["_id"], **{name: document.get(name) for name in names}, "heartbeat_age": document["age"],
    }  # fmt: skip


def survey_all(store: Store) -> dict[str, Any]:
    """Return the `experiments` of *store* that are not archived, see `Store.overview`, and all `workers`."""
    return {
        "experiments": [each for each in store.overview() if not each.get("archived")],
        "workers": list(map(worker_presence, store.claims.workers())),
    }
