"""Pace: how fast a search goes, and when it will have all its trials. Pure; the clock is an argument."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from hstore.store.events import Cancelled
from hstore.store.fold import Trial
from hstore.store.state import State

Span: TypeAlias = tuple[dt.datetime, dt.datetime]
"""When the evaluation of a trial began and ended."""
WHILE = dt.timedelta(minutes=10)
"""The pace is that of the trials which ended within this time, …"""
FEWEST = 10
"""… but of no fewer than these: a search of long trials has a pace as well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How fast trials end, and what that comes to."""

    ended: int
    """Trials that have ended, in all."""
    of: int | None
    """How many there will be; None if nothing says."""
    per_minute: float | None
    """How many ended per minute of late; None if none did."""
    left: dt.timedelta | None
    """Until all have ended, at this pace."""


def pace(state: State, now: dt.datetime) -> Pace:
    """Return the pace of *state* at *now*, as far as the writers' clocks and this one agree."""
    trials = state.trials.values()
    evaluated = [trial for trial in trials if trial.is_finished and not isinstance(trial.end, Cancelled)]
    ended = sum(trial.is_finished for trial in trials)
    return pace_of([(_begin(trial), _end(trial)) for trial in evaluated], ended, state.limits, now)


def pace_of(evaluations: Iterable[Span], ended: int, limits: Mapping[str, Any], now: dt.datetime) -> Pace:
    """Return the pace at *now*.

    evaluations: when trials that were evaluated began and ended; the latest are enough. ended: how many trials have
    ended, in all. limits: of the experiment.
    """
    limit = limits.get("max_evals")
    of = int(limit) if isinstance(limit, (int, float)) else None
    by_end = sorted(evaluations, key=lambda span: span[1])
    recent = [span for span in by_end if span[1] > now - WHILE]
    if len(recent) < FEWEST:
        recent = by_end[-FEWEST:]
    if not recent:
        return Pace(ended=ended, of=of, per_minute=None, left=None)
    # From when the first of them was taken: a night between two runs of a search is no part of its pace.
    minutes = (now - min(began for began, _ in recent)).total_seconds() / 60
    per_minute = len(recent) / minutes if minutes > 0 else None
    left = None
    if of is not None and per_minute:
        left = dt.timedelta(minutes=max(0, of - ended) / per_minute)
    return Pace(ended=ended, of=of, per_minute=per_minute, left=left)


def _end(trial: Trial) -> dt.datetime:
    assert trial.end is not None
    return trial.end.at


def _begin(trial: Trial) -> dt.datetime:
    return trial.reserved.at if trial.reserved else _end(trial)
