"""A batch loses what others took, and nothing else, wherever between its events another writer came first."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.workers.serving import begin

from hstore.engine.evaluation import attempt
from hstore.store.events import Cancelled, Done, Event, Noted, Requeued, Reserved
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.memory import MemoryLog
from hstore.store.store import Store
from hstore.workers.batch import Batch

RESULT = attempt.done({"status": "ok", "loss": 1.0}, 0.1)
Elsewhere = Callable[[Experiment], None]


@pytest.fixture
def store() -> Store:
    return Store.in_memory()


@pytest.fixture
def mine(store: Store) -> Experiment:
    """A search of five trials, as a worker reads it."""
    begin(store, "e", lambda config: 0.0, 5)
    experiment = Experiment(store, "e", only=())
    experiment.load_trials(range(5))
    return experiment


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[int]]:
    """Have others write right before the next appends, each time what one of the given functions does.

    Returns how many events each append held.
    """

    def before_appends(store: Store, *others: Elsewhere) -> list[int]:
        append, sizes, waiting = MemoryLog.append, [], list(others)

        def append_second(log: MemoryLog, events: Sequence[Event], **how: Any) -> None:
            if waiting and all(event.by != "other" for event in events):
                other = waiting.pop(0)
                monkeypatch.setattr(MemoryLog, "append", append)
                other(store.experiment("e"))
                monkeypatch.setattr(MemoryLog, "append", append_second)
            sizes.append(len(events))
            append(log, events, **how)

        monkeypatch.setattr(MemoryLog, "append", append_second)
        return sizes

    return before_appends


def claim(tid: int, *, worker: str = "mine", attempts: int = 0) -> PendingEvent:
    return attempt.claim(tid, attempts=attempts, worker=worker)


def running(tid: int) -> PendingEvent:
    return attempt.begin(tid, pid=1, objective=None)


def done(tid: int) -> PendingEvent:
    return Done, tid, RESULT


def requeued(tid: int) -> PendingEvent:
    return Requeued, tid, {"why": attempt.WHY["lost"], "cause": "lost"}


def writes(*pending: PendingEvent) -> Elsewhere:
    return lambda experiment: experiment.append(experiment.compose(*pending))


def takes(tid: int) -> Elsewhere:
    return writes(claim(tid, worker="other"), running(tid))


def held(experiment: Experiment, *tids: int) -> list[Reserved]:
    """Claim trials for a batch to come."""
    experiment.append(experiment.compose(*[planned for tid in tids for planned in (claim(tid), running(tid))]))
    claims = [experiment.state.trials[tid].reserved for tid in tids]
    return [each for each in claims if each is not None]


def types(store: Store, tid: int) -> list[str]:
    return [event.type for event in store.experiment("e").chain(tid)]


def workers(store: Store) -> list[str | None]:
    return [trial.reserved.worker if trial.reserved else None for trial in store.experiment("e").trials]


def claims_of(*tids: int) -> list[PendingEvent]:
    """What a slot claims: the first of several begins at once."""
    first, *others = tids
    return [claim(first), running(first), *[claim(tid) for tid in others]]


def test_undisturbed_all_is_one_append(store: Store, mine: Experiment, meanwhile: Any) -> None:
    (first,) = held(mine, 0)
    sizes = meanwhile(store)
    batch = Batch(mine, lease=1.0)
    batch.end(first, [done(0)])
    batch.take(claims_of(1, 2, 3))
    assert (batch.append(), sizes) == ({1, 2, 3}, [5])
    assert types(store, 0)[-1] == "done"
    assert workers(store) == ["mine"] * 4 + [None]


def test_an_empty_batch_writes_nothing(store: Store, mine: Experiment, meanwhile: Any) -> None:
    sizes = meanwhile(store)
    assert (Batch(mine, lease=1.0).append(), sizes) == (set(), [])


@pytest.mark.parametrize("tid", [1, 2, 3], ids=["the first", "one in the middle", "the last"])
def test_of_several_claims_the_one_that_another_worker_had_first_is_left_to_it(
    store: Store, mine: Experiment, meanwhile: Any, tid: int
) -> None:
    meanwhile(store, takes(tid))
    batch = Batch(mine, lease=1.0)
    batch.take(claims_of(1, 2, 3))
    assert batch.append() == {1, 2, 3} - {tid}
    assert [worker for n, worker in enumerate(workers(store)) if n in (1, 2, 3)] == [
        "other" if n == tid else "mine" for n in (1, 2, 3)
    ]
    assert types(store, tid) == ["queued", "reserved", "running"]


def test_claims_that_are_lost_one_after_the_other_leave_the_rest(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    sizes = meanwhile(store, takes(1), takes(3), takes(4))
    batch = Batch(mine, lease=1.0)
    batch.take(claims_of(1, 2, 3, 4))
    assert batch.append() == {2}
    assert workers(store) == [None, "other", "mine", "other", "other"]
    assert sizes == [5, 3, 1]


def test_all_claims_may_be_lost(store: Store, mine: Experiment, meanwhile: Any) -> None:
    meanwhile(store, lambda experiment: [takes(tid)(experiment) for tid in (1, 2)])
    batch = Batch(mine, lease=1.0)
    batch.take(claims_of(1, 2))
    assert batch.append() == set()


def test_a_trial_that_was_taken_and_given_back_meanwhile_is_not_claimed_as_the_same_attempt(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    meanwhile(store, writes(claim(1, worker="other"), running(1), requeued(1)))
    batch = Batch(mine, lease=1.0)
    batch.take(claims_of(1, 2))
    assert batch.append() == {2}
    assert types(store, 1)[-1] == "requeued"


@pytest.mark.parametrize("tid", [0, 1])
def test_a_note_that_came_in_between_moves_what_is_ours_behind_it(
    store: Store, mine: Experiment, meanwhile: Any, tid: int
) -> None:
    (first,) = held(mine, 0)
    meanwhile(store, writes((Noted, tid, {"note": "look at this"})))
    batch = Batch(mine, lease=1.0)
    batch.end(first, [done(0)])
    batch.take(claims_of(1, 2))
    assert batch.append() == {1, 2}
    assert [kind for kind in types(store, 0) if kind != "noted"] == ["queued", "reserved", "running", "done"]
    assert [kind for kind in types(store, 1) if kind != "noted"] == ["queued", "reserved", "running"]
    assert types(store, tid).count("noted") == 1


def test_a_note_between_a_claim_and_what_goes_behind_it_costs_neither(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    batch = Batch(mine, lease=1.0)
    batch.take(claims_of(1, 2))
    append = MemoryLog.append
    parts: list[list[str]] = []

    def in_two_parts(log: MemoryLog, events: Sequence[Event], **how: Any) -> None:
        parts.append([event.type for event in events])
        if len(parts) == 1:
            append(log, events[:1])
            other = store.experiment("e")
            append(log, other.compose((Noted, 1, {"note": "in between"})))
            events = events[1:]
        append(log, events, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MemoryLog, "append", in_two_parts)
        assert batch.append() == {1, 2}
    assert parts == [["reserved", "running", "reserved"], ["running", "reserved"]]
    assert types(store, 1) == ["queued", "reserved", "noted", "running"]


def test_an_end_that_comes_too_late_is_noted_and_the_claims_behind_it_are_kept(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    (first,) = held(mine, 0)
    meanwhile(store, writes(requeued(0), claim(0, worker="other", attempts=1), running(0)))
    batch = Batch(mine, lease=1.0)
    batch.end(first, [done(0)])
    batch.take(claims_of(1, 2))
    assert batch.append() == {1, 2}
    assert types(store, 0) == ["queued", "reserved", "running", "requeued", "reserved", "running", "noted"]
    (note,) = store.experiment("e").state.trials[0].notes
    assert note.late is not None
    assert note.late["loss"] == 1.0


def test_of_several_ends_only_the_late_one_is_noted(store: Store, mine: Experiment, meanwhile: Any) -> None:
    claims = held(mine, 0, 1, 2)
    meanwhile(store, writes(requeued(1)))
    batch = Batch(mine, lease=1.0)
    for tid, each in enumerate(claims):
        batch.end(each, [done(tid)])
    assert batch.append() == set()
    assert [types(store, tid)[-1] for tid in (0, 1, 2)] == ["done", "noted", "done"]


def test_an_end_of_a_trial_that_was_cancelled_is_noted(store: Store, mine: Experiment, meanwhile: Any) -> None:
    (first,) = held(mine, 0)
    meanwhile(store, writes((Cancelled, 0, {"why": "enough"})))
    batch = Batch(mine, lease=1.0)
    batch.end(first, [done(0)])
    batch.append()
    assert types(store, 0)[-2:] == ["cancelled", "noted"]


def test_a_late_end_is_noted_although_another_trial_is_lost_while_the_note_is_written(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    (first,) = held(mine, 0)
    meanwhile(store, writes(requeued(0)), takes(1))  # the second comes when the note is written
    batch = Batch(mine, lease=1.0)
    batch.end(first, [done(0)])
    batch.take(claims_of(1, 2))
    assert batch.append() == {2}
    assert types(store, 0)[-1] == "noted"
    assert workers(store)[1:3] == ["other", "mine"]


def test_what_begins_a_trial_that_was_taken_from_us_is_not_written(
    store: Store, mine: Experiment, meanwhile: Any
) -> None:
    mine.append(mine.compose(claim(0)))
    mine_claim = mine.state.trials[0].reserved
    assert mine_claim is not None
    meanwhile(store, writes(requeued(0)))
    batch = Batch(mine, lease=1.0)
    batch.take([running(0)], claim=mine_claim)
    assert batch.append() == set()
    assert types(store, 0) == ["queued", "reserved", "requeued"]
