"""What people ask of a search: each request is a few events, written once, whatever else writes at the same time."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from histories import begin
from tests.waiting import GENEROUS, until

import hstore
from hstore.engine.search.control import conclude, pause, resume, retry, stop
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import (
    Cancelled,
    Done,
    Event,
    Failed,
    Finished,
    Paused,
    Queued,
    Requeued,
    Reserved,
    Resumed,
    Running,
)
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.store import Store
from hstore.store.verify import verify

RUN: list[tuple[type[Event], dict[str, Any]]] = [
    (Reserved, {"worker": "h:1", "host": "h", "attempt": 1}),
    (Running, {"pid": 1, "python": "3", "hstore": "0"}),
]
DONE = (Done, {"result": {"status": "ok", "loss": 0.5}, "status": "ok", "loss": 0.5})
FAILED = (Failed, {"error": "ValueError", "message": "no", "final": True})
LOST = (Failed, {"error": "Lost", "message": "silent", "final": True, "cause": "lost"})
ON_ITS_WAY = (Failed, {"error": "ValueError", "message": "no", "final": False})


def add(experiment: Experiment, *events: tuple[type[Event], dict[str, Any]]) -> int:
    """Queue a trial, have *events* happen to it, return its tid."""
    tid = len(experiment.state.trials)
    queued = {"point": {"x": 0.0}, "params": {"x": 0.0}, "observed": experiment.observed()}
    pending: list[PendingEvent] = [(Queued, tid, queued), *((kind, tid, data) for kind, data in events)]
    experiment.append(experiment.compose(*pending))
    return tid


def happen(experiment: Experiment, tid: int, *events: tuple[type[Event], dict[str, Any]]) -> None:
    experiment.append(experiment.compose(*((kind, tid, data) for kind, data in events)))


def types(experiment: Experiment, tid: int | None = None) -> list[str]:
    return [event.type for event in experiment.chain(tid)]


def states(experiment: Experiment) -> list[str]:
    return [trial.state for trial in experiment.trials]


def is_sound(experiment: Experiment) -> bool:
    """Whether the log is what its digests say and the read models are what a rebuild would make of it."""
    models = experiment.store.models
    if models is not None:
        experiment.refresh()
        assert models.repair(experiment.state) == 0
    return not verify(experiment.documents()).findings


@pytest.fixture
def search(store: Store) -> Experiment:
    """One trial of each kind: done, failed, lost, running, queued."""
    experiment = begin(store)
    for events in ([*RUN, DONE], [*RUN, FAILED], [*RUN, LOST], RUN, []):
        add(experiment, *events)
    return experiment


@contextmanager
def another_first(experiment: Experiment, write: Callable[[Experiment], object]) -> Iterator[None]:
    """Have *write* happen through another reader of the same log just before the first append of *experiment*."""
    other = Experiment(experiment.store, experiment.name)
    other.refresh()
    append = experiment.append
    is_first = True

    def late(*args: Any, **kwargs: Any) -> None:
        nonlocal is_first
        if is_first:
            is_first = False
            write(other)
        append(*args, **kwargs)

    experiment.append = late  # type: ignore[method-assign]
    yield
    assert not is_first
    experiment.append = append  # type: ignore[method-assign]


# -- pause and resume -----------------------------------------------------------------------------------------


def test_pausing_leaves_what_runs_alone(search: Experiment) -> None:
    outcome = pause(search, "lunch")
    assert (outcome.status, outcome.why, outcome.running) == ("paused", "lunch", (3,))
    assert states(search) == ["done", "failed", "failed", "running", "queued"]
    happen(search, 3, DONE)
    assert is_sound(search)


def test_pausing_now_requeues_what_runs_without_counting_it(search: Experiment) -> None:
    outcome = pause(search, "lunch", now=True)
    assert (outcome.tids(Requeued), outcome.running) == ([3], ())
    assert types(search, 3) == ["queued", "reserved", "running", "requeued"]
    assert search.state.trials[3].retries == {}
    assert is_sound(search)


def test_pausing_what_is_paused_writes_nothing(search: Experiment) -> None:
    pause(search, "lunch")
    before = search.state.events
    outcome = pause(search, "again")
    assert (outcome.written, outcome.why, search.state.events) == ((), "lunch", before)


def test_what_runs_in_a_paused_search_can_still_be_requeued(search: Experiment) -> None:
    pause(search, "lunch")
    outcome = pause(search, "at once", now=True)
    assert (outcome.tids(Requeued), outcome.has(Paused)) == ([3], False)


def test_a_search_that_finished_cannot_be_paused(search: Experiment) -> None:
    stop(search, "enough")
    assert pause(search, "lunch", now=True).written == ()
    assert search.state.status == "finished"


def test_resuming_opens_what_was_paused_or_finished_and_nothing_else(search: Experiment) -> None:
    assert resume(search, "back").written == ()
    pause(search, "lunch")
    assert resume(search, "back").status == "open"
    stop(search, "enough", now=True)
    assert resume(search, "not yet").status == "open"
    assert types(search) == ["created", "paused", "resumed", "finished", "finished", "resumed"]


# -- stop and conclude ----------------------------------------------------------------------------------------


def test_stopping_cancels_what_is_queued_and_lets_the_rest_end(search: Experiment) -> None:
    outcome = stop(search, "stopped by me")
    assert (outcome.tids(Cancelled), outcome.running) == ([4], (3,))
    assert (search.state.status, search.state.why) == ("finished", "stopped by me")
    assert types(search) == ["created", "finished"], "a trial is still to end"
    happen(search, 3, DONE)
    assert conclude(search, "max_evals").why == "stopped by me"
    assert types(search) == ["created", "finished", "finished"]
    assert is_sound(search)


def test_stopping_now_cancels_what_runs_too(search: Experiment) -> None:
    outcome = stop(search, "stopped", now=True)
    assert (outcome.tids(Cancelled), outcome.running) == ([3, 4], ())
    assert states(search)[3:] == ["cancelled", "cancelled"]
    assert types(search, 3)[-1] == "cancelled"
    assert is_sound(search)


def test_every_end_is_observed_once_when_a_search_was_stopped(search: Experiment) -> None:
    stop(search, "stopped", now=True)
    observed = [(chain, ver) for event in search.events for chain, ver, _ in getattr(event, "observed", [])]
    ends = [(trial.tid, trial.ver) for trial in search.trials]
    assert sorted((c, v) for c, v in observed if c is not None) == ends


def test_stopping_what_has_stopped_writes_nothing(search: Experiment) -> None:
    stop(search, "first", now=True)
    assert stop(search, "second", now=True).written == ()
    assert search.state.why == "first"


def test_a_stop_that_was_cut_short_is_completed_by_the_next(search: Experiment) -> None:
    stop(search, "first")
    tid = add(search)  # a driver that had not heard of it
    assert stop(search, "second").tids(Cancelled) == [tid]
    assert search.state.why == "first"


def test_a_paused_search_can_be_stopped(search: Experiment) -> None:
    pause(search, "lunch")
    assert stop(search, "never mind", now=True).status == "finished"


def test_a_failure_that_nobody_lived_to_requeue_is_cancelled_by_a_stop(store: Store) -> None:
    search = begin(store)
    add(search, *RUN, ON_ITS_WAY)
    stop(search, "stopped")
    assert states(search) == ["cancelled"]
    assert not search.state.open


def test_a_search_is_concluded_once_and_only_when_all_has_ended(store: Store) -> None:
    search = begin(store)
    tid = add(search, *RUN)
    assert conclude(search, "max_evals").written == ()
    happen(search, tid, DONE)
    assert conclude(search, "max_evals").why == "max_evals"
    assert conclude(search, "max_evals").written == ()
    assert conclude(Experiment(store, "e"), "timeout").written == ()
    (finished,) = (event for event in search.chain(None) if event.type == "finished")
    assert [entry[:2] for entry in finished.observed] == [[0, 3]]  # type: ignore[attr-defined]
    assert is_sound(search)


def test_whoever_records_the_end_shows_what_a_dead_worker_did_not(mongo_store: Store) -> None:
    experiment = begin(mongo_store)
    tid = add(experiment)
    worker = Experiment(mongo_store, "e")
    worker.refresh()
    pending: list[PendingEvent] = [*((kind, tid, data) for kind, data in RUN), (DONE[0], tid, DONE[1])]
    mongo_store.log.append(worker.compose(*pending))  # and it died
    experiment.refresh()
    assert conclude(experiment, "max_evals").has(Finished)
    assert mongo_store.database is not None
    until(lambda: mongo_store.database.trials.find_one({"tid": tid})["state"] == "done")  # type: ignore


def test_a_paused_search_is_not_concluded(store: Store) -> None:
    search = begin(store)
    add(search, *RUN, DONE)
    pause(search, "lunch")
    assert conclude(search, "max_evals").written == ()


# -- retry ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("which", "tids"), [("failed", [1, 2]), ("lost", [2]), ([0, 2, 2], [0, 2]), ([], [])])
def test_retrying_requeues_those_that_were_asked_for(search: Experiment, which: Any, tids: list[int]) -> None:
    assert retry(search, which).tids(Requeued) == tids
    assert [t.tid for t in search.trials if t.state == "queued"] == sorted([*tids, 4])
    assert is_sound(search)


def test_a_reader_that_took_a_trial_for_ended_hears_of_its_retry(search: Experiment) -> None:
    reader = search.store.experiment("e")
    retry(search, [0])
    happen(search, 0, *RUN, DONE)
    reader.refresh()
    assert types(reader, 0) == [
        *["queued", "reserved", "running", "done"],
        *["requeued", "reserved", "running", "done"],
    ]
    retry(search, [0])
    reader.refresh()
    assert reader.state.trials[0].state == "queued"
    assert types(search) == ["created", "noted"], "whom it concerns knows already"


def test_retrying_opens_a_search_that_has_finished(search: Experiment) -> None:
    stop(search, "stopped", now=True)
    outcome = retry(search, [4], "once more")
    assert (outcome.status, outcome.has(Resumed), outcome.tids(Requeued)) == ("open", True, [4])
    assert is_sound(search)


def test_retrying_leaves_a_paused_search_paused(search: Experiment) -> None:
    pause(search, "lunch")
    assert retry(search, "failed").status == "paused"


def test_retries_are_counted_anew(store: Store) -> None:
    search = begin(store)
    tid = add(search, *RUN, (Requeued, {"why": "silent", "cause": "lost"}), *RUN, LOST)
    assert search.state.trials[tid].retries == {"lost": 1}
    retry(search, "lost")
    assert search.state.trials[tid].retries == {}


@pytest.mark.parametrize(
    ("tids", "error", "message"),
    [
        ([0, 9, 11], NotFound, "no trial 9, 11"),
        ([0, 3], InvalidValue, "trial 3 is running"),
        ([4, 0], InvalidValue, "trial 4 is queued"),
    ],
)
def test_nothing_is_written_if_one_trial_cannot_be_retried(
    search: Experiment, tids: list[int], error: type[Exception], message: str
) -> None:
    before = search.state.events
    with pytest.raises(error, match=message):
        retry(search, tids)
    search.refresh()
    assert search.state.events == before


# -- beside others --------------------------------------------------------------------------------------------


def test_a_trial_that_ends_meanwhile_is_not_requeued_by_a_pause(search: Experiment) -> None:
    with another_first(search, lambda other: happen(other, 3, DONE)):
        outcome = pause(search, "lunch", now=True)
    assert (outcome.status, outcome.tids(Requeued), states(search)[3]) == ("paused", [], "done")
    assert is_sound(search)


def test_what_was_written_before_another_was_first_is_shown_as_well(mongo_store: Store) -> None:
    search = begin(mongo_store)
    tid = add(search, *RUN)
    with another_first(search, lambda other: happen(other, tid, DONE)):
        pause(search, "lunch", now=True)
    assert mongo_store.models is not None
    _, shown = mongo_store.models.shown("e")
    assert shown is not None
    assert (shown["status"], shown["counts"]) == ("paused", {"done": 1})


def test_a_trial_that_is_taken_meanwhile_is_let_run_by_a_stop(search: Experiment) -> None:
    with another_first(search, lambda other: happen(other, 4, *RUN)):
        outcome = stop(search, "stopped")
    assert (outcome.tids(Cancelled), outcome.running) == ([], (3, 4))


def test_two_requests_at_once_are_one(search: Experiment) -> None:
    with another_first(search, lambda other: stop(other, "the other", now=True)):
        assert stop(search, "mine", now=True).written == ()
    assert search.state.why == "the other"


def test_a_trial_that_another_person_retries_meanwhile_is_retried_once(search: Experiment) -> None:
    with another_first(search, lambda other: retry(other, [1])):
        assert retry(search, "failed").tids(Requeued) == [2]
    assert types(search, 1)[-2:] == ["failed", "requeued"]


def test_requests_from_all_sides_leave_a_log_that_is_sound(mongo_url: str) -> None:
    with hstore.open(mongo_url) as store:
        experiment = begin(store)
        for _ in range(20):
            add(experiment, *RUN)

    def ask(number: int) -> None:
        with hstore.open(mongo_url) as store:
            mine = store.experiment("e")
            for _ in range(5):
                pause(mine, f"pause {number}", now=True)
                resume(mine, f"resume {number}")
                stop(mine, f"stop {number}", now=True)
                retry(mine, [t.tid for t in mine.trials if t.is_finished and t.tid % 3 == number])

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(GENEROUS)
    with hstore.open(mongo_url) as store:
        found = store.experiment("e")
        stop(found, "all", now=True)
        assert set(states(found)) == {"cancelled"}
        assert is_sound(found)
