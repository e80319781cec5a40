"""MongoJobs shows a store as hyperopt's jobs, and makes events of what programs do to them."""

import os.path
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.waiting import until

from hstore import MongoTrials, fmin, hp, rand
from hstore.engine.hyperopt.documents import JOB_STATE_CANCEL, JOB_STATE_DONE, JOB_STATE_ERROR, JOB_STATE_NEW
from hstore.engine.hyperopt.mongo_ctrl import MongoCtrl, exec_import
from hstore.engine.hyperopt.mongo_jobs import MongoJobs
from hstore.store.errors import HstoreError, InvalidPoint, InvalidValue, OperationFailure
from hstore.store.experiment import Experiment
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", 0, 1), "k": hp.choice("k", ["a", {"y": hp.uniform("y", 0, 1)}])}


def search(store: Store, fn: Any = lambda point: point["x"], max_evals: int = 3, **more: Any) -> Experiment:
    arguments = {"experiment": "demo", "store": store, "rstate": 0, "verbose": False, **more}
    fmin(fn, SPACE, rand.suggest, max_evals, **arguments)
    return store.experiment(arguments["experiment"])


def job(state: int, vals: dict[str, float], exp_key: str = "demo", **more: Any) -> dict[str, Any]:
    misc = {"tid": 7, "cmd": None, "idxs": {}, "vals": {label: [value] for label, value in vals.items()} | {"z": []}}
    return {"tid": 7, "state": state, "result": {"status": "new"}, "misc": misc, "exp_key": exp_key, **more}


@pytest.fixture
def jobs(mongo_store: Store) -> MongoJobs:
    """The jobs of a search with three that are done."""
    search(mongo_store)
    return MongoJobs.of(mongo_store)


@pytest.mark.covers(
    "mongoexp.MongoJobs.new_from_connection_str", "mongoexp.MongoJobs.__len__", "mongoexp.MongoJobs.__iter__",
    "mongoexp.MongoJobs.collection", "mongoexp.MongoJobs.jobs_complete", "mongoexp.MongoJobs.jobs_error",
    "mongoexp.MongoJobs.jobs_queued",
)  # fmt: skip
def test_jobs_are_there_by_state_in_hyperopts_shape(mongo_store: Store, mongo_url: str) -> None:
    def objective(point: dict[str, Any]) -> float:
        if point["x"] > 0.2:
            raise ValueError("too large")
        return float(point["x"])

    search(mongo_store, objective, 4, catch_eval_exceptions=True)
    jobs = MongoJobs.new_from_connection_str(mongo_url)
    trials = MongoTrials(jobs, exp_key="demo")
    trials.enqueue([{"x": 0.5, "k": 0}])
    complete, error, queued = jobs.jobs_complete(), jobs.jobs_error(), jobs.jobs_queued()
    assert (len(jobs), len(complete) + len(error), len(queued)) == (5, 4, 1)
    assert [each["tid"] for each in jobs] == list(range(5))
    assert list(jobs.jobs_queued(cursor=True)) == queued
    assert error[0]["error"] == ["<class 'ValueError'>", "too large"]
    assert complete[0]["result"] == {"loss": complete[0]["misc"]["vals"]["x"][0], "status": "ok"}
    assert (queued[0]["exp_key"], queued[0]["misc"]["vals"]) == ("demo", {"x": [0.5], "k": [0]})
    assert jobs.collection.count_documents({"result.loss": {"$lt": 2}}) == len(complete)


@pytest.mark.covers("mongoexp.MongoJobs.alloc", "mongoexp.MongoJobs.create_indexes",
                    "mongoexp.MongoJobs.create_jobs_indexes", "mongoexp.MongoJobs.create_drivers_indexes")  # fmt: skip
def test_where_they_are_can_be_said_in_parts(monkeypatch: pytest.MonkeyPatch, jobs: MongoJobs) -> None:
    asked: list[str] = []
    monkeypatch.setattr(MongoJobs, "new_from_connection_str", asked.append)
    MongoJobs.alloc("db", host="h", port=1)
    MongoJobs.alloc("db", host="h", port=1, user="me", pw="p/w")
    assert asked == ["mongodb://h:1/db", "mongodb://me:p%2Fw@h:1/db?authSource=admin"]
    with pytest.raises(HstoreError, match="opens no ssh tunnels"):
        MongoJobs.alloc("db", ssh=True)
    jobs.create_indexes()
    jobs.create_jobs_indexes()
    jobs.create_drivers_indexes()


def test_a_database_with_jobs_of_hyperopts_own_says_what_to_do_with_them(mongo_store: Store) -> None:
    assert mongo_store.database is not None
    mongo_store.database.drop_collection("jobs")
    mongo_store.database["jobs"].insert_one({"tid": 0})
    with pytest.raises(OperationFailure, match="holds jobs of hyperopt's own") as caught:
        MongoJobs.of(mongo_store)
    assert "hstore import --from-hyperopt" in caught.value.hint
    with pytest.raises(InvalidValue, match="no jobs but in a MongoDB"):
        MongoJobs.of(Store.in_memory())


@pytest.mark.covers(
    "mongoexp.MongoJobs.attachment_names", "mongoexp.MongoJobs.set_attachment",
    "mongoexp.MongoJobs.get_attachment", "mongoexp.MongoJobs.delete_attachment", "mongoexp.OperationFailure",
)  # fmt: skip
def test_attachments_are_those_of_the_trial(jobs: MongoJobs) -> None:
    doc = jobs.jobs_complete()[1]
    jobs.set_attachment(doc, b"weights", "model")
    jobs.set_attachment(doc, "text", "log")
    trials = MongoTrials(jobs, exp_key="demo")
    assert dict(trials.trial_attachments(trials.trials[1])) == {"model": b"weights", "log": b"text"}
    assert (jobs.attachment_names(doc), jobs.get_attachment(doc, "model")) == (["model", "log"], b"weights")
    jobs.delete_attachment(doc, "log")
    assert jobs.attachment_names(doc) == ["model"]
    for act in (jobs.get_attachment, jobs.delete_attachment):
        with pytest.raises(OperationFailure, match="Attachment not found: log"):
            act(doc, "log")


@pytest.mark.covers("mongoexp.MongoJobs.insert")
def test_an_inserted_job_is_queued_or_done_at_its_values(jobs: MongoJobs) -> None:
    new = job(JOB_STATE_NEW, {"x": 0.5, "k": 0})
    done = job(JOB_STATE_DONE, {"x": 0.25, "k": 1, "y": 0.5}, result={"status": "ok", "loss": 9.0})
    assert jobs.insert(new) == new["_id"] == {"exp": "demo", "tid": 3}
    assert jobs.insert(done) == {"exp": "demo", "tid": 4}
    trials = jobs.store.experiment("demo").trials
    assert [(trial.state, trial.loss) for trial in trials[3:]] == [("queued", None), ("done", 9.0)]
    with pytest.raises(InvalidPoint, match="x"):
        jobs.insert(job(JOB_STATE_NEW, {"x": 5.0, "k": 0}))
    with pytest.raises(InvalidValue, match="cannot be inserted in state 3"):
        jobs.insert(job(JOB_STATE_ERROR, {"x": 0.5, "k": 0}))
    with pytest.raises(HstoreError, match="there is no experiment 'demi'"):
        jobs.insert(job(JOB_STATE_NEW, {"x": 0.5, "k": 0}, exp_key="demi"))


@pytest.mark.covers("mongoexp.MongoJobs.reserve", "mongoexp.MongoJobs.update", "mongoexp.MongoJobs.refresh",
                    "mongoexp.MongoJobs.jobs_running")  # fmt: skip
def test_a_program_can_reserve_jobs_and_tell_what_becomes_of_them(jobs: MongoJobs) -> None:
    trials = MongoTrials(jobs, exp_key="demo")
    trials.enqueue([{"x": x / 10, "k": 0} for x in range(5)])
    taken: list[dict[str, Any]] = [jobs.reserve(("me:1",), exp_key="demo") or {} for _ in range(5)]
    assert [each["tid"] for each in taken] == [3, 4, 5, 6, 7]
    assert (jobs.reserve("me"), jobs.reserve("me", exp_key="other")) == (None, None)
    assert (taken[0]["owner"], len(jobs.jobs_running()), len(list(jobs.jobs_running(cursor=True)))) == (["me:1"], 5, 5)
    jobs.refresh(taken[0])
    jobs.update(taken[0], {"result": {"status": "ok", "loss": 0.5, "curve": [1]}})
    assert jobs.update(taken[0], {"state": JOB_STATE_DONE})["state"] == JOB_STATE_DONE
    jobs.update(taken[1], {"state": JOB_STATE_ERROR, "error": ("<class 'ValueError'>", "no")})
    jobs.update(taken[2], {"state": JOB_STATE_CANCEL})
    jobs.update(taken[3], {"state": JOB_STATE_NEW})
    found = jobs.store.experiment("demo").trials[3:]
    assert [trial.state for trial in found] == ["done", "failed", "cancelled", "queued", "running"]
    assert found[0].result == {"status": "ok", "loss": 0.5, "curve": [1]}
    assert (found[0].duration is not None, found[1].error, found[3].retries) == (True, "ValueError: no", {})
    again = jobs.reserve("me")
    assert again is not None
    assert again["tid"] == 6


@pytest.mark.covers("mongoexp.MongoJobs.update", "mongoexp.MongoJobs.reserve")
def test_what_cannot_be_told_is_refused(jobs: MongoJobs) -> None:
    done = jobs.jobs_complete()[0]
    with pytest.raises(OperationFailure, match="job 0 of 'demo' is not reserved by this process"):
        jobs.update(done, {"state": JOB_STATE_NEW})
    MongoTrials(jobs, exp_key="demo").enqueue([{"x": 0.5, "k": 0}])
    with pytest.raises(OperationFailure, match="reserve takes no condition"):
        jobs.reserve("me", cond={"result.loss": 1})
    taken = jobs.reserve("me") or {}
    with pytest.raises(OperationFailure, match="spec, tid of a job cannot be changed"):
        jobs.update(taken, {"tid": 5, "spec": {}})
    with pytest.raises(OperationFailure, match="9 is no state of a job"):
        jobs.update(taken, {"state": 9})
    experiment = jobs.store.experiment("demo")
    from hstore.engine.search.control import stop

    stop(experiment, "enough", now=True)
    with pytest.raises(OperationFailure, match="was taken from this process"):
        jobs.update(taken, {"state": JOB_STATE_DONE, "result": {"status": "ok", "loss": 1.0}})


@pytest.mark.covers("mongoexp.MongoJobs.jobs_dead")
def test_a_job_whose_worker_fell_silent_is_dead(jobs: MongoJobs, monkeypatch: pytest.MonkeyPatch) -> None:
    MongoTrials(jobs, exp_key="demo").enqueue([{"x": 0.5, "k": 0}])
    monkeypatch.setattr("hstore.engine.hyperopt.mongo_reservations.LEASE_SECONDS", 0.05)
    monkeypatch.setattr("hstore.engine.evaluation.heartbeat.BEATS_PER_LEASE", 1e-9)  # it never beats
    (jobs.reserve("me") or {})["tid"]
    until(jobs.jobs_dead)
    assert (len(list(jobs.jobs_dead(cursor=True))), jobs.jobs_running()) == (1, [])


@pytest.mark.covers("mongoexp.MongoJobs.delete", "mongoexp.MongoJobs.delete_all",
                    "mongoexp.MongoJobs.delete_all_error_jobs")  # fmt: skip
def test_nothing_is_deleted(jobs: MongoJobs) -> None:
    deletes: list[Callable[[], None]] = [
        lambda: jobs.delete({}), lambda: jobs.delete_all({}), jobs.delete_all_error_jobs,
    ]  # fmt: skip
    for delete in deletes:
        with pytest.raises(OperationFailure, match="no job is deleted: the log keeps all that happened") as caught:
            delete()
        assert "another exp_key" in caught.value.hint
    assert len(jobs) == 3


@pytest.mark.covers("mongoexp.MongoCtrl.checkpoint", "mongoexp.MongoCtrl.attachments",
                    "mongoexp.MongoCtrl.set_attachment", "mongoexp.MongoCtrl.info")  # fmt: skip
def test_a_ctrl_of_a_reserved_job_checkpoints_and_attaches(jobs: MongoJobs) -> None:
    trials = MongoTrials(jobs, exp_key="demo")
    trials.enqueue([{"x": 0.5, "k": 0}])
    taken = jobs.reserve("me") or {}
    trials.refresh()
    MongoCtrl(trials, taken, read_only=True).checkpoint({"status": "ok", "loss": 3.0})
    ctrl = MongoCtrl(trials, taken, read_only=False)
    ctrl.checkpoint({"status": "running", "loss": 2.0})
    ctrl.set_attachment(b"weights", "model")
    ctrl.info("told")
    assert ctrl.attachments["model"] == b"weights"
    assert [report.result for report in jobs.store.experiment("demo").trials[3].reports if report.result] == [
        {"status": "running", "loss": 2.0}
    ]


@pytest.mark.covers("mongoexp.exec_import")
def test_a_command_is_looked_up_in_its_module() -> None:
    assert exec_import("os.path", "os.path.join") is os.path.join
    assert exec_import("time", "time.monotonic") is time.monotonic
