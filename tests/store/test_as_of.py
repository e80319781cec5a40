"""As of: a view of the past equals the state of a search that was stopped there."""

from __future__ import annotations

import datetime as dt
import itertools
import random
from typing import Any

import numpy as np
import pytest
from histories import begin, step
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore import Trials, fmin, hp, rand
from hstore.store import composing
from hstore.store.as_of import parse
from hstore.store.errors import InvalidEvent, InvalidValue, NotFound
from hstore.store.events import Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.store import Store

START = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event has a second of its own."""
    seconds = itertools.count()
    monkeypatch.setattr(composing, "now", lambda: START + dt.timedelta(seconds=next(seconds)))


def folded(experiment: Experiment) -> dict[str, Any]:
    """All of a state that anybody can see."""
    state = experiment.state
    return {
        "trials": sorted(state.trials.items()), "status": state.status, "why": state.why, "limits": state.limits,
        "counts": sorted(state.counts.items()), "best": state.best, "notes": state.notes,
        "open": sorted(state.open.items()),
    }  # fmt: skip


@settings(max_examples=examples(10), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_after_any_history_a_view_equals_the_state_of_a_search_stopped_there(
    clock: None, seed: int, steps: int
) -> None:
    experiment, rng = begin(Store.in_memory()), random.Random(seed)
    stopped: dict[int | dt.datetime, str] = {}
    for _ in range(steps):
        pending = step(experiment, rng)
        kind, tid, _ = pending[0]
        before = repr(folded(experiment))
        if kind is Queued:
            assert tid is not None
            stopped[tid] = before  # what its decision knows is all there is
        events = experiment.compose(*pending)
        stopped[events[0].at - dt.timedelta(milliseconds=1)] = before
        experiment.append(events)
    for at, expected in stopped.items():
        assert repr(folded(experiment.store.experiment("e", at=at))) == expected


def test_as_of_a_decision_a_search_is_the_one_that_had_so_many_trials(trials: Trials) -> None:
    space = {"x": hp.uniform("x", 0, 1)}
    fmin(lambda p: p["x"], space, rand.suggest, 9, trials=trials, rstate=0, verbose=False)
    shorter = Trials()
    fmin(lambda p: p["x"], space, rand.suggest, 5, trials=shorter, rstate=0, verbose=False)
    experiment = trials.experiment
    view = experiment.store.experiment(experiment.name, at=5)
    assert [trial.loss for trial in view.trials] == shorter.losses()
    assert view.best.loss == shorter.experiment.best.loss
    assert view.state.status == "open"


def test_a_correction_is_not_in_the_view_of_a_decision_before_it() -> None:
    trials = Trials()
    fmin(lambda p: p["x"], {"x": hp.uniform("x", 0, 1)}, rand.suggest, 6, trials=trials, rstate=0, verbose=False)
    experiment = trials.experiment
    loss = experiment.trials[2].loss
    experiment.amend(2, loss=-1.0, reason="r")
    assert experiment.store.experiment(experiment.name, at=4).trials[2].loss == loss
    assert experiment.store.experiment(experiment.name, at=6).trials[2].loss == -1.0


def test_what_a_decision_did_not_know_is_left_out_and_the_past_cannot_be_written_to() -> None:
    experiment = begin(Store.in_memory())
    experiment.append(experiment.compose((Queued, 0, {"point": {}, "params": {}}), (Noted, 0, {"tags": ["t"]})))
    view = experiment.store.experiment("e", at=0)
    assert view.trials == []
    with pytest.raises(InvalidEvent, match="as of decision 0"):
        view.note("hm")
    with pytest.raises(NotFound, match="no decision 2"):
        experiment.store.experiment("e", at=2)
    with pytest.raises(NotFound, match="had not begun"):
        experiment.store.experiment("e", at="2001-01-01")
    assert experiment.store.overview(at="2001-01-01") == []
    with pytest.raises(InvalidValue, match="say nothing of others"):
        experiment.store.overview(at=0)


def test_moments_are_numbers_times_in_utc_and_times_ago() -> None:
    at = {"50": 50, "2026-01-01 00:00": START, "2026-01-01T01:00+01:00": START, "2h-ago": START - dt.timedelta(hours=2),
          "1.5d ago": START - dt.timedelta(days=1.5)}  # fmt: skip
    assert {text: parse(text, START) for text in at} == at
    assert parse(START.date(), START) == START
    assert type(parse(np.int64(50), START)) is int
    for wrong in ("yesterday", "-1", "", -1, True, 1.5, np.array(1.5), "99999999h-ago"):
        with pytest.raises(InvalidValue, match="no moment"):
            parse(wrong, START)  # type: ignore[arg-type]
