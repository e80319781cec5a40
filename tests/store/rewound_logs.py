"""Logs of a trial or two, and ways in which a store loses events of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pymongo.database import Database

from hstore.store.events import Done, Queued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store

Removal = Callable[[Database[Any]], Any]


def queued(tid: int) -> PendingEvent:
    return Queued, tid, {"point": {"x": float(tid)}, "params": {"x": float(tid)}}


def claimed(tid: int) -> list[PendingEvent]:
    return [
        (Reserved, tid, {"worker": "w", "host": "h", "attempt": 1}),
        (Running, tid, {"pid": 1, "python": "3", "hstore": "0"}),
    ]


def ended(tid: int) -> PendingEvent:
    return Done, tid, {"result": {"status": "ok", "loss": 1.0}, "status": "ok", "loss": 1.0}


def begun(store: Store, trials: int = 3) -> Experiment:
    """Return an experiment of *trials* that ended, and one more that runs; all written in many appends."""
    experiment = Experiment(store, "e")
    empty = ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
    experiment.begin({name: {} for name in empty})
    for tid in range(trials):
        experiment.append(experiment.compose(queued(tid), *claimed(tid)))
        experiment.append(experiment.compose(ended(tid)))
    experiment.append(experiment.compose(queued(trials), *claimed(trials)))
    return experiment


def after_trial(tid: int) -> Removal:
    return lambda database: database["events"].delete_many({"tid": {"$gte": tid}})


REMOVALS = [
    pytest.param(after_trial(2), id="an older backup is put back"),
    pytest.param(after_trial(3), id="the running trial is gone"),
    pytest.param(lambda database: database["events"].delete_many({}), id="emptied"),
    pytest.param(lambda database: database.client.drop_database(database.name), id="dropped"),
    pytest.param(lambda database: database["events"].delete_one({"tid": None}), id="its own chain is gone"),
    pytest.param(lambda database: database["events"].delete_one({"tid": 3, "ver": 2}), id="the end of an open chain"),
    pytest.param(lambda database: database["events"].delete_one({"tid": 3, "ver": 0}), id="the last decision"),
]
