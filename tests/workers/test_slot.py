"""Trials that take less time than it takes to hand them out: several are claimed at once, and none waits in vain."""

import signal
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.waiting import GENEROUS, until_read
from tests.workers.objectives import ODD, dies_once, kills_its_worker, raises, raises_once, reports, slow_once, square
from tests.workers.serving import begin, is_over, worker

from hstore.engine.audit.check import check
from hstore.engine.evaluation import attempt
from hstore.store.claims import Claims, TrialKey
from hstore.store.events import Done, Event, Requeued, Reserved
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.mongo import MongoLog
from hstore.store.store import Store
from hstore.workers import run

N = 24


@pytest.fixture
def served(mongo_store: Store, mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Experiment]:
    """Have one worker, to whom all trials of less than *moment* seconds are quick, do a search of N; return it."""

    def serve(
        objective: Callable[..., Any], *, moment: float = 60.0, code: int = 0, are_left: int = 0, **terms: Any
    ) -> Experiment:
        for name in ("slot.QUICK", "slot.MOMENT", "child.MOMENT"):
            monkeypatch.setattr(f"hstore.workers.{name}", moment)
        experiment = begin(mongo_store, "e", objective, N)
        assert run(mongo_url, ["e"], burst=True, quiet=True, **terms) == code
        experiment.refresh()
        assert len(experiment.state.open) == are_left
        assert check(mongo_store, "e") == []
        return experiment

    return serve


def order(store: Store) -> list[tuple[str, int]]:
    """Return (type, tid) of the events of trials in the order in which the server took them in."""
    documents = [document for document in store.log.documents("e") if document.get("tid") is not None]
    return [(d["type"], d["tid"]) for d in sorted(documents, key=lambda d: d["ts"])]


def released(experiment: Experiment) -> list[int]:
    return [e.tid for e in experiment.events if isinstance(e, Requeued) and e.cause == "released" and e.tid is not None]


def test_several_are_claimed_at_once_and_begun_one_after_the_other(
    mongo_store: Store, served: Callable[..., Experiment]
) -> None:
    experiment = served(square)
    assert experiment.state.counts == {"done": N}
    assert [trial.loss for trial in experiment.trials] == [trial.point["x"] ** 2 for trial in experiment.trials]
    assert released(experiment) == []
    order_of_events = order(mongo_store)
    assert [kind for kind, _ in order_of_events[-15:]] == [
        *["reserved", "running", "reserved", "reserved", "reserved"],
        *["done", "running", "done", "running", "done", "running", "done"],
        *["reserved", "running", "done"],  # the last one
    ]
    begun = [tid for kind, tid in order_of_events if kind == "running"]
    assert begun == sorted(begun)


def test_those_behind_one_that_takes_long_are_put_back_and_nothing_counts_it(
    served: Callable[..., Experiment],
) -> None:
    experiment = served(slow_once, moment=1.0)
    assert experiment.state.counts == {"done": N}
    behind = released(experiment)
    assert behind
    for tid in behind:
        trial = experiment.state.trials[tid]
        assert (trial.attempt, dict(trial.retries)) == (1 + behind.count(tid), {})
        assert [event.type for event in experiment.chain(tid)] == [
            "queued", *["reserved", "requeued"] * behind.count(tid), "reserved", "running", "done",
        ]  # fmt: skip


def test_one_that_raises_holds_up_nobody(served: Callable[..., Experiment]) -> None:
    experiment = served(raises_once)
    assert experiment.state.counts == {"done": N - 1, "failed": 1}
    assert released(experiment) == []


def test_nothing_more_is_begun_once_the_worker_is_to_leave(served: Callable[..., Experiment]) -> None:
    experiment = served(raises, max_consecutive_failures=5, code=8, are_left=N - 5)
    assert experiment.state.counts == {"failed": 5, "queued": N - 5}
    assert released(experiment) == [5, 6]  # of the third round, which began with 3 and 4


def test_one_that_ends_its_process_ends_alone(served: Callable[..., Experiment]) -> None:
    experiment = served(dies_once)
    assert experiment.state.counts == {"done": N - 1, "failed": 1}
    assert released(experiment)


def test_what_one_reports_is_told_of_a_trial_that_runs(served: Callable[..., Experiment]) -> None:
    experiment = served(reports)
    for trial in experiment.trials:
        types = [event.type for event in experiment.chain(trial.tid)]
        assert types == ["queued", "reserved", "running", "reported", "done"]


def test_no_more_are_claimed_than_a_child_or_the_worker_may_still_do(served: Callable[..., Experiment]) -> None:
    experiment = served(square, max_jobs_per_child=5)
    pids = [trial.running.pid for trial in experiment.trials if trial.running]
    assert max(pids.count(pid) for pid in pids) == 5
    assert released(experiment) == []


@pytest.mark.long
def test_those_whose_worker_is_killed_are_taken_from_it(
    mongo_store: Store, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = begin(mongo_store, "e", kills_its_worker, N)
    with worker(mongo_url, "--burst") as process:
        assert process.wait(GENEROUS) == -signal.SIGKILL
    monkeypatch.setenv("SPARED", "1")
    with worker(mongo_url):
        until_read(experiment, is_over(experiment))
    assert experiment.state.counts == {"done": N}
    assert check(mongo_store, "e") == []
    lost = [trial for trial in experiment.trials if trial.retries.get("lost")]
    assert ODD in [trial.point["x"] for trial in lost]
    assert {trial.attempt for trial in lost} == {2}


def test_of_several_claims_those_that_others_had_first_are_left_to_them(
    mongo_store: Store, served: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = MongoLog.append
    robbed: list[int] = []

    def append_too_late(log: MongoLog, events: Sequence[Event], **how: Any) -> None:
        claims = [event.tid for event in events if isinstance(event, Reserved) and event.tid is not None]
        if len(claims) == 4 and not robbed:
            robbed.extend(claims[1:])
            other = mongo_store.experiment("e")
            pending = [
                planned
                for tid in robbed
                for planned in (
                    attempt.claim(tid, attempts=0, worker="other"),
                    attempt.begin(tid, pid=1, objective=None),
                )
            ]
            ends: list[PendingEvent] = [
                (Done, tid, attempt.done({"status": "ok", "loss": -1.0}, 0.0)) for tid in robbed
            ]
            append(log, other.compose(*pending, *ends))
        append(log, events, **how)

    monkeypatch.setattr(MongoLog, "append", append_too_late)
    experiment = served(square)
    assert len(robbed) == 3
    assert [trial.tid for trial in experiment.trials if trial.loss == -1.0] == robbed
    assert {trial.attempt for trial in experiment.trials} == {1}


def test_a_trial_that_is_handed_out_twice_is_claimed_once(
    served: Callable[..., Experiment], monkeypatch: pytest.MonkeyPatch
) -> None:
    take = Claims.take_ticket
    last: list[TrialKey | None] = []

    def take_twice(claims: Claims, session: str, names: Sequence[str], *, seconds: float) -> TrialKey | None:
        if last:  # as if a failover had taken the ticket back
            return last.pop()
        last.append(take(claims, session, names, seconds=seconds))
        return last[0]

    monkeypatch.setattr(Claims, "take_ticket", take_twice)
    experiment = served(square)
    assert experiment.state.counts == {"done": N}
    assert {trial.attempt for trial in experiment.trials} == {1}
