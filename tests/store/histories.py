"""Random histories of an experiment: valid steps of drivers, workers and people."""

from __future__ import annotations

import math
import random
from typing import Any

from hstore.store.events import (
    Cancelled,
    Changed,
    Done,
    Event,
    Failed,
    Finished,
    Noted,
    Paused,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Resumed,
    Running,
)
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store

CREATED: dict[str, Any] = {
    key: {} for key in ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
}


def begin(store: Store, name: str = "e") -> Experiment:
    experiment = Experiment(store, name)
    assert experiment.begin(CREATED)
    return experiment


def step(experiment: Experiment, rng: random.Random) -> list[PendingEvent]:
    """Return one thing that may happen next."""
    trials = experiment.state.trials
    if not trials or rng.random() < 0.25:
        data = {
            "point": {"x": rng.random(), "a.b": 1, "$c": 0},
            "params": {"x": rng.random(), "a.b": "one", "$c": "zero"},
        }
        return [(Queued, len(trials), data | {"observed": experiment.observed(), "seed": rng.randrange(99)})]
    if rng.random() < 0.1:
        return [_header(experiment, rng)]
    tid = rng.randrange(len(trials))
    return [_trial(experiment, tid, trials[tid].state, trials[tid].attempt, rng)]


def _header(experiment: Experiment, rng: random.Random) -> PendingEvent:
    ends: list[tuple[type[Event], dict[str, Any]]] = [
        (Paused, {"why": "lunch"}),
        (Resumed, {"why": "back"}),
        (Changed, {"limits": {"max_evals": rng.randrange(9)}}),
        (Noted, {"note": "hm", "about": [0]}),
        (Finished, {"why": "done", "observed": experiment.observed()}),
    ]
    kind, data = rng.choice(ends)
    return kind, None, data


def _trial(experiment: Experiment, tid: int, state: str, attempt: int, rng: random.Random) -> PendingEvent:
    loss = rng.choice([rng.random(), 0.5, math.nan, math.inf, -math.inf])
    done: dict[str, Any] = {
        "result": {"status": "ok", "loss": loss, "$odd.key": [1]},
        "status": "ok",
        "loss": loss,
        "duration": 0.1,
    }
    failed: dict[str, Any] = {"result": {"status": "fail"}, "status": "fail"}
    notes: list[dict[str, Any]] = [
        {"tags": ["good"]},
        {"void": rng.random() < 0.5},
        {"note": "n"},
        {"amend": {"loss": loss}},
    ]
    noted = Noted, rng.choice(notes)
    requeued = (Requeued, {"why": "again"})
    choices: dict[str, list[tuple[type[Event], dict[str, Any]]]] = {
        "queued": [
            (Reserved, {"worker": "h:1:w", "host": "h", "attempt": attempt + 1}),
            noted,
            (Cancelled, {"why": "no"}),
        ],
        "reserved": [(Running, {"pid": 1, "python": "3", "hstore": "0"}), requeued],
        "running": [
            (Done, done),
            (Done, done),
            (Done, failed),
            requeued,
            (Reported, {"step": 1, "value": 0.5}),
            (Failed, {"error": "E", "message": "m", "final": True}),
        ],
        "done": [noted, requeued],
        "failed": [noted, requeued],
        "cancelled": [noted, requeued],
    }
    kind, data = rng.choice(choices[state])
    return kind, tid, data


def live(experiment: Experiment, seed: int, steps: int) -> None:
    """Append *steps* random steps."""
    rng = random.Random(seed)
    for _ in range(steps):
        experiment.append(experiment.compose(*step(experiment, rng)), more_to_come=rng.random() < 0.3)
