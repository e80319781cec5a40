"""A long search is replayed, checked and forked with a few numbers for each trial in memory, not with its events."""

from __future__ import annotations

import itertools
import random
import tracemalloc
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from hstore import Store, Trials, fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.audit.violation import Violation
from hstore.store.attachments import MemoryAttachments
from hstore.store.events import Noted, Queued
from hstore.store.experiment import Experiment
from hstore.store.memory import MemoryLog
from hstore.store.settled_reading import settled_experiment

FEW, MANY = 60, 260
NUMBERS = itertools.count()
MOST_BYTES = 1500
"""For each trial more, of which the columns of this search take 150. Its events take 10,000."""


def fill(store: Store, name: str, n: int) -> None:
    """Append a random search of *n* trials to *store*."""
    memory = Store(MemoryLog(), MemoryAttachments(), keys=store.keys)
    trials = Trials(experiment=Experiment(memory, name))
    space = {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}
    fmin(
        lambda point: float(point["x"]), space, algo=rand.suggest, max_evals=n, rstate=np.random.default_rng(0),
        verbose=False, trials=trials,
    )  # fmt: skip
    store.log.append(list(trials.experiment.received))
    store.models.rebuild(store.experiment(name).state)


@pytest.fixture
def small_reads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have all that is read ahead be little beside what a search of `MANY` trials holds."""
    for name in ("document_cursor.AT_ONCE", "read_models.READ_AT_ONCE", "read_ahead.AHEAD"):
        monkeypatch.setattr(f"hstore.store.{name}", 10)
    monkeypatch.setattr("hstore.store.copying.BATCH", 10)
    monkeypatch.setattr("hstore.store.rebuilding.AT_ONCE", 10)
    yield
    tracemalloc.stop()


def replay(store: Store, name: str) -> None:
    assert derive_again(settled_experiment(store, name)).is_same


def is_sound(store: Store, name: str) -> None:
    assert check(store, name) == []


def fork_half(store: Store, name: str) -> None:
    n = store.log.last_trial(name) // 2
    assert len(store.fork(name, f"half {next(NUMBERS)}", at=n).state.trials) == n


def fork_all(store: Store, name: str) -> None:
    assert len(store.fork(name, f"all {next(NUMBERS)}").state.trials) == store.log.last_trial(name) + 1


@pytest.mark.long
@pytest.mark.usefixtures("small_reads")
def test_what_is_kept_of_a_search_does_not_grow_with_its_events(mongo_store: Store) -> None:
    fill(mongo_store, "few", FEW)
    fill(mongo_store, "many", MANY)
    for command in (replay, is_sound, fork_half, fork_all):
        peaks = []
        for name in ("few", "few", "many"):  # the first time it is imported
            tracemalloc.start()
            command(mongo_store, name)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
        assert (peaks[2] - peaks[1]) / (MANY - FEW) < MOST_BYTES, command.__name__


def test_a_search_that_is_read_for_its_audit_keeps_the_events_of_a_few_trials(mongo_store: Store) -> None:
    fill(mongo_store, "e", FEW)
    experiment = settled_experiment(mongo_store, "e", verifies=True)
    assert len(experiment.state.kept_trials()) <= 2  # the last one, and the best
    assert len(experiment.received) <= 2 * 4 + len(experiment.chain(None))
    assert experiment.state.counts == {"done": FEW}
    made = mongo_store.fork("e", "again", at=FEW // 2)
    assert len(made.state.kept_trials()) <= 2


def test_a_removal_keeps_the_events_of_a_few_trials(mongo_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(mongo_store, "e", FEW)
    kept: list[int] = []
    monkeypatch.setattr("hstore.store.removal.require_idle", lambda state, _: kept.append(len(state.kept_trials())))
    removed = mongo_store.remove("e")
    assert kept[0] <= 2
    assert removed.removal.trials == FEW
    assert removed.removal.events == removed.events


def test_a_replay_reads_each_event_twice_and_a_few_once_more(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(mongo_store, "e", 300)
    monkeypatch.setattr("hstore.store.read_ahead.AHEAD", 50)
    read = [0]
    look, documents = mongo_store.log.look, mongo_store.log.documents

    def counting(*given: Any, **more: Any) -> Any:
        found = look(*given, **more)
        read[0] += len(found.sound)
        return found

    def counted(*given: Any, **more: Any) -> Any:
        for document in documents(*given, **more):
            read[0] += 1
            yield document

    monkeypatch.setattr(mongo_store.log, "look", counting)
    monkeypatch.setattr(mongo_store.log, "documents", counted)
    replay(mongo_store, "e")
    assert read[0] < 2.1 * mongo_store.experiment("e", only=()).store.log.count("e", 300)


def fill_and_decide(store: Store, rng: random.Random, *, observed: list[list[Any]]) -> None:
    """Make an experiment of 12 trials, void one of them, and decide on another that says it *observed* these ends."""
    fill(store, "e", 12)
    experiment = store.experiment("e")
    decision = {"point": {"x": 0.5, "y": 0.5}, "params": {}, "observed": observed}
    experiment.append(experiment.compose((Noted, rng.randrange(12), {"void": True}), (Queued, 12, decision)))


@pytest.mark.parametrize("seed", range(3))
def test_a_log_that_is_read_chain_by_chain_has_the_findings_of_one_that_is_read_as_a_whole(
    mongo_store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    fill_and_decide(mongo_store, rng, observed=[[3, 3, b""], [99, 1, b""], [None, 7, b""]])
    assert mongo_store.database is not None
    changed = {"tid": rng.randrange(12)}, {"$set": {rng.choice(["loss", "state", "ver"]): 77}}
    mongo_store.database.trials.update_one(*changed)
    mongo_store.database.events.update_one({"tid": 5, "type": "done"}, {"$set": {"by": "another:1:1"}})
    streamed = check(mongo_store, "e", max_evals=20, timeout=0)
    monkeypatch.setattr("hstore.engine.audit.check._streamed", whole_alone)
    assert {*map(str, streamed)} == {*map(str, check(mongo_store, "e", max_evals=20, timeout=0))}
    assert {"observed", "open", "max_evals", "seal"} <= {finding.kind for finding in streamed}


@pytest.mark.parametrize("seed", range(3))
def test_what_is_wrong_beside_an_unchanged_log_is_found_chain_by_chain_as_in_the_whole(
    mongo_store: Store, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    fill_and_decide(mongo_store, rng, observed=[])
    assert mongo_store.database is not None
    for tid, change in zip(rng.sample(range(12), 3), ({"loss": 77.0}, {"state": "failed"}, {"ver": 1}), strict=True):
        mongo_store.database.trials.update_one({"tid": tid}, {"$set": change})
    streamed = check_chain_by_chain(mongo_store, monkeypatch)
    monkeypatch.setattr("hstore.engine.audit.check._streamed", whole_alone)
    assert sorted(map(str, streamed)) == sorted(map(str, check(mongo_store, "e", max_evals=20, timeout=0)))
    assert {"observed", "open", "max_evals", "model", "lag"} <= {finding.kind for finding in streamed}


def check_chain_by_chain(store: Store, monkeypatch: pytest.MonkeyPatch) -> list[Violation]:
    with monkeypatch.context() as patch:
        patch.setattr("hstore.engine.audit.check._whole", whole_alone)
        return check(store, "e", max_evals=20, timeout=0)


def whole_alone(*_: Any) -> Any:
    from hstore.store.streamed_verify import NeedsWholeLog

    raise NeedsWholeLog
