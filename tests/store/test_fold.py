"""The fold: given these events, the trial or the experiment is that."""

import datetime as dt
import math
import random
import uuid
from itertools import pairwise
from typing import Any, NewType

import pytest
from histories import begin, live
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.drawing import examples

from hstore.store.errors import AllTrialsFailed
from hstore.store.events import (
    TYPES,
    Cancelled,
    Changed,
    Created,
    Done,
    Event,
    ExperimentEvent,
    Failed,
    Finished,
    Noted,
    Paused,
    Quarantined,
    Queued,
    Reported,
    Requeued,
    Reserved,
    Resumed,
    Running,
    TrialNumber,
    Unreadable,
)
from hstore.store.fold import FOLLOWS, evolve, why_not
from hstore.store.state import State, fold
from hstore.store.store import Store

DATA: dict[type[Event], dict[str, Any]] = {
    Queued: {"point": {"x": 1.0}, "params": {"x": 1.0}},
    Reserved: {"worker": "w", "host": "h", "attempt": 1},
    Running: {"pid": 1, "python": "3", "hstore": "0"},
    Quarantined: {"why": "stray", "events": [[0, 99, b"id", b"d" * 32]]},
    Reported: {"step": 1, "value": 0.5},
    Done: {"result": {"status": "ok", "loss": 1.0}, "status": "ok", "loss": 1.0},
    Failed: {"error": "E", "message": "m", "final": True},
    Requeued: {"why": "again"},
    Cancelled: {"why": "no"},
    Noted: {"note": "n"},
    Created: {k: {} for k in ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")},
    Changed: {"limits": {"max_evals": 3}},
    Paused: {"why": "lunch"},
    Resumed: {"why": "back"},
    Finished: {"why": "max_evals"},
    Unreadable: {"why": "bad", "raw": b""},
}


def event(kind: type[Event], tid: int | None, ver: int, **data: Any) -> Any:
    at = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    return kind(exp="e", tid=tid, ver=ver, id=uuid.uuid4(), at=at, by="h:1:t", **{**DATA.get(kind, {}), **data})


def chain(*kinds: Any, tid: int = 0) -> list[Event]:
    """Return the events of one trial; a kind, or (kind, data)."""
    events = []
    for ver, kind in enumerate((Queued, *kinds)):
        what, data = kind if isinstance(kind, tuple) else (kind, {})
        events.append(event(what, tid, ver, **data))
    return events


def done(loss: float | None, status: str = "ok") -> Any:
    return Done, {"result": {}, "loss": loss, "status": status}


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((), "queued"),
        ((Reserved,), "reserved"),
        ((Reserved, Running), "running"),
        ((Reserved, Running, Reported), "running"),
        ((Reserved, Running, Done), "done"),
        ((Reserved, Running, Failed), "failed"),
        ((Reserved, Failed), "failed"),
        ((Reserved, Requeued), "queued"),
        ((Reserved, Running, Requeued, Reserved), "reserved"),
        ((Reserved, Running, Failed, Requeued), "queued"),
        ((Cancelled,), "cancelled"),
        ((Reserved, Running, Cancelled), "cancelled"),
        ((Reserved, Running, Done, Noted), "done"),
        ((Reserved, Unreadable), "reserved"),
    ],
)
def test_a_trial_is_in_the_state_that_its_events_lead_to(kinds: tuple[Any, ...], state: str) -> None:
    events = chain(*kinds)
    (trial,) = fold("e", events).trials.values()
    assert trial.state == state
    assert trial.ver == len(events) - 1
    assert trial.last is events[-1]


def test_an_end_that_was_requeued_leaves_nothing_behind() -> None:
    (trial,) = fold("e", chain(Reserved, Running, Done, Requeued)).trials.values()
    assert (trial.loss, trial.end, trial.reserved, trial.running) == (None, None, None, None)


def test_a_trial_can_only_go_where_the_table_says() -> None:
    (trial,) = fold("e", chain(Reserved)).trials.values()
    assert why_not(trial, event(Running, 0, 2)) is None
    assert why_not(trial, event(Done, 0, 2)) == "the trial is reserved"
    assert why_not(trial, event(Running, 0, 3)) == "its place is 3, the chain goes on at 2"
    assert why_not(None, event(Running, 0, 0)) == "the trial does not exist"
    assert set(FOLLOWS) | {"queued"} == {
        t for t, kind in TYPES.items() if t == "noted" or not issubclass(kind, ExperimentEvent)
    }


def test_the_best_is_the_smallest_loss_of_status_ok_the_first_on_ties() -> None:
    losses = [math.nan, 2.0, 1.0, 1.0, math.inf, None]
    events = [e for tid, loss in enumerate(losses) for e in chain(Reserved, Running, done(loss), tid=tid)]
    events += chain(Reserved, Running, done(-5.0, "fail"), tid=6)
    assert fold("e", events).require_best().tid == 2
    with pytest.raises(AllTrialsFailed):
        fold("e", events[:4]).require_best()


@pytest.mark.parametrize("after", [(Requeued, {}), (Noted, {"void": True})])
def test_a_best_that_is_taken_back_makes_room_for_the_next(after: tuple[type[Event], dict[str, Any]]) -> None:
    first = chain(Reserved, Running, done(1.0), after)
    second = chain(Reserved, Running, done(2.0), tid=1)
    assert fold("e", [*first, *second]).require_best().tid == 1
    assert fold("e", [*second, *first]).require_best().tid == 1


def test_ends_are_news_until_a_decision_has_observed_them() -> None:
    state = fold("e", [*chain(Reserved, Running, Done), *chain(Reserved, Running, Failed, tid=1)])
    assert state.observations.unobserved == [0, 1]
    state.take([event(Queued, 2, 0, observed=[[0, 3, b""]])])
    assert state.observations.unobserved == [1]
    state.take([event(Queued, 3, 0, observed=[[1, 3, b""]])])
    assert state.observations.unobserved == []
    state.take([event(Noted, 0, 4)])
    assert state.observations.unobserved == []  # a note is no news to an algorithm
    state.take([event(Noted, 0, 5, void=True), event(Requeued, 1, 4)])
    assert state.observations.unobserved == [0, 1]


def test_changes_of_the_experiment_are_news_too() -> None:
    state = fold("e", [event(Created, None, 0), event(Noted, None, 1, about=[7])])
    assert state.observations.unobserved == []
    assert state.observations.watched == {7}
    state.take([event(Changed, None, 2), event(Paused, None, 3)])
    assert (state.status, state.why, state.limits, state.observations.unobserved) == (
        "paused",
        "lunch",
        {"max_evals": 3},
        [None],
    )
    state.take([event(Resumed, None, 4), event(Finished, None, 5, observed=[[None, 4, b""]])])
    assert (state.status, state.why) == ("finished", "max_evals")


def test_attachments_are_replaced_and_removed_by_name() -> None:
    def attached(name: str, **more: Any) -> Any:
        return Reported, {"attachment": {"name": name, "sha256": b"", "length": 1, **more}}

    reports = (attached("a"), attached("b"), attached("a", length=2), attached("b", removed=True))
    (trial,) = fold("e", chain(Reserved, Running, *reports)).trials.values()
    assert {name: a["length"] for name, a in trial.attachments.items()} == {"a": 2}


def snapshot(state: State) -> Any:
    best = state.best.tid if state.best else None
    return (
        dict(state.trials),
        state.counts,
        state.status,
        state.why,
        state.limits,
        best,
        dict(state.open),
        state.observations.known,
        set(state.observations.unobserved),
        state.events,
        state.ver,
    )


@settings(max_examples=examples(30), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_folding_in_pieces_is_folding_at_once(seed: int, steps: int, cuts: list[int]) -> None:
    experiment = begin(Store.in_memory())
    live(experiment, seed, steps)
    events = experiment.received
    pieces = State("e")
    edges = [0, *sorted(min(cut, len(events)) for cut in cuts), len(events)]
    for start, end in pairwise(edges):
        pieces.take(events[start:end])
    assert repr(snapshot(pieces)) == repr(snapshot(fold("e", events)))
    assert repr(snapshot(pieces)) == repr(snapshot(experiment.state))


@given(st.lists(st.sampled_from([kind for kind in DATA if kind is not Created]), max_size=15), st.integers(0, 2**32))
def test_the_fold_refuses_nothing(kinds: list[type[Event]], seed: int) -> None:
    rng = random.Random(seed)
    events = [event(kind, rng.choice([None, 0, 1]), ver) for ver, kind in enumerate(kinds)]
    state = fold("e", events)
    assert state.events == len(events)
    assert sum(state.counts.values()) == len(state.trials)


def test_evolve_does_not_touch_what_it_is_given() -> None:
    first, second = chain(Reserved)
    before = evolve(None, first)
    evolve(before, second)
    assert before == evolve(None, first)


def test_a_failure_that_is_not_final_is_no_end() -> None:
    failed = chain(Reserved, Running, (Failed, {"final": False}))
    state = fold("e", failed)
    assert state.trials[0].state == "failed"
    assert not state.trials[0].is_finished
    assert (dict(state.open), state.observations.unobserved) == ({0: 3}, [])  # its chain goes on, so it is read on
    state.take([event(Requeued, 0, 4), event(Reserved, 0, 5), event(Failed, 0, 6)])
    assert (dict(state.open), state.observations.unobserved) == ({}, [0])


def test_a_new_end_after_a_person_retried_is_news_again() -> None:
    first = chain(Reserved, Running, done(1.0))
    state = fold("e", [*first, event(Queued, 1, 0, observed=[[0, 3, b""]])])
    state.take([event(Requeued, 0, 4)])
    assert (state.observations.unobserved, state.best, dict(state.open)) == ([0], None, {0: 4, 1: 0})
    state.take([event(Reserved, 0, 5), event(Running, 0, 6), event(Done, 0, 7, result={}, loss=3.0, status="ok")])
    assert state.observations.unobserved == [0]
    assert state.require_best().loss == 3.0
    state.take([event(Queued, 2, 0, observed=[[0, 7, b""]])])
    assert (state.observations.unobserved, state.observations.known) == ([], {0: 7})


def test_what_a_decision_observed_is_no_news_when_its_chain_is_read_later() -> None:
    decided = event(Queued, 1, 0, observed=[[0, 3, b""]])
    state = fold("e", [decided, *chain(Reserved, Running, Done), event(Noted, 0, 4, void=True)])
    assert state.observations.unobserved == [0]  # the void, not the end
    assert fold("e", [decided, *chain(Reserved, Running, Done)]).observations.unobserved == []


def test_the_best_is_as_it_is_now() -> None:
    state = fold("e", chain(Reserved, Running, done(1.0)))
    state.take([event(Noted, 0, 4, tags=["good"])])
    assert state.require_best() is state.trials[0]
    assert state.require_best().tags == ("good",)


def test_a_change_to_nothing_is_a_change() -> None:
    limits = {"limits": {"max_evals": 9}}
    state = fold("e", [event(Created, None, 0, **limits), event(Changed, None, 1, limits=None)])
    assert state.limits == {"max_evals": 9}
    state.take([event(Changed, None, 2, limits={})])
    assert state.limits == {}


@given(st.lists(st.tuples(st.sampled_from([1.0, 2.0, math.nan, None]), st.integers(0, 3)), max_size=12), st.data())
def test_the_best_is_what_looking_at_all_trials_finds(
    steps: list[tuple[float | None, int]], data: st.DataObject
) -> None:
    state = State("e")
    vers: dict[int, int] = {}
    for loss, tid in steps:
        kinds: list[Any] = [done(loss), (Noted, {"void": True}), (Noted, {"void": False}), (Requeued, {})]
        ver = vers[tid] = vers.get(tid, -1) + 1
        kind, more = data.draw(st.sampled_from(kinds)) if ver else (Queued, {})
        state.take([event(kind, tid, ver, **more)])
        ranked = [
            (trial.loss, trial.tid)
            for trial in state.trials.values()
            if trial.loss is not None and not math.isnan(trial.loss) and not trial.is_void
        ]
        assert (state.best.tid if state.best else None) == (min(ranked)[1] if ranked else None)


def test_a_checker_refuses_to_take_another_numbering_for_a_trials_number() -> None:
    """That the comments below are needed is what mypy checks: it complains of one that ignores nothing."""
    document_tid = NewType("document_tid", int)
    (trial,) = fold("e", chain(Reserved)).trials.values()

    def number_of(tid: TrialNumber) -> int:
        return tid

    assert number_of(trial.tid) == 0
    assert number_of(document_tid(0)) == 0  # type: ignore[arg-type]
    assert trial.tid == document_tid(0)  # type: ignore[comparison-overlap]


def test_a_search_without_a_best_says_how_many_trials_failed_and_why() -> None:
    with pytest.raises(AllTrialsFailed, match=r"no trial of 'e' finished with a usable loss$"):
        fold("e", chain(Reserved, Running)).require_best()
    failed = [*chain(Reserved, Running, Failed), *chain(Reserved, Running, Failed, tid=1)]
    with pytest.raises(AllTrialsFailed, match=r"usable loss \(2 failed; most frequent error, 2 times: \w+: .+\)$"):
        fold("e", failed).require_best()


@pytest.mark.parametrize("seed", range(4))
def test_events_read_at_once_give_the_state_that_they_give_one_by_one(seed: int) -> None:
    experiment = begin(Store.in_memory())
    live(experiment, seed, 120)
    ordered = experiment.events
    at_once, one_by_one = State("e"), State("e")
    at_once.take(ordered)
    for each in ordered:
        one_by_one.take([each])
    for name in ("ver", "status", "last", "events", "counts", "pruned", "suggested", "best", "pareto", "closed"):
        assert repr(getattr(at_once, name)) == repr(getattr(one_by_one, name)), name
    assert repr(dict(at_once.trials)) == repr(dict(one_by_one.trials))
    assert dict(at_once.open) == dict(one_by_one.open)
    assert at_once.observations.unobserved == one_by_one.observations.unobserved
    assert at_once.observations.known == one_by_one.observations.known
