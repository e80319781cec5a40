"""MongoWorker evaluates one job at a time in the process that calls it."""

import os
import warnings
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from hstore import MongoTrials, fmin, hp, ipy, mongoexp, rand, spark
from hstore.cli.hyperopt_worker import main_worker, main_worker_helper, number_of_jobs_in_db
from hstore.engine.hyperopt.mongo_jobs import MongoJobs
from hstore.store.errors import ReserveTimeout
from hstore.store.experiment import Experiment
from hstore.store.store import Store
from hstore.workers.hyperopt_mongo_worker import MongoWorker


def objective(point: dict[str, Any]) -> dict[str, Any]:
    if point["x"] > 0.9:
        raise ValueError("too far")
    return {"status": "ok", "loss": point["x"], "in": os.getcwd()}


@pytest.fixture
def queued(mongo_store: Store) -> Experiment:
    """A search with one trial that is done and none to do."""
    fmin(objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, 1, experiment="demo", store=mongo_store, rstate=0,
         verbose=False)  # fmt: skip
    return mongo_store.experiment("demo")


def enqueue(experiment: Experiment, *xs: float) -> None:
    MongoTrials(experiment.store, exp_key="demo").enqueue([{"x": x} for x in xs])


@pytest.mark.covers("mongoexp.MongoWorker", "mongoexp.MongoWorker.*")
def test_one_job_is_evaluated_here_in_its_folder(queued: Experiment, tmp_path: Path) -> None:
    enqueue(queued, 0.5, 0.25)
    before = os.getcwd()
    worker = MongoWorker(MongoJobs.of(queued.store), poll_interval=0.1, workdir=str(tmp_path / "work"), exp_key="demo")
    assert (MongoWorker.poll_interval, worker.poll_interval) == (3.0, 0.1)
    assert (MongoWorker.workdir, worker.workdir) == (None, str(tmp_path / "work"))
    worker.run_one(("somewhere:1",), reserve_timeout=30)
    queued.refresh()
    done = queued.trials[1]
    assert [trial.state for trial in queued.trials] == ["done", "done", "queued"]
    assert done.reserved is not None
    assert done.result is not None
    assert (done.reserved.worker, done.result["in"], os.getcwd()) == ("somewhere:1", str(tmp_path / "work"), before)
    assert os.listdir(tmp_path / "work") == [], "nothing was logged"
    worker.run_one(erase_created_workdir=True)
    assert (tmp_path / "work").exists(), "it was there before"


@pytest.mark.covers("mongoexp.MongoWorker.run_one")
def test_what_an_objective_raises_is_recorded_and_raised(queued: Experiment, tmp_path: Path) -> None:
    enqueue(queued, 0.95)
    worker = MongoWorker(MongoJobs.of(queued.store), 0.1, str(tmp_path / "new"), logfilename=None)
    with pytest.raises(ValueError, match="too far"):
        worker.run_one(reserve_timeout=30, erase_created_workdir=True)
    queued.refresh()
    assert queued.trials[1].error == "ValueError: too far"
    assert not (tmp_path / "new").exists()


@pytest.mark.covers(
    "mongoexp.Shutdown", "mongoexp.WaitQuit", "mongoexp.DomainSwapError", "mongoexp.InvalidMongoTrial", "mongoexp.main",
    "mongoexp.JOB_STATES", "mongoexp.JOB_STATE_NEW", "mongoexp.JOB_STATE_RUNNING", "mongoexp.JOB_STATE_DONE",
    "mongoexp.JOB_STATE_ERROR", "spark.STATUS_OK", "ipy.JOB_STATE_NEW", "ipy.JOB_STATE_RUNNING", "ipy.JOB_STATE_DONE",
    "ipy.JOB_STATE_ERROR", "mongoexp.MongoCtrl.debug", "mongoexp.MongoCtrl.warn", "mongoexp.MongoCtrl.error",
)  # fmt: skip
def test_the_modules_have_what_hyperopts_define_under_the_same_values() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import hyperopt.ipy
        import hyperopt.mongoexp
        import hyperopt.spark
    for theirs, ours in ((hyperopt.mongoexp, mongoexp), (hyperopt.spark, spark), (hyperopt.ipy, ipy)):
        for name, value in vars(theirs).items():
            if getattr(value, "__module__", "") == theirs.__name__ and not name.startswith("_"):
                assert callable(getattr(ours, name)), f"{theirs.__name__}.{name}"
                if isinstance(value, type) and issubclass(value, Exception):
                    assert issubclass(getattr(ours, name), Exception)
            elif name.isupper() and isinstance(value, (int, str, list)):
                assert list(map(str, getattr(ours, name))) == list(map(str, value)) if isinstance(value, list) else (
                    getattr(ours, name) == value
                )  # fmt: skip
    for name in ("debug", "info", "warn", "error"):
        assert callable(getattr(mongoexp.MongoCtrl, name))


@pytest.mark.covers("mongoexp.ReserveTimeout")
@pytest.mark.parametrize("exp_key", [None, "demo", "not begun"])
def test_a_worker_without_work_gives_up_in_time(queued: Experiment, exp_key: str | None) -> None:
    with pytest.raises(ReserveTimeout, match=r"could be reserved within 0.1 s"):
        MongoWorker(MongoJobs.of(queued.store), 0.1, exp_key=exp_key).run_one(reserve_timeout=0.1)


@pytest.mark.covers("mongoexp.number_of_jobs_in_db", "mongoexp.main_worker_helper", "mongoexp.main_worker")
def test_the_program_can_be_called_with_its_options(
    queued: Experiment, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # it goes to its folder, in this process
    enqueue(queued, 0.5)
    options = Namespace(mongo=mongo_url, exp_key="demo", max_jobs=1, workdir=str(tmp_path), no_subprocesses=True,
                        poll_interval=0.1, reserve_timeout=30.0, max_consecutive_failures=4)  # fmt: skip
    assert number_of_jobs_in_db(options) == 2
    assert main_worker_helper(options, []) == 0
    queued.refresh()
    assert queued.trials[1].state == "done"
    assert main_worker_helper(options, ["positional"]) == 2
    assert callable(main_worker)
