"""A search goes through failovers of a real replica set: nothing lost, nothing twice."""

import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from replica_set import ReplicaSet
from tests.waiting import GENEROUS, until
from tests.workers.serving import begin, enqueue

import hstore
from hstore import fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.store.events import Event
from hstore.store.url import connect, parse

N = 40
QUICK = "&socketTimeoutMS=1500&heartbeatFrequencyMS=500"
"""With our defaults one answer that never comes is waited for ten seconds."""


@pytest.fixture
def url(replica_set: ReplicaSet) -> Iterator[str]:
    """The URL of a database on the set, all of which is there."""
    replica_set.start()
    until(replica_set.is_in_sync, "three members in sync")
    url = replica_set.url(f"test_{uuid.uuid4().hex}") + QUICK
    yield url
    replica_set.start()
    database = connect(parse(url))
    database.client.drop_database(database.name)
    database.client.close()


def kill(members: ReplicaSet) -> None:
    primary = members.primary()
    primary.kill()
    members.primary()
    primary.start()


def freeze(members: ReplicaSet) -> None:
    primary = members.primary()
    primary.freeze()
    members.primary()
    primary.thaw()


def cut_off(members: ReplicaSet) -> None:
    """Lose a primary, and what it accepted while no secondary followed it."""
    primary, secondaries = members.primary(), members.secondaries
    for secondary in secondaries:
        secondary.freeze()
    try:
        until(primary.has_uncommitted, "a write that no secondary replicates", seconds=5)
    finally:
        primary.kill()
        for secondary in secondaries:
            secondary.thaw()
    members.primary()
    primary.start()


def objective(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(kill, id="killed", marks=pytest.mark.long),  # the last one kills as well
        pytest.param(freeze, id="frozen", marks=pytest.mark.long),
        pytest.param(ReplicaSet.step_down, id="asked to step down"),
        pytest.param(cut_off, id="killed before anybody replicated"),
    ],
)
def test_a_search_loses_nothing_and_writes_nothing_twice_while_its_primary_is(
    fault: Callable[[ReplicaSet], None], replica_set: ReplicaSet, url: str
) -> None:
    acknowledged: set[uuid.UUID] = set()
    failures: list[BaseException] = []
    with hstore.open(url, patience=60.0) as store:
        append = store.log.append

        def remembered(events: Sequence[Event], **how: Any) -> None:
            append(events, **how)
            acknowledged.update(event.id for event in events)

        store.log.append = remembered  # type: ignore[method-assign]

        def search() -> None:
            try:
                fmin(
                    objective, {"x": hp.uniform("x", -3, 3)}, algo=rand.suggest, max_evals=N,
                    rstate=np.random.default_rng(0), verbose=False, experiment="demo", store=store,
                )  # fmt: skip
            except BaseException as error:  # noqa: BLE001 - the test tells it
                failures.append(error)

        thread = threading.Thread(target=search, daemon=True)
        thread.start()
        until(lambda: len(acknowledged) > N, "a search under way")
        fault(replica_set)
        thread.join(timeout=GENEROUS)
        assert not thread.is_alive()
        assert not failures
        assert len(acknowledged) >= 4 * N
        assert check(store, "demo", max_evals=N, acknowledged=acknowledged) == []


def test_what_an_election_takes_back_of_a_read_model_is_shown_again(replica_set: ReplicaSet, url: str) -> None:
    with hstore.open(url, patience=60.0) as store:
        assert store.database is not None
        experiment = begin(store, "e", objective, 3)
        replica_set.step_down()
        # As what was not replicated is rolled back; no call of ours has failed.
        store.database.trials.delete_one({"exp": "e", "tid": 1})
        trials = store.database.trials
        until(lambda: trials.count_documents({"exp": "e"}) == 2, "a document less")
        for _ in range(2):  # the first may be what hears of the election
            enqueue(experiment, 1)
        until(lambda: trials.count_documents({"exp": "e"}) == 5, "all of them shown")
