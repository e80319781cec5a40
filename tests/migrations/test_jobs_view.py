"""The view `jobs` says of trials what hyperopt's own documents would, and hyperopt understands them."""

import warnings
from typing import Any

import numpy as np
import pytest
from pymongo.database import Database
from pymongo.read_concern import ReadConcern

from hstore import STATUS_FAIL, Trials, fmin, hp, migrations, rand
from hstore.engine.hyperopt.importing.jobs import read_job
from hstore.engine.hyperopt.importing.mongo_source import HyperoptStore
from hstore.store.errors import InvalidValue
from hstore.store.events import Cancelled, Queued, Reserved
from hstore.store.store import Store

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt


def objective(config: dict[str, Any]) -> Any:
    if config["x"] > 0.8:
        raise ValueError("too large")
    if config["x"] < 0.2:
        return {"status": STATUS_FAIL, "why": "too small"}
    return {"status": "ok", "loss": config["x"], "curve": [1.0] * (4000 if config["x"] > 0.6 else 1)}


def search(store: Store) -> list[dict[str, Any]]:
    """Return the jobs of a search that ended in all ways, by tid."""
    space = {"x": hp.uniform("x", 0, 1), "c": hp.choice("c", ["a", {"y.z": hp.normal("y.z", 0, 1)}])}
    fmin(objective, space, algo=rand.suggest, max_evals=20, rstate=np.random.default_rng(0), verbose=False,
         catch_eval_exceptions=True, experiment="seen", store=store)  # fmt: skip
    experiment = store.experiment("seen")
    begun = {"worker": "node7:4321", "host": "node7", "attempt": 1}
    point = {"point": {"x": 0.5, "c": 0}, "params": {"x": 0.5, "c": "a"}}
    experiment.append(
        experiment.compose(
            (Queued, 20, point), (Queued, 21, point), (Reserved, 21, begun), (Queued, 22, point),
            (Cancelled, 22, {"why": "enough"}),
        )
    )  # fmt: skip
    experiment.repair()
    assert store.database is not None
    # As it was shown, whether a majority of the servers has it already or not.
    view = store.database.get_collection("jobs", read_concern=ReadConcern("local"))
    return list(view.find({"exp_key": "seen"}))


@pytest.fixture
def jobs(mongo_store: Store) -> list[dict[str, Any]]:
    return sorted(search(mongo_store), key=lambda job: int(job["tid"]))


def test_hyperopt_itself_reads_the_same_search_in_it(mongo_store: Store, jobs: list[dict[str, Any]]) -> None:
    theirs = hyperopt.trials_from_docs(jobs, exp_key="seen")
    ours = Trials(experiment=mongo_store.experiment("seen"))
    assert len(theirs) == len(ours) == len([job for job in jobs if job["state"] in (0, 1, 2)])
    assert theirs.losses() == ours.losses()
    assert theirs.statuses() == ours.statuses()
    assert theirs.argmin == ours.argmin
    for state in range(5):
        assert theirs.count_by_state_unsynced(state) == ours.count_by_state_unsynced(state) > 0
    times = [(doc["book_time"], doc["refresh_time"]) for doc in ours.trials if doc["state"] == 2]
    assert [(job["book_time"].replace(tzinfo=None), job["refresh_time"].replace(tzinfo=None)) for job in jobs
            if job["state"] == 2] == times  # fmt: skip


def test_each_state_has_the_shape_of_a_job(jobs: list[dict[str, Any]]) -> None:
    for job in jobs:
        read_job(job)
    failed = next(job for job in jobs if job["state"] == 3)
    assert failed["error"] == ["<class 'ValueError'>", "too large"]
    assert failed["result"] == {"status": "new"}
    queued, reserved, cancelled = jobs[20:]
    assert (queued["owner"], queued["book_time"], queued["misc"]["vals"]) == (None, None, {"x": [0.5], "c": [0]})
    assert (reserved["state"], reserved["owner"]) == (1, ["node7:4321"])
    assert cancelled["state"] == 4
    assert all("error" not in job for job in jobs if job["state"] != 3)


def test_a_result_too_large_for_it_has_status_and_loss(jobs: list[dict[str, Any]]) -> None:
    large = [job for job in jobs if 0.6 < job["misc"]["vals"]["x"][0] <= 0.8]
    assert large
    for job in large:
        assert job["result"] == {"status": "ok", "loss": job["misc"]["vals"]["x"][0]}


@pytest.mark.absent
def test_jobs_of_hyperopts_own_in_the_same_database_are_left_alone(database: Database[Any]) -> None:
    database["jobs"].insert_one({"tid": 1})
    migrations.apply(database, by_version="1")
    assert [job["tid"] for job in database["jobs"].find()] == [1]
    assert migrations.status(database) == "current"


def test_hstores_own_trials_are_not_imported_through_it(mongo_url: str, mongo_store: Store) -> None:
    with pytest.raises(InvalidValue, match=r"'jobs' in .* is a view"):
        HyperoptStore(mongo_url, timeout=20)
