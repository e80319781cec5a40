"""Read models say what the fold says, however often and in whatever order they are told."""

import math
import random
from typing import Any

import pytest
from histories import begin, live
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.database import Database
from pymongo.read_concern import ReadConcern
from tests.drawing import examples

from hstore.store.events import Done, Queued, Requeued, Reserved, Running
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.state import State, fold
from hstore.store.store import Store

WHOLE: list[PendingEvent] = [
    (Queued, 0, {"point": {"x": 1.0}, "params": {"x": 1.0}}),
    (Reserved, 0, {"worker": "h:1:w", "host": "h", "attempt": 1}),
    (Running, 0, {"pid": 1, "python": "3", "hstore": "0"}),
    (Done, 0, {"result": {"status": "ok", "loss": 1.0}, "status": "ok", "loss": 1.0}),
]


def documents(database: Database[Any]) -> list[list[Any]]:
    """Return all there is in the read models."""
    models = [database.get_collection(name, read_concern=ReadConcern("local")) for name in ("trials", "experiments")]
    return [sorted(model.find(), key=lambda d: str(d["_id"])) for model in models]


def plain(value: Any) -> Any:
    """Return *value* with the order of keys settled and NaN equal to itself."""
    if isinstance(value, dict):
        return {key: plain(value[key]) for key in sorted(value)}
    return [plain(item) for item in value] if isinstance(value, list) else repr(value)


@settings(max_examples=examples(10), deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_after_any_history_a_rebuild_makes_the_same_documents(
    seed: int, steps: int, mongo_store: Store, database: Database[Any]
) -> None:
    for name in ("events", "trials", "experiments"):
        database[name].delete_many({})
    mongo_store.latest.clear()  # as in a process that has read nothing of what was there
    experiment = begin(mongo_store)
    live(experiment, seed, steps)
    models = mongo_store.models
    assert models is not None
    rng = random.Random(seed)
    for _ in range(5):  # what is older, or told twice, changes nothing
        earlier = fold("e", experiment.received[: rng.randint(1, len(experiment.received))])
        models.project(earlier, set(earlier.trials) | {None})
        models.project(experiment.state, {tid for tid in experiment.state.trials if rng.random() < 0.5} | {None})
    models.flush()
    found = documents(database)
    assert len(found[0]) == len(experiment.trials)
    models.rebuild(experiment.state)
    assert plain(documents(database)) == plain(found)


def test_an_older_state_never_replaces_a_newer_one(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begin(mongo_store)
    experiment.append(experiment.compose(*WHOLE))
    older = fold("e", experiment.events[:3])
    assert mongo_store.models is not None
    mongo_store.models.project(older, {0, None})
    mongo_store.models.flush()
    (trial,), (about,) = documents(database)
    assert (trial["state"], trial["ver"]) == ("done", 3)
    assert about["events"] == 5


def test_what_no_longer_applies_goes_and_what_others_wrote_stays(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begin(mongo_store)
    experiment.append(experiment.compose(*WHOLE))
    database["trials"].update_one({}, {"$set": {"lease": "over", "starred": True}})
    experiment.append(experiment.compose((Requeued, 0, {"why": "again"})))
    ((trial,), _) = documents(database)
    assert trial["state"] == "queued"
    assert trial["starred"]
    assert "lease" not in trial
    assert not {"loss", "status", "result", "ended_at", "worker"} & trial.keys()


@pytest.mark.parametrize(("loss", "kind"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_loss_that_is_no_finite_number_is_absent_and_named(
    loss: float, kind: str, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begin(mongo_store)
    done = (Done, 0, {"result": {"status": "ok", "loss": loss}, "status": "ok", "loss": loss})
    experiment.append(experiment.compose(*WHOLE[:3], done))
    ((trial,), _) = documents(database)
    assert trial["loss_kind"] == kind
    assert "loss" not in trial


def test_what_a_writer_that_died_did_not_show_is_mended(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begin(mongo_store)
    experiment.append(experiment.compose(*WHOLE[:2]))
    mongo_store.log.append(experiment.compose(*WHOLE[2:]))  # and no more: the read models are not told
    later = mongo_store.experiment("e")
    assert mongo_store.models is not None
    assert mongo_store.models.repair(later.state) == 1
    assert mongo_store.models.repair(later.state) == 0
    ((trial,), (about,)) = documents(database)
    assert (trial["state"], about["counts"]) == ("done", {"done": 1})


def test_a_query_of_trials_by_state_and_loss_uses_an_index(mongo_store: Store, database: Database[Any]) -> None:
    experiment = begin(mongo_store)
    live(experiment, 1, 80)
    query = (
        database["trials"].find({"exp": "e", "state": "done"}, {"params": 1, "loss": 1}).sort([("loss", 1)]).limit(3)
    )
    plan = str(query.explain()["queryPlanner"]["winningPlan"])
    assert "IXSCAN" in plan
    assert "'SORT'" not in plan


def test_an_empty_state_is_shown_too(mongo_store: Store, database: Database[Any]) -> None:
    assert mongo_store.models is not None
    mongo_store.models.rebuild(State("nothing"))
    assert documents(database)[0] == []
    assert isinstance(begin(mongo_store), Experiment)


@pytest.mark.parametrize("long", ["x" * 9_000_000, [["x" * 3000] * 3000], {"a": "x" * 9_000_000}])
def test_values_that_no_document_has_room_for_are_cut_for_queries_alone(
    long: Any, mongo_store: Store, database: Database[Any]
) -> None:
    experiment = begin(mongo_store)
    for event in WHOLE:
        if event[0] is Queued:
            event = (Queued, 0, {**event[2], "params": {"x": long, "y": long, "n": 1.5, "short": "s"}})
        experiment.append(experiment.compose(event))
    (shown,) = documents(database)[0]
    assert shown["state"] == "done"
    assert max(len(shown["params"]["x"]), len(shown["params"]["y"])) <= 1001
    assert (shown["params"]["n"], shown["params"]["short"]) == (1.5, "s")
    assert experiment.trials[0].params["x"] == long
