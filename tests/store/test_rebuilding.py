"""Documents that are derived as the log is read are those of a log that was folded first."""

import uuid
from typing import Any

import pytest
from histories import begin, live
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from hstore.store.errors import NotFound
from hstore.store.rebuilding import rebuild
from hstore.store.store import Store


def documents(database: Database[Any]) -> list[list[tuple[str, Any]]]:
    local = ReadConcern("local")
    trials = database.get_collection("trials", read_concern=local).find(sort=[("tid", 1)])
    experiments = database.get_collection("experiments", read_concern=local).find(sort=[("_id", 1)])
    return [sorted(document.items()) for document in (*trials, *experiments)]


@pytest.mark.parametrize("seed", [3, 11])
def test_documents_are_those_of_the_fold(mongo_store: Store, database: Database[Any], seed: int) -> None:
    experiment = begin(mongo_store)
    live(experiment, seed, 150)
    mongo_store.models.rebuild(experiment.state)
    expected = documents(database)
    database["trials"].insert_one({"_id": "odd", "exp": "e", "tid": 999, "ver": 0})
    database["trials"].update_one({"tid": 0}, {"$set": {"state": "odd"}})
    taken: list[int] = []
    n, events = rebuild(mongo_store, "e", taken.append)
    assert repr(documents(database)) == repr(expected)  # NaN equals NaN
    assert (n, events) == (len(experiment.state.trials) + 1, experiment.state.events)
    assert sum(taken) == events


def test_a_log_with_a_stray_is_folded_first(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begin(mongo_store)
    live(experiment, 5, 40)
    mongo_store.models.flush()
    expected = documents(database)
    stray = database["events"].find_one({"tid": 1, "ver": 1})
    assert stray is not None
    database["events"].insert_one(stray | {"_id": uuid.uuid4(), "tid": 77})
    database["trials"].delete_many({"exp": "e"})
    n, _ = rebuild(mongo_store, "e")
    assert n == len(expected)
    with pytest.raises(NotFound):
        rebuild(mongo_store, "nothing")
