"""The check finds each kind of damage, wherever it was done, and nothing else."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database

import hstore
from hstore import Store, Trials, fmin, hp, tpe
from hstore.engine.audit.check import Violation, check
from hstore.engine.evaluation.ctrl import inject
from hstore.store.errors import NotFound
from hstore.store.events import Failed, Finished, Noted, Queued, Requeued, Reserved, Resumed, Running
from hstore.store.experiment import Experiment

Damage = Callable[[Database[Any]], Any]
N = 8


def objective(config: dict[str, Any]) -> float:
    if config["x"] > 2:
        raise ValueError("too far")
    return float(config["x"] ** 2)


def search(*, max_evals: int = N, **where: Any) -> None:
    fmin(
        objective, {"x": hp.uniform("x", -3, 3)}, algo=tpe.suggest, max_evals=max_evals,
        rstate=np.random.default_rng(0), verbose=False, catch_eval_exceptions=True, **where,
    )  # fmt: skip


def search_in(url: str) -> None:
    search(experiment="demo", store=url)


@pytest.fixture
def demo(filled: Callable[[Callable[[str], None]], str]) -> Iterator[Store]:
    """A store with a search that has finished."""
    with hstore.open(filled(search_in)) as store:
        yield store


@pytest.fixture
def unguarded(demo: Store) -> Iterator[Database[Any]]:
    """The database of that store, which takes anything meanwhile."""
    assert demo.database is not None
    demo.database.command("collMod", "events", validationLevel="off")
    yield demo.database
    demo.database.command("collMod", "events", validationLevel="strict")


def kinds(findings: list[Violation]) -> set[str]:
    return {finding.kind for finding in findings}


def test_a_search_that_nothing_happened_to_is_sound(demo: Store) -> None:
    assert check(demo, "demo") == []
    assert check(demo, "demo", max_evals=N) == []


def test_a_search_in_memory_is_checked_as_well() -> None:
    trials = Trials()
    search(trials=trials)
    assert check(trials.experiment.store, trials.experiment.name, max_evals=N) == []


def test_a_search_that_went_on_after_its_end_is_sound(demo: Store) -> None:
    search(experiment="demo", store=demo, max_evals=2 * N)
    assert check(demo, "demo", max_evals=2 * N) == []


def test_a_trial_that_was_retried_after_its_end_is_sound(demo: Store) -> None:
    experiment = demo.experiment("demo")
    experiment.append(experiment.compose((Noted, None, {"about": [2]}), (Resumed, None, {"why": "retry"})))
    experiment.append(experiment.compose((Requeued, 2, {"why": "again"})))
    assert check(demo, "demo") == []
    search(experiment="demo", store=demo)
    assert check(demo, "demo", max_evals=N) == []


def test_what_is_still_open_is_no_finding_until_the_search_is_over(mongo_store: Store) -> None:
    search(experiment="demo", store=mongo_store, max_evals=2)
    experiment = mongo_store.experiment("demo")
    experiment.append(experiment.compose((Resumed, None, {"why": "on"})))
    experiment.append(experiment.compose((Queued, 2, queued(experiment))), more_to_come=True)
    assert kinds(check(mongo_store, "demo")) <= {"max_evals", "replay"}  # the point was not derived
    assert {"open", "lag"} <= kinds(check(mongo_store, "demo", max_evals=3, timeout=0))


def test_a_search_that_was_stopped_may_let_running_trials_end(mongo_store: Store) -> None:
    search(experiment="demo", store=mongo_store, max_evals=1)
    experiment = mongo_store.experiment("demo")
    experiment.append(experiment.compose((Resumed, None, {"why": "on"}), (Queued, 1, queued(experiment))))
    experiment.append(experiment.compose((Reserved, 1, {"worker": "w", "host": "h", "attempt": 1})))
    experiment.append(experiment.compose((Finished, None, {"why": "stopped"})))
    assert not {"open", "observed", "lag"} & kinds(check(mongo_store, "demo"))
    experiment.append(experiment.compose((Finished, None, {"why": "max_evals"})))
    assert "open" in kinds(check(mongo_store, "demo"))


def test_trials_that_an_objective_injected_do_not_count(mongo_store: Store) -> None:
    search(experiment="demo", store=mongo_store, max_evals=2)
    experiment = mongo_store.experiment("demo")
    experiment.append(experiment.compose((Resumed, None, {"why": "on"})))
    inject(experiment, [({"x": 0.5}, {"status": "ok", "loss": 0.25})])
    search(experiment="demo", store=mongo_store, max_evals=2)
    assert check(mongo_store, "demo", max_evals=2) == []


def test_an_experiment_that_is_not_there_is_said_to_be(demo: Store) -> None:
    with pytest.raises(NotFound, match="demos"):
        check(demo, "demos")


def test_an_event_that_was_acknowledged_and_is_not_there_is_found(demo: Store) -> None:
    acknowledged = {event.id for event in demo.experiment("demo").events}
    assert check(demo, "demo", acknowledged=acknowledged) == []
    lost = uuid.uuid4()
    (finding,) = check(demo, "demo", acknowledged=acknowledged | {lost})
    assert (finding.kind, str(lost) in finding.message) == ("missing", True)


def queued(experiment: Experiment) -> dict[str, Any]:
    return {"point": {"x": 1.0}, "params": {"x": 1.0}, "observed": experiment.observed(), "seed": 1} | {
        "algorithm": {"name": "tpe", "version": 1, "settings": {}}
    }


def _remove(**which: Any) -> Damage:
    return lambda database: database["events"].delete_one({"exp": "demo", **which})


def _twice(database: Database[Any]) -> None:
    events = database["events"]
    for name in events.index_information():
        if name != "_id_":
            events.drop_index(name)
    document = events.find_one({"tid": 3, "ver": 3})
    assert document is not None
    events.insert_one(document | {"_id": uuid.uuid4()})


def _write(tid: int, kind: str, **data: Any) -> Damage:
    """Put an event at the end of a chain past all that writers ask."""

    def write(database: Database[Any]) -> None:
        events = database["events"]
        (last,) = events.find({"exp": "demo", "tid": tid}, sort=[("ver", -1)], limit=1)
        by = data.pop("by", last["by"])
        events.insert_one(last | {"_id": uuid.uuid4(), "ver": last["ver"] + 1, "type": kind, "by": by, "data": data})

    return write


DONE = {"result": {"status": "ok", "loss": 0.0}, "status": "ok", "loss": 0.0}


def _edit(collection: str, which: dict[str, Any], **values: Any) -> Damage:
    def edit(database: Database[Any]) -> None:
        found = database[collection].update_one(which, {"$set": {k.replace("__", "."): v for k, v in values.items()}})
        assert found.modified_count == 1

    return edit


@pytest.mark.parametrize(
    ("damage", "kind", "tid"),
    [
        pytest.param(_remove(tid=3, ver=1), "gap", 3, id="a place of a chain is empty"),
        pytest.param(lambda d: d["events"].delete_many({"tid": 3}), "gap", 3, id="a trial is not there"),
        pytest.param(_remove(type="created"), "gap", None, id="the beginning is not there"),
        pytest.param(_twice, "twice", 3, id="a place is taken twice"),
        pytest.param(_write(3, "done", **DONE), "state", 3, id="a trial ends twice"),
        pytest.param(_write(3, "running", pid=1, python="3", hstore="0"), "state", 3, id="an ended trial runs"),
        pytest.param(_remove(tid=N - 1, ver=3), "open", N - 1, id="a trial has no end"),
        pytest.param(_write(3, "requeued", why="again"), "open", 3, id="a trial was requeued and no worker took it"),
        pytest.param(
            _edit("events", {"tid": 3, "type": "running"}, by="elsewhere:1:worker"), "holder", 3,
            id="another process writes",
        ),
        pytest.param(
            _edit("events", {"tid": 3, "type": "queued"}, data__observed=[]), "observed", 2, id="an end goes unobserved"
        ),
        pytest.param(_remove(type="finished"), "model", None, id="the end of the search is not there"),
        pytest.param(
            _edit("events", {"tid": None, "type": "created"}, data__limits__max_evals=N + 1), "max_evals", None,
            id="it ended too early",
        ),
        pytest.param(
            _edit("events", {"tid": None, "type": "created"}, data__limits__max_evals=N - 1), "max_evals", None,
            id="a trial too many",
        ),
        pytest.param(_edit("events", {"tid": 3, "ver": 3}, data__duration=7.5), "seal", 3, id="an event was changed"),
        pytest.param(
            _edit("events", {"tid": 3, "type": "queued"}, data__point__x=0.25), "replay", 3, id="a point was changed"
        ),
        pytest.param(
            _edit("events", {"tid": 3, "type": "queued"}, data__seed="x"), "unreadable", 3, id="an event is no event"
        ),
        pytest.param(_edit("trials", {"tid": 3}, state="running"), "model", 3, id="a read model lies"),
        pytest.param(_edit("trials", {"tid": 3}, ver=2), "lag", 3, id="a read model lags"),
        pytest.param(_edit("trials", {"tid": 3}, ver=2**62), "model", 3, id="a read model is far ahead"),
        pytest.param(lambda d: d["trials"].delete_one({"tid": 3}), "lag", 3, id="a read model is not there"),
        pytest.param(
            lambda d: d["trials"].insert_one({"exp": "demo", "tid": N, "ver": 0}), "model", N,
            id="a read model of nothing",
        ),
        pytest.param(_edit("experiments", {}, trials=5), "model", None, id="the read model of the experiment lies"),
        pytest.param(
            _edit("experiments", {}, events=5, counts={}),
            "lag",
            None,
            id="the read model of the experiment lags",
        ),
    ],
)  # fmt: skip
def test_damage_is_found(demo: Store, unguarded: Database[Any], damage: Damage, kind: str, tid: int | None) -> None:
    damage(unguarded)
    findings = check(demo, "demo", timeout=0)
    assert (kind, tid) in {(finding.kind, finding.tid) for finding in findings}, findings


def test_a_read_model_that_is_written_meanwhile_is_waited_for(demo: Store) -> None:
    assert demo.database is not None

    def late(_: int) -> None:
        experiment.repair()

    for timeout, found in ((0.0, {"lag"}), (60.0, set())):
        demo.database.trials.update_one({"tid": 3}, {"$set": {"ver": 2}})
        experiment = demo.experiment("demo")
        assert kinds(check(demo, "demo", timeout=timeout, on_progress=late)) == found


def test_what_was_removed_from_the_end_is_found_when_the_number_of_trials_is_known(demo: Store) -> None:
    assert demo.database is not None
    demo.database["events"].delete_many({"tid": N - 1})
    demo.database["events"].delete_many({"type": "finished"})
    assert "max_evals" in kinds(check(demo, "demo", max_evals=N))


def test_an_end_that_two_decisions_observed_is_found(demo: Store) -> None:
    experiment = demo.experiment("demo")
    again = [[2, 3, experiment.digest(2, 3)]]
    experiment.append(experiment.compose((Finished, None, {"why": "again", "observed": again})))
    (finding,) = check(demo, "demo")
    assert (finding.kind, finding.tid) == ("observed", 2)
    assert "trial 3 had observed it" in finding.message


def test_a_trial_tried_more_often_than_the_policy_allows_is_found(mongo_store: Store) -> None:
    search(experiment="demo", store=mongo_store, max_evals=1)
    experiment = mongo_store.experiment("demo")
    experiment.append(experiment.compose((Resumed, None, {"why": "on"}), (Queued, 1, queued(experiment))))
    for attempt in (1, 2, 3):
        claim = {"worker": "w", "host": "h", "attempt": attempt}
        lost = {"why": "its worker fell silent", "cause": "lost"}
        experiment.append(experiment.compose((Reserved, 1, claim), (Requeued, 1, lost)))
    (finding,) = (finding for finding in check(mongo_store, "demo") if finding.kind == "retries")
    assert finding.message == "trial 1 was requeued 3 times (lost), not 2"


def test_a_reaper_may_end_a_trial_that_it_never_held(mongo_store: Store) -> None:
    search(experiment="demo", store=mongo_store, max_evals=1)
    experiment = mongo_store.experiment("demo")
    experiment.append(experiment.compose((Resumed, None, {"why": "on"}), (Queued, 1, queued(experiment))))
    claim = {"worker": "w", "host": "h", "attempt": 1}
    running = {"pid": 1, "python": "3", "hstore": "0"}
    experiment.append(experiment.compose((Reserved, 1, claim), (Running, 1, running)))
    failed = {"error": "Lost", "message": "", "final": True}
    assert mongo_store.database is not None
    experiment.append(experiment.compose((Failed, 1, failed | {"cause": "lost"})))
    ended = {"exp": "demo", "tid": 1, "ver": 3}
    mongo_store.database["events"].update_one(ended, {"$set": {"by": "elsewhere:1:reaper"}})
    assert "holder" not in kinds(check(mongo_store, "demo"))
    mongo_store.database["events"].update_one(ended, {"$set": {"data.cause": "failed"}})
    assert "holder" in kinds(check(mongo_store, "demo"))
