"""A fork: a new experiment begins with what another one was, stands alone, and stays comparable with it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest
from histories import begin, step
from hypothesis import given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from tests.drawing import examples
from tests.waiting import until

from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.evaluation import attempt
from hstore.store.arrival import events_as_they_arrived
from hstore.store.copying import renamed
from hstore.store.errors import ClosedChain, InvalidValue, NotFound, NotSigned
from hstore.store.events import Done, Event, Queued
from hstore.store.experiment import Experiment
from hstore.store.fork_cut import cut_of
from hstore.store.forking import fork
from hstore.store.keys import Keys
from hstore.store.lineage import Lineage, compare
from hstore.store.log_chains import chains_of
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", 0, 1)}


def searched(store: Store, name: str = "digits", n: int = 6) -> Experiment:
    """An experiment of *n* trials whose losses are n, n - 1, …; trial 1 has an attachment."""
    losses = iter(range(n, 0, -1))

    def objective(config: dict[str, Any], ctrl: Any) -> float:
        if ctrl.current_trial["tid"] == 1:
            ctrl.attachments["model"] = b"\x00weights"
        return float(next(losses))

    if store.is_durable:
        fmin(objective, SPACE, rand.suggest, n, rstate=0, verbose=False, experiment=name, store=store)
        return store.experiment(name)
    experiment = begin(store, name)
    for tid in range(n):
        decided: dict[str, Any] = {"point": {"x": 0.5}, "params": {"x": 0.5}, "observed": experiment.observed()}
        events = experiment.compose((Queued, tid, decided), attempt.claim(tid, attempts=0, worker="w"))
        experiment.append(events)
        end = {"result": {"status": "ok", "loss": float(n - tid)}, "status": "ok", "loss": float(n - tid)}
        experiment.append(experiment.compose(attempt.begin(tid, pid=1, objective=None), (Done, tid, end)))
    return experiment


def lineage(store: Store, name: str) -> Lineage | None:
    """What `hstore verify` says of where *name* was forked from."""
    chains = chains_of(store.log.documents(name))
    forked = store.experiment(name).state.forked
    assert forked is not None
    return compare(chains, chains_of(store.log.documents(forked.source)), store.attachments.get)


@settings(max_examples=examples(15), deadline=None)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_after_any_history_a_fork_has_the_digests_of_what_its_source_was(seed: int, steps: int) -> None:
    store, rng = Store.in_memory(), random.Random(seed)
    experiment = begin(store)
    for _ in range(steps):
        experiment.append(experiment.compose(*step(experiment, rng)))
    n = len(experiment.state.trials)
    for at in {0, n // 2, n}:
        made = store.fork("e", f"f{at}", at=at)
        past = store.experiment("e", at=at)
        assert made.state.forked is not None
        assert made.state.forked.until == len(past.trials)
        for tid, trial in past.state.trials.items():
            assert made.digest(tid, trial.ver) == experiment.digest(tid, trial.ver)
            assert made.state.trials[tid].end == (None if trial.end is None else renamed(trial.end, made.name))
        assert {trial.state for trial in made.trials if not trial.is_finished} <= {"queued"}
        assert made.state.status == "open"
        assert verify(made.documents()).findings == ()
        found = lineage(store, made.name)
        assert found is not None
        assert found.state == "same"


def test_a_fork_stands_in_both_stores_with_the_results_and_attachments_that_were_known(store: Store) -> None:
    source = searched(store)
    made = store.fork("digits", "again", at=4)
    assert [trial.loss for trial in made.trials] == [trial.loss for trial in source.trials[:4]]
    assert store.experiments() == ["again", "digits"]
    assert verify(made.documents(), fetch=store.attachments.get).findings == ()
    if store.is_durable:
        assert made.attachment(1, "model").read() == b"\x00weights"
        assert check(store, "again") == []
        assert derive_again(made).is_same
        assert store.database is not None
        shown = store.database["trials"]
        until(lambda: shown.count_documents({"exp": "again", "state": "done"}) == 4)  # of what a majority has
        assert store.summary("again").counts == {"done": 4}
    with pytest.raises(InvalidValue, match="there is an experiment 'again' already"):
        store.fork("digits", "again", at=4)
    with pytest.raises(NotFound, match="no decision 7"):
        store.fork("digits", "more", at=7)
    with pytest.raises(NotFound, match="no experiment 'nothing'"):
        store.fork("nothing", "more")
    assert store.experiments() == ["again", "digits"]


def test_a_fork_that_was_killed_takes_no_event_and_goes_on_when_it_is_made_again(mongo_store: Store) -> None:
    source = searched(mongo_store)
    chains: dict[int | None, Sequence[Event]] = {None: source.chain(None)}
    chains |= {trial.tid: source.chain(trial.tid) for trial in source.trials}
    cut = cut_of(((tid, len(chain) - 1) for tid, chain in chains.items()), chains)
    events = [*events_as_they_arrived(event for chain in cut.values() for event in chain)]
    mongo_store.log.append([renamed(event, "again") for event in events[:9]])
    half = mongo_store.experiment("again")
    with pytest.raises(ClosedChain, match="not whole yet"):
        half.note("too early")
    with pytest.raises(InvalidValue, match="already"):  # of another experiment, or of less of this one
        mongo_store.fork("digits", "again", at=0)
    made = mongo_store.fork("digits", "again")
    assert len(made.trials) == 6
    assert check(mongo_store, "again") == []


def test_what_was_changed_in_the_copies_or_in_the_source_is_found_and_a_source_that_is_gone_is_named(
    mongo_store: Store, database: Database[Any]
) -> None:
    searched(mongo_store)
    mongo_store.fork("digits", "again", at=4)
    of_end = {"tid": 3, "type": "done"}
    events = database["events"]
    copy = events.find_one({"exp": "again", **of_end})
    assert copy is not None

    events.update_one({"exp": "again", **of_end}, {"$set": {"data.loss": -1.0, "data.result.loss": -1.0}})
    [finding] = verify(mongo_store.log.documents("again")).findings
    assert "what was copied has another head than it says" in finding.message
    events.update_one({"exp": "again", **of_end}, {"$set": {"data": copy["data"]}})
    assert verify(mongo_store.log.documents("again")).findings == ()

    events.update_one({"exp": "again", "tid": 2, "ver": 0}, {"$unset": {"data.origin": ""}})
    assert verify(mongo_store.log.documents("again")).findings
    event = mongo_store.experiment("digits").chain(2)[0]
    events.update_one(
        {"exp": "again", "tid": 2, "ver": 0}, {"$set": {"data.origin": {"exp": "digits", "id": event.id}}}
    )

    events.update_one({"exp": "digits", **of_end}, {"$set": {"data.loss": -1.0, "data.result.loss": -1.0}})
    found = lineage(mongo_store, "again")
    assert found is not None
    assert found.message.endswith("was changed since: event 3 of trial 3 is another one there")
    assert [each.kind for each in check(mongo_store, "again")] == ["seal"]
    with pytest.raises(Exception, match="was changed"):
        mongo_store.fork("digits", "more")
    events.delete_many({"exp": "digits"})
    found = lineage(mongo_store, "again")
    assert found is not None
    assert found.state == "gone"
    assert check(mongo_store, "again") == []


def test_a_fork_of_a_fork_is_compared_with_what_it_was_forked_from(mongo_store: Store) -> None:
    searched(mongo_store)
    mongo_store.fork("digits", "again", at=4)
    fmin(lambda p: p["x"], SPACE, rand.suggest, 6, rstate=0, verbose=False, experiment="again", store=mongo_store)
    third = mongo_store.fork("again", "third", at=5)
    assert [third.chain(tid)[0].origin["exp"] for tid in (3, 4)] == ["digits", "again"]  # type: ignore[index]
    assert third.state.forked is not None
    assert (third.state.forked.source, third.state.forked.until) == ("again", 5)
    assert check(mongo_store, "third") == []
    assert derive_again(third).is_same


def test_a_fork_of_a_signed_search_is_signed_and_one_that_is_not_has_to_be_first(mongo_store: Store) -> None:
    searched(mongo_store, "unsigned", 2)
    mongo_store.keys = Keys(bytes(range(32)))
    searched(mongo_store)
    fork(mongo_store.experiment("digits"), "again", at=4)
    fmin(lambda p: p["x"], SPACE, rand.suggest, 5, rstate=0, verbose=False, experiment="again", store=mongo_store)
    assert check(mongo_store, "again") == []
    with pytest.raises(NotSigned):
        mongo_store.fork("unsigned", "more")
    mongo_store.experiment("unsigned").sign()
    mongo_store.fork("unsigned", "more", at=1)  # which the note that signs it is no part of
    fmin(lambda p: p["x"], SPACE, rand.suggest, 3, rstate=0, verbose=False, experiment="more", store=mongo_store)
    assert check(mongo_store, "more") == []


def test_an_event_that_just_fits_is_copied_under_a_longer_name_with_the_digest_of_the_original(
    mongo_store: Store,
) -> None:
    experiment = begin(mongo_store)
    fill = 40_000
    while True:  # as large as an event can be before a part of it is moved out
        [event] = experiment.compose((Queued, 0, {"point": {}, "params": {}, "source": "s" * fill}))
        size = mongo_store.log._stored(event)  # type: ignore[attr-defined]
        if "spilled" in size["data"]:
            break
        fill += 1000
    [event] = experiment.compose((Queued, 0, {"point": {}, "params": {}, "source": "s" * (fill - 1000)}))
    experiment.append([event])
    made = mongo_store.fork("e", "n" * 200)
    assert made.digest(0, 0) == experiment.digest(0, 0)
    assert verify(made.documents()).findings == ()
