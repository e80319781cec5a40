"""A search in MLflow: held against a real MLflow, with its file store (and its SQLite store in the long tests)."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until

import hstore
from hstore import Pruned, Trials, fmin, hp
from hstore.store.attachments import MemoryAttachments
from hstore.store.memory import MemoryLog
from hstore.store.store import Store

pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow-skinny")

from mlflow.tracking import MlflowClient

from hstore.mlflow import MlflowMirror, mlflow_callback

pytestmark = pytest.mark.filterwarnings("ignore")

SPACE = {"x": hp.uniform("x", 0, 1), "opt[0]": hp.choice("opt[0]", ["adam", "sgd"])}


@contextmanager
def tracking_server(folder: Path) -> Iterator[str]:
    """Run MLflow's own server, on SQLite; yield its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", f"sqlite:///{folder}/mlflow.db"]
    more = ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, "-m", "mlflow", "server", *words, *more], cwd=folder, start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip

    def answers() -> bool:
        assert server.poll() is None, "the server has ended"
        with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
            return bool(answer.status == 200)
        return False

    try:
        until(answers)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # it has processes of its own
        server.wait(60)


@pytest.fixture(params=["file", *(pytest.param(kind, marks=pytest.mark.long) for kind in ("sqlite", "server"))])
def uri(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.chdir(tmp_path)
    if request.param == "sqlite":
        pytest.importorskip("alembic", reason="MLflow's SQLite store needs sqlalchemy and alembic")
        yield f"sqlite:///{tmp_path}/mlflow.db"
    elif request.param == "server":
        pytest.importorskip("huey", reason="MLflow's server is in the package mlflow, not in mlflow-skinny")
        with tracking_server(tmp_path) as address:
            yield address
    else:
        yield f"file://{tmp_path}/mlruns"


def objective(config: dict[str, Any], ctrl: Any) -> float:
    for step in (1, 2, 3):
        ctrl.report(step, config["x"] / step)
    ctrl.attachments["logs/note.txt"] = b"trained"
    if ctrl.tid == 1:
        raise Pruned
    if ctrl.tid == 2:
        raise ValueError("too deep")
    return float(config["x"])


def memory_store() -> Store:
    return Store(MemoryLog(), MemoryAttachments())


def searched(store: Store, n: int = 4, **how: Any) -> hstore.Experiment:
    fmin(objective, SPACE, "rand", n, rstate=0, verbose=False, catch_eval_exceptions=True, experiment="net",
         store=store, **how)  # fmt: skip
    return store.experiment("net")


def runs(uri: str) -> dict[str, Any]:
    """Return the runs of MLflow's experiment by their names."""
    client: Any = MlflowClient(uri)
    place = client.get_experiment_by_name("net").experiment_id
    found = client.search_runs([place], max_results=100)
    by_name = {run.info.run_name: run for run in found}
    assert len(by_name) == len(found)
    return by_name


def test_a_search_becomes_a_parent_run_and_a_child_for_each_trial(uri: str) -> None:
    experiment = searched(memory_store())
    assert MlflowMirror(experiment, uri).catch_up() == 4
    found, client = runs(uri), MlflowClient(uri)
    parent = found.pop("net")
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["hstore.head"] == experiment.head.hex()
    assert parent.data.metrics["best_loss"] == experiment.best.loss
    assert [found[f"trial {tid}"].info.status for tid in range(4)] == ["FINISHED", "KILLED", "FAILED", "FINISHED"]
    for trial in experiment.trials:
        run = found[f"trial {trial.tid}"]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["hstore.digest"] == experiment.digest(trial.tid, trial.ver).hex()
        assert run.data.params == {"x": str(trial.params["x"]), "opt_0_": trial.params["opt[0]"]}
        assert run.data.metrics.get("loss") == trial.loss
        history = client.get_metric_history(run.info.run_id, "reported")
        assert [(each.step, each.value) for each in history] == [(r.step, r.value) for r in trial.reports if r.step]
        (artifact,) = client.list_artifacts(run.info.run_id, "attachments/logs")
        assert artifact.path == "attachments/logs/note.txt"
    assert found["trial 2"].data.tags["hstore.error"] == "ValueError: too deep"


def test_again_changes_nothing_and_a_longer_search_adds_what_is_new(uri: str) -> None:
    store = memory_store()
    experiment = searched(store)
    MlflowMirror(experiment, uri).catch_up()
    before = {name: run.to_dictionary() for name, run in runs(uri).items()}
    assert MlflowMirror(experiment, uri).catch_up() == 0
    assert {name: run.to_dictionary() for name, run in runs(uri).items()} == before
    longer = searched(store, 6)
    assert MlflowMirror(longer, uri).catch_up() == len(longer.trials) - 4 > 0
    assert sorted(runs(uri)) == ["net", *(f"trial {trial.tid}" for trial in longer.trials)]


def test_a_mirror_that_was_killed_half_way_is_completed_and_says_nothing_twice(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    experiment = searched(memory_store(), 3)
    left = 0
    log_batch = MlflowClient.log_batch

    def dying(self: Any, *args: Any, **how: Any) -> Any:
        nonlocal left
        left -= 1
        log_batch(self, *args, **how)
        if left == 0:
            raise KeyboardInterrupt

    monkeypatch.setattr(MlflowClient, "log_batch", dying)
    for requests in (1, 2, 3, 4, 6):
        left = requests
        with pytest.raises(KeyboardInterrupt):
            MlflowMirror(experiment, uri).catch_up()
    left = -1
    MlflowMirror(experiment, uri).catch_up()
    found, client = runs(uri), MlflowClient(uri)
    assert len(found) == 4
    for trial in experiment.trials:
        history = client.get_metric_history(found[f"trial {trial.tid}"].info.run_id, "reported")
        assert [each.step for each in history] == [1, 2, 3]


def test_fmin_mirrors_as_it_goes(uri: str) -> None:
    seen = []
    mirror = mlflow_callback(uri, name="net")

    def callback(trials: Trials, *args: Any) -> Any:
        answer = mirror(trials, *args)
        seen.append(len(runs(uri)) - 1)
        return answer

    searched(memory_store(), 3, early_stop_fn=callback)
    assert seen == [1, 2, 3]
    assert not math.isnan(runs(uri)["trial 0"].data.metrics["loss"])
