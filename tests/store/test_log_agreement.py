"""Logs agree: one state machine drives memory, a real server and one that rolls back, beside a plain dictionary."""

from __future__ import annotations

import datetime as dt
import importlib.util
import uuid
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from pymongo.database import Database
from pymongo.errors import BulkWriteError, DuplicateKeyError
from tests.waiting import GENEROUS

from hstore.store import retry
from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import Conflict
from hstore.store.events import Created, Event, Noted, Queued
from hstore.store.log import EventLog, ReadCursor
from hstore.store.memory import MemoryLog
from hstore.store.mongo import MongoLog
from hstore.store.retry import RetryPolicy
from hstore.store.store import Store

spec = importlib.util.spec_from_file_location("rollback_server", Path(__file__).with_name("rollback_server.py"))
assert spec is not None
assert spec.loader is not None
rollback_server = importlib.util.module_from_spec(spec)
spec.loader.exec_module(rollback_server)

STEPS_EACH = 100
AT = dt.datetime(2026, 11, 21, tzinfo=dt.UTC)
FAULTS = [None, None, None, "before", "after", "rolled back at once", "rolled back later"]
CHAINS = [None, 0, 1, 2, 3]

Place = tuple[int | None, int]


def event(exp: str, tid: int | None, ver: int, note: str) -> Event:
    envelope: dict[str, Any] = {"exp": exp, "tid": tid, "ver": ver, "id": uuid.uuid4(), "at": AT, "by": "h:1:t"}
    if tid is not None and ver == 0:
        return Queued(**envelope, point={"x": 1.5}, params={"note": note})
    return Noted(**envelope, note=note)


class Agreement(RuleBasedStateMachine):
    """Several writers, some of them behind, append to all logs at once; each log says what the dictionary says."""

    databases: tuple[Database[Any], ...] = ()
    steps = 0

    @initialize()
    def open(self) -> None:
        self.exp = uuid.uuid4().hex
        self.model: dict[Place, Event] = {}
        self.real = rollback_server.FaultyCollection(self.databases[0]["events"])
        self.fake = rollback_server.FaultyCollection(rollback_server.RollbackCollection())
        blobs = MemoryAttachments()
        self.logs: list[EventLog] = [MemoryLog()]
        for collection in (self.real, self.fake):
            waiting = RetryPolicy("the server", seconds=GENEROUS)
            self.logs.append(MongoLog(collection, fetch=blobs.get, put=blobs.put, retry=waiting))
        keys = ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
        empty: dict[str, Any] = {key: {} for key in keys}
        self.append([Created(exp=self.exp, ver=0, id=uuid.uuid4(), at=AT, by="h:1:t", **empty)], None)

    def length(self, tid: int | None) -> int:
        return sum(place[0] == tid for place in self.model)

    def append(self, events: list[Event], fault: str | None) -> None:
        """Append to all logs; each must do what the model does."""
        expected: Event | None = None
        for mine in events:
            other = self.model.get((mine.tid, mine.ver))
            if other is not None and other.id != mine.id:
                expected = other
                break
            self.model[mine.tid, mine.ver] = mine
        self.real.fault = self.fake.fault = fault
        for log in self.logs:
            try:
                log.append(events)
            except Conflict as conflict:
                given: Event | None = conflict.event
            else:
                given = None
            assert given == expected, f"{type(log).__name__} says {given}, the model {expected}"
        self.real.fault = self.fake.fault = None

    @rule(
        writes=st.lists(
            st.tuples(st.sampled_from(CHAINS), st.integers(0, 2), st.integers(1, 3)), min_size=1, max_size=3
        ),
        fault=st.sampled_from(FAULTS),
    )
    def writers_append(self, writes: list[tuple[int | None, int, int]], fault: str | None) -> None:
        """Append a batch to some chains; a writer that is behind believes a chain shorter than it is."""
        batch: list[Event] = []
        ends: dict[int | None, int] = {}
        for tid, behind, count in writes:
            if tid is not None and tid > self.trials() + len([t for t in ends if t is not None and t >= self.trials()]):
                continue  # trial ids have no gaps: who knows the log does not leave any
            start = ends.get(tid, max(self.length(tid) - behind, 1 if tid is None else 0))
            if tid is not None and start == 0 and tid < self.trials() and behind == 0:
                continue
            batch += [event(self.exp, tid, start + i, f"writer {behind}") for i in range(count)]
            ends[tid] = start + count
        if batch:
            self.append(batch, fault)

    @rule(drivers=st.integers(1, 3), fault=st.sampled_from(FAULTS))
    def drivers_decide(self, drivers: int, fault: str | None) -> None:
        """Several drivers make the next decision at once: one has made it, the others learn of it."""
        tid = self.trials()
        if tid < 12:
            for driver in range(drivers):
                self.append([event(self.exp, tid, 0, f"driver {driver}")], fault)

    @rule(data=st.data(), fault=st.sampled_from(FAULTS))
    def somebody_sends_again(self, data: st.DataObject, fault: str | None) -> None:
        """Send events again that are in the log, in one batch with a new one perhaps."""
        places = sorted(self.model, key=str)
        first = data.draw(st.sampled_from(places))
        again = [self.model[first]]
        while (following := (first[0], again[-1].ver + 1)) in self.model and len(again) < 3:
            again.append(self.model[following])
        self.append(again, fault)

    @rule(data=st.data())
    def a_reader_catches_up(self, data: st.DataObject) -> None:
        """Read what is not known, from any point on."""
        last = data.draw(st.integers(-1, self.trials() - 1))
        known = ReadCursor(
            header=data.draw(st.integers(-1, self.length(None) - 1)),
            last=last,
            open={tid: data.draw(st.integers(0, self.length(tid) - 1)) for tid in range(last + 1)},
        )
        expected = [
            self.model[place]
            for place in sorted(self.model, key=lambda p: (-1 if p[0] is None else p[0], p[1]))
            if place[1] > (known.header if place[0] is None else known.open.get(place[0], -1))
        ]
        for log in self.logs:
            assert log.read(self.exp, known) == expected

    def trials(self) -> int:
        return len({tid for tid, _ in self.model} - {None})

    @invariant()
    def count(self) -> None:
        type(self).steps += 1

    def teardown(self) -> None:
        if not hasattr(self, "logs"):
            return
        expected = sorted(self.model.values(), key=lambda e: (-1 if e.tid is None else e.tid, e.ver))
        for log in self.logs:
            read = log.read(self.exp)
            assert read == expected  # nothing lost, doubled or overwritten; nothing that was not sent
            for tid in {e.tid for e in read}:
                assert [e.ver for e in read if e.tid == tid] == list(range(self.length(tid)))


@pytest.mark.parametrize(
    ("steps", "examples"),
    [pytest.param(400, 6, id="four hundred"), pytest.param(10_000, 130, id="ten thousand", marks=pytest.mark.long)],
)
def test_thousands_of_steps_of_writers_faults_and_rollbacks_leave_all_logs_equal(
    mongo_store: Store, database: Database[Any], monkeypatch: pytest.MonkeyPatch, steps: int, examples: int
) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.0002)
    Agreement.databases = (database,)
    Agreement.steps = 0
    run_state_machine_as_test(
        Agreement,
        settings=settings(
            max_examples=examples,
            stateful_step_count=STEPS_EACH,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    assert Agreement.steps >= steps


def test_the_server_that_rolls_back_is_the_real_one_in_all_else(mongo_store: Store, database: Database[Any]) -> None:
    import random

    from bson import Timestamp

    from hstore.store.event_documents import to_document

    real, fake = database["events"], rollback_server.RollbackCollection()
    rng = random.Random(5)
    sent: list[dict[str, Any]] = []

    def outcome(collection: Any, documents: list[dict[str, Any]]) -> Any:
        try:
            collection.insert_one(documents[0]) if len(documents) == 1 else collection.insert_many(documents)
        except BulkWriteError as error:
            (failure,) = error.details["writeErrors"]
            return "bulk", failure["index"], failure["code"], error.details["writeConcernErrors"]
        except DuplicateKeyError as error:
            return "one", error.code
        return "in"

    def comparable(documents: Any) -> list[Any]:
        return [{name: value for name, value in document.items() if name != "ts"} for document in documents]

    outcomes = set()
    for _ in range(100):
        batch = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            tid = rng.choice([None, 0, 1, 2])
            new = to_document(event("e", tid, rng.randint(1 if tid is None else 0, 25), "x")) | {"ts": Timestamp(0, 0)}
            batch.append(rng.choice(sent) if sent and rng.random() < 0.3 else new)
        found = outcome(real, batch)
        assert outcome(fake, batch) == found
        outcomes.add(found[0])
        sent += batch
        query: dict[str, Any] = rng.choice(
            [
                {"exp": "e"},
                {"exp": "e", "tid": None, "ver": rng.randint(0, 9)},
                {"$or": [{"_id": rng.choice(sent)["_id"]}, {"exp": "e", "tid": rng.choice([None, 1]), "ver": 3}]},
                {
                    "$or": [
                        {"exp": "e", "tid": None, "ver": {"$gt": 4}},
                        {"exp": "e", "tid": {"$gt": 0}},
                        {"exp": "e", "tid": {"$in": [0, 1]}, "ver": {"$gt": 2}},
                    ]
                },
            ]
        )
        order = [("exp", 1), ("tid", 1), ("ver", 1)]
        assert comparable(fake.find(query, sort=order)) == comparable(real.find(query, sort=order))
        assert (fake.find_one(query) is None) == (real.find_one(query) is None)
        assert fake.distinct("exp", query) == real.distinct("exp", query)
    assert outcomes == {"in"[0], "bulk", "one"}
