"""SparkTrials: workers as tasks of a real Spark on this machine. `make test-spark` runs them all."""

import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest

import hstore
from hstore import SparkTrials, Trials, fmin, hp, rand
from hstore.engine.search.control import stop
from hstore.store.errors import HstoreError, InvalidValue, StoreUnreachable

SPACE = {"x": hp.uniform("x", 0, 1)}


class Elsewhere:
    """Stands for the session of a cluster."""

    class sparkContext:  # noqa: N801
        defaultParallelism = 200  # noqa: N815
        master = "spark://far:7077"


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    """A session of two cores here."""
    pytest.importorskip("pyspark", reason="pyspark is not installed: `make test-spark` does so")
    from pyspark.sql import SparkSession

    os.environ["PYSPARK_PYTHON"] = sys.executable
    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.ui.showConsoleProgress", "false").getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    yield session
    session.stop()


def search(spark: Any, url: str, fn: Any, max_evals: int, *, made: Any = None, **more: Any) -> tuple[SparkTrials, Any]:
    trials = SparkTrials(2, spark_session=spark, store=url, **(made or {}))
    return trials, fmin(fn, SPACE, rand.suggest, max_evals, trials=trials, rstate=0, verbose=False, **more)


@pytest.mark.covers(
    "spark.SparkTrials", "spark.SparkTrials._decide_parallelism", "spark.SparkTrials.MAX_CONCURRENT_JOBS_ALLOWED",
    "spark.SparkTrials.asynchronous",
)  # fmt: skip
def test_there_are_as_many_workers_as_are_asked_for_up_to_a_limit() -> None:
    for asked, default, wanted in ((None, 4, 4), (0, 200, 128), (-3, 1, 1), (5, 4, 5), (200, 4, 128)):
        assert SparkTrials._decide_parallelism(asked, default) == wanted
    assert SparkTrials.MAX_CONCURRENT_JOBS_ALLOWED == 128
    assert SparkTrials.asynchronous


def test_without_pyspark_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyspark", None)
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    with pytest.raises(HstoreError, match="SparkTrials needs pyspark, which is not installed") as caught:
        SparkTrials()
    assert caught.value.hint == "pip install 'hstore[spark]'"


def test_a_cluster_needs_a_store_that_it_reaches() -> None:
    with pytest.raises(StoreUnreachable, match="cannot be reached by the executors of spark://far:7077") as caught:
        SparkTrials(spark_session=Elsewhere)
    assert "HSTORE_URL" in caught.value.hint


@pytest.mark.covers(
    "spark.SparkTrials.fmin", "spark.SparkTrials.count_successful_trials", "spark.SparkTrials.count_failed_trials",
    "spark.SparkTrials.count_cancelled_trials", "spark.SparkTrials.count_total_trials",
    "spark.SparkTrials.fmin_cancelled_reason", "spark.SparkTrials.trial_attachments", "spark.SparkTrials.delete_all",
)  # fmt: skip
def test_trials_are_evaluated_by_tasks_and_failures_end_nothing(spark: Any, mongo_url: str) -> None:
    def objective(point: dict[str, Any]) -> dict[str, Any]:
        if point["x"] > 0.7:
            raise ValueError("too large")
        return {
            "status": "ok",
            "loss": point["x"],
            "attachments": {"at": b"here"},
            "spark": "SPARK_ENV_LOADED" in os.environ,
        }

    trials, best = search(spark, mongo_url, objective, 8, made={"exp_key": "on-spark"})
    alone = Trials()
    fmin(lambda point: point["x"], SPACE, rand.suggest, 8, trials=alone, rstate=0, verbose=False)
    xs = [loss for loss in alone.losses() if loss is not None]
    assert best["x"] == min(xs)
    assert [trial.point["x"] for trial in trials.experiment.trials] == xs, "the same points as without Spark"
    failed = sum(x > 0.7 for x in xs)
    assert (trials.count_successful_trials(), trials.count_failed_trials()) == (8 - failed, failed)
    assert (trials.count_cancelled_trials(), trials.count_total_trials(), trials.fmin_cancelled_reason) == (0, 8, None)
    assert dict(trials.trial_attachments(trials.trials[0])) == {"at": b"here"}
    hosts = {trial.reserved.worker for trial in trials.experiment.trials if trial.reserved}
    assert all(not worker.endswith(f":{os.getpid()}") for worker in hosts)

    again = SparkTrials(2, spark_session=spark, store=mongo_url, exp_key="on-spark")
    fmin(objective, SPACE, rand.suggest, 10, trials=again, rstate=0, verbose=False)
    assert (again.count_total_trials(), again.experiment.state.status) == (10, "finished")
    again.delete_all()
    assert len(again) == 0


@pytest.mark.covers(
    "spark.FMIN_CANCELLED_REASON_TIMEOUT", "spark.FMIN_CANCELLED_REASON_EARLY_STOPPING",
    "spark.FMIN_CANCELLED_REASON_USER",
)  # fmt: skip
def test_why_a_search_ended_early_is_known(spark: Any, mongo_url: str) -> None:
    timed, _ = search(
        spark, mongo_url, lambda point: time.sleep(600), 4, made={"timeout": 6.0}, grace=0.0, return_argmin=False
    )
    assert timed.fmin_cancelled_reason == hstore.spark.FMIN_CANCELLED_REASON_TIMEOUT
    assert timed.count_cancelled_trials() > 0
    early, _ = search(spark, mongo_url, lambda point: point["x"], 50, early_stop_fn=lambda trials, *_: (True, []))
    assert early.fmin_cancelled_reason == "early stopping condition"
    below, _ = search(spark, mongo_url, lambda point: point["x"], 50, made={"loss_threshold": 0.9})
    assert below.fmin_cancelled_reason is None
    assert below.count_total_trials() < 50

    def stop_it(trials: SparkTrials, *_: Any) -> tuple[bool, list[Any]]:
        stop(trials.experiment, "somebody had enough")
        return False, []

    stopped, _ = search(spark, mongo_url, lambda point: point["x"], 50, early_stop_fn=stop_it)
    assert stopped.fmin_cancelled_reason == "fmin run cancelled by user"
    with pytest.raises(InvalidValue, match="not in a trials_save_file"):
        search(spark, mongo_url, lambda point: point["x"], 2, trials_save_file="trials.pkl")


def test_a_python_without_hstore_is_named_in_one_line(
    spark: Any, mongo_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spark.sparkContext, "pythonExec", "/usr/bin/false")
    with pytest.raises(HstoreError, match="the workers on Spark ended") as caught:
        search(spark, mongo_url, lambda point: point["x"], 2)
    assert "PYSPARK_PYTHON" in caught.value.hint
