"""What figures of the run of a search show, as plain columns: learning curves, and who evaluated what when. Pure.

Times are POSIX seconds (UTC), as the writers of events recorded them.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from typing import Any, Literal, TypeAlias, TypedDict

from hstore.engine.analysis.trial_columns import Outcome, experiment_of, outcome_of
from hstore.store.events import Cancelled, Done, Event, Failed, Requeued, Reserved, Running, happened

AttemptOutcome: TypeAlias = Literal["done", "pruned", "failed", "requeued", "cancelled", "running"]
ATTEMPT_OUTCOMES: tuple[AttemptOutcome, ...] = ("done", "pruned", "failed", "requeued", "cancelled", "running")


class LearningCurve(TypedDict):
    """What the latest attempt of one trial reported, by step."""

    tid: int
    outcome: Outcome
    step: list[int]
    value: list[float]


class CurvesData(TypedDict):
    """The learning curves of one search, by tid: of the trials that reported anything."""

    name: str
    curves: list[LearningCurve]


class TimelineData(TypedDict):
    """The attempts of one search; all lists but *workers* have one entry an attempt, in the order of their start."""

    name: str
    workers: list[str]
    """In the order in which they first started a trial."""
    worker: list[int]
    """Position in *workers*."""
    tid: list[int]
    attempt: list[int]
    start: list[float]
    end: list[float | None]
    """None while it is running."""
    outcome: list[AttemptOutcome]


def curves_data(search: Any) -> CurvesData:
    """Return what each trial of *search* reported with `ctrl.report` or `should_stop`."""
    experiment = experiment_of(search)
    curves: list[LearningCurve] = []
    for trial in experiment.trials:
        if rows := trial.latest_reports:
            steps, values = ([row[i] for row in rows] for i in range(2))
            curves.append({"tid": int(trial.tid), "outcome": outcome_of(trial), "step": steps, "value": values})  # type: ignore[typeddict-item]
    return {"name": experiment.name, "curves": curves}


def timeline_data(search: Any) -> TimelineData:
    """Return when each worker of *search* evaluated which trial, as far as its events tell."""
    experiment = experiment_of(search)
    bars: list[tuple[float, float | None, str, int, int, AttemptOutcome]] = []
    for tid, chain in groupby(experiment.events, key=lambda event: event.tid):
        if tid is not None:
            bars += _attempts(chain)
    bars.sort(key=lambda bar: (bar[0], bar[3]))
    workers = list(dict.fromkeys(worker for _, _, worker, _, _, _ in bars))
    return {
        "name": experiment.name,
        "workers": workers,
        "worker": [workers.index(bar[2]) for bar in bars],
        "tid": [bar[3] for bar in bars],
        "attempt": [bar[4] for bar in bars],
        "start": [bar[0] for bar in bars],
        "end": [bar[1] for bar in bars],
        "outcome": [bar[5] for bar in bars],
    }


def _attempts(chain: Iterable[Event]) -> list[tuple[float, float | None, str, int, int, AttemptOutcome]]:
    bars: list[tuple[float, float | None, str, int, int, AttemptOutcome]] = []
    reserved: Reserved | None = None
    start: float | None = None
    for event in chain:
        if isinstance(event, Reserved):
            reserved, start = event, None
        elif isinstance(event, Running):
            start = happened(event).timestamp()
        elif isinstance(event, (Done, Failed, Requeued, Cancelled)) and reserved is not None:
            if start is not None:
                end = max(start, happened(event).timestamp())
                bars.append((start, end, reserved.worker, reserved.tid, reserved.attempt, _ended(event)))
            reserved = start = None
    if reserved is not None and start is not None:
        bars.append((start, None, reserved.worker, reserved.tid, reserved.attempt, "running"))
    return bars


def _ended(event: Event) -> AttemptOutcome:
    match event:
        case Done(pruned=True):
            return "pruned"
        case Done(status="ok"):
            return "done"
        case Requeued():
            return "requeued"
        case Cancelled():
            return "cancelled"
        case _:
            return "failed"


def unit_of(seconds: float) -> tuple[float, str]:
    """Return the seconds and the name of the unit in which a time of so many *seconds* is shown."""
    for unit, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit:
            return unit, name
    return 1.0, "seconds"
