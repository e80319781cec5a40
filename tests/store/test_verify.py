"""Tampering with a stored log, of each kind, is found and the first event that it hit is named."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from bson import Timestamp
from pymongo.database import Database

import hstore
from hstore import fmin, hp, rand
from hstore.store.store import Store
from hstore.store.verify import Report, verify

TRIALS = 8


def objective(config: dict[str, Any]) -> Any:
    if config["x"] > 0.5:
        return {"status": "fail"}
    if config["x"] < -0.7:
        raise ValueError("no")
    return {"status": "ok", "loss": config["x"], "nested": {"a": [1, 2]}, "attachments": {"note": "n"}}


def search(url: str) -> None:
    """Search with failures, batches, points of a person, an interruption and a second call."""
    calls = iter(range(100))

    def interrupted(config: dict[str, Any]) -> Any:
        if next(calls) == 3:
            raise KeyboardInterrupt
        return objective(config)

    common: dict[str, Any] = {
        "algo": rand.suggest,
        "rstate": np.random.default_rng(1),
        "verbose": False,
        "experiment": "e",
        "store": url,
        "catch_eval_exceptions": True,
        "max_queue_len": 2,
        "points_to_evaluate": [{"x": 0.25}],
    }
    space = {"x": hp.uniform("x", -1, 1)}
    with pytest.raises(KeyboardInterrupt):
        fmin(interrupted, space, max_evals=TRIALS - 3, **common)
    fmin(interrupted, space, max_evals=TRIALS - 3, **common)
    fmin(interrupted, space, max_evals=TRIALS - 1, **common)


@pytest.fixture
def url(filled: Callable[[Callable[[str], None]], str]) -> str:
    """A store with that search."""
    return filled(search)


@pytest.fixture
def report(url: str) -> Iterator[Callable[[], Report]]:
    """What verify says of the log now."""
    with hstore.open(url) as store:
        yield lambda: verify(store.log.documents("e"))


def at(tid: int | None, ver: int) -> dict[str, Any]:
    return {"exp": "e", "tid": tid, "ver": ver}


def last(database: Database[Any], tid: int) -> int:
    return database["events"].count_documents({"exp": "e", "tid": tid}) - 1


def test_an_untouched_log_is_sound(report: Callable[[], Report]) -> None:
    found = report()
    assert found.findings == ()
    assert found.decisions == TRIALS
    assert found.events > 4 * TRIALS
    assert len(found.head) == 32


@pytest.mark.parametrize(
    ("tid", "ver", "change"),
    [
        (2, 0, {"data.point.x": 0.5}),
        (2, 0, {"data.seed": 7}),
        (3, 1, {"data.worker": "me"}),
        (3, 2, {"by": "me"}),
        (4, 1, {"data.more": 1}),
        (2, 0, {"data.observed": "nonsense"}),
        (2, 0, {"data.observed": [[0], 7, ["x", "y", "z"]]}),
        (2, 0, {"data.prev": 7}),
        (None, 0, {"data.limits.max_evals": 99}),
        (None, 1, {"data.why": "because"}),
    ],
)
def test_a_changed_event_is_named(
    tid: int | None, ver: int, change: dict[str, Any], report: Callable[[], Report], database: Database[Any]
) -> None:
    changed = database["events"].update_one(at(tid, ver), {"$set": change}, bypass_document_validation=True)
    assert changed.modified_count == 1
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (tid, ver, "changed")


def test_a_changed_end_is_named(report: Callable[[], Report], database: Database[Any]) -> None:
    ver = last(database, 1)
    database["events"].update_one(at(1, ver), {"$set": {"data.loss": -100.0}})
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (1, ver, "changed")


@pytest.mark.parametrize(
    "edit", [{"$unset": {"data": 1}}, {"$set": {"data": 5}}, {"$unset": {"at": 1}}, {"$set": {"by": 7}}]
)
def test_what_is_no_event_any_more_is_named(
    edit: dict[str, Any], report: Callable[[], Report], database: Database[Any]
) -> None:
    database["events"].update_one(at(4, 1), edit, bypass_document_validation=True)
    first = report().findings[0]
    assert (first.tid, first.ver) == (4, 1)
    assert first.kind in ("unreadable", "changed")


def test_the_time_on_an_event_cannot_be_changed_either(report: Callable[[], Report], database: Database[Any]) -> None:
    found = database["events"].find_one(at(4, 0))
    assert found is not None
    database["events"].update_one(at(4, 0), {"$set": {"at": found["at"].replace(year=2000)}})
    assert (report().findings[0].tid, report().findings[0].ver) == (4, 0)


def test_what_the_server_fills_is_no_part_of_it(report: Callable[[], Report], database: Database[Any]) -> None:
    database["events"].update_many({}, {"$set": {"ts": Timestamp(5, 5)}})
    assert report().findings == ()


@pytest.mark.parametrize(("tid", "ver"), [(2, 1), (3, 0), (5, 2), (None, 0), (None, 1)])
def test_a_removed_event_is_named(
    tid: int | None, ver: int, report: Callable[[], Report], database: Database[Any]
) -> None:
    database["events"].delete_one(at(tid, ver))
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (tid, ver, "removed")


def test_a_removed_end_is_named(report: Callable[[], Report], database: Database[Any]) -> None:
    ver = last(database, 2)
    database["events"].delete_one(at(2, ver))
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (2, ver, "removed")


def test_a_removed_trial_is_named(report: Callable[[], Report], database: Database[Any]) -> None:
    database["events"].delete_many({"exp": "e", "tid": 4})
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (4, 0, "removed")


def test_an_event_added_in_the_middle_is_named(report: Callable[[], Report], database: Database[Any]) -> None:
    events = database["events"]
    forged = events.find_one(at(3, 1))
    assert forged is not None
    for ver in range(last(database, 3), 0, -1):  # make room
        events.update_one(at(3, ver), {"$set": {"ver": ver + 1}})
    import uuid

    events.insert_one(forged | {"_id": uuid.uuid4(), "type": "noted", "data": {"note": "forged"}})
    first = report().findings[0]
    assert (first.tid, first.ver, first.kind) == (3, 1, "added")


def test_an_event_put_where_a_chain_was_observed_to_end_is_no_lie(
    report: Callable[[], Report], database: Database[Any]
) -> None:
    """Chains may go on; what comes after all that decisions saw is the log's future, not its past."""
    import uuid

    forged = database["events"].find_one(at(3, 1))
    assert forged is not None
    note = {"_id": uuid.uuid4(), "ver": last(database, 3) + 1, "type": "noted", "data": {"note": "later"}}
    database["events"].insert_one(forged | note)
    assert report().findings == ()


def test_events_that_changed_places_are_named(report: Callable[[], Report], database: Database[Any]) -> None:
    events = database["events"]
    for a, b in ((1, 99), (2, 1), (99, 2)):
        events.update_one(at(5, a), {"$set": {"ver": b}}, bypass_document_validation=True)
    first = report().findings[0]
    assert (first.tid, first.ver) == (5, 1)
    assert first.kind in ("moved", "changed")


def test_trials_that_changed_places_are_named(report: Callable[[], Report], database: Database[Any]) -> None:
    events = database["events"]
    for a, b in ((4, 99), (5, 4), (99, 5)):
        events.update_many({"exp": "e", "tid": a}, {"$set": {"tid": b}})
    first = report().findings[0]
    assert (first.tid, first.ver) == (4, 0)
    assert first.kind in ("moved", "changed")


def test_an_event_moved_to_another_trial_is_named(report: Callable[[], Report], database: Database[Any]) -> None:
    ver = last(database, 2)
    database["events"].update_one(at(2, ver), {"$set": {"tid": 6, "ver": last(database, 6) + 1}})
    first = report().findings[0]
    assert (first.tid, first.ver) == (2, ver)


def test_a_log_in_memory_can_be_verified_too() -> None:
    trials = hstore.Trials()
    fmin(
        objective,
        {"x": hp.uniform("x", -0.5, 0.4)},
        algo=rand.suggest,
        max_evals=5,
        rstate=0,
        trials=trials,
        verbose=False,
    )
    assert verify(trials.experiment.documents()).findings == ()


def test_nothing_is_sound(mongo_store: Store) -> None:
    found = verify(mongo_store.log.documents("nothing"))
    assert (found.events, found.decisions) == (0, 0)
