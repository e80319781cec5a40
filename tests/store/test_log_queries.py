"""Readers ask for what they lack by an index, whatever the length of the log."""

from itertools import chain
from typing import Any

from pymongo.database import Database
from test_fold import event

from hstore.store.document_cursor import IN_ORDER
from hstore.store.events import Created, Done, Queued, Reserved, Running
from hstore.store.log import ReadCursor
from hstore.store.log_queries import query_beyond
from hstore.store.store import Store

UNFINISHED = 100


def run(tid: int) -> list[Any]:
    return [event(kind, tid, ver) for ver, kind in enumerate((Queued, Reserved, Running, Done))]


def stages(plan: Any) -> set[str]:
    if isinstance(plan, list):
        return set().union(*map(stages, plan))
    if not isinstance(plan, dict):
        return set()
    own = {plan["stage"]} if isinstance(plan.get("stage"), str) else set()
    return own.union(*map(stages, plan.values()))


def test_readers_find_what_is_new_by_the_index_and_sort_nothing(mongo_store: Store, database: Database[Any]) -> None:
    others = chain.from_iterable(run(tid) for tid in range(300))
    mongo_store.log.append([event(Created, None, 0), *others])
    unfinished = [e for tid in range(300, 300 + UNFINISHED) for e in run(tid)[: 1 + tid % 3]]
    mongo_store.log.append(unfinished)
    open_ = {tid: tid % 3 for tid in range(300, 300 + UNFINISHED)}
    for known in (ReadCursor(), ReadCursor(header=0, last=299 + UNFINISHED, open=open_)):
        found = database["events"].find(query_beyond("e", known), sort=IN_ORDER).explain()
        used = stages(found["queryPlanner"]["winningPlan"])
        assert "IXSCAN" in used
        assert not used & {"COLLSCAN", "SORT"}
    examined = found["executionStats"]["totalDocsExamined"]
    assert examined == found["executionStats"]["nReturned"] == 0
    assert found["executionStats"]["totalKeysExamined"] < 10 * UNFINISHED
