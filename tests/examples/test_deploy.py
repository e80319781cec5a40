"""The examples of docs/deploy.md run: scripts as they are, job files with what their scheduler would put in place."""

import configparser
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from distributed import LocalCluster
from tests.examples.deployed import (
    BIN,
    DEPLOY,
    FAILURES,
    ROOT,
    TERMINATED,
    UNKNOWN,
    UNLOADABLE,
    USAGE,
    by_value,
    run,
    searching,
    square,
    started,
)
from tests.waiting import GENEROUS, until

import hstore
from hstore.store.errors import AllTrialsFailed


def raising(config: Any) -> float:
    raise RuntimeError("as it should")


def number(options: Sequence[str], name: str) -> float:
    return float(options[list(options).index(name) + 1])


# -- Python -----------------------------------------------------------------------------------------------------


def impatient(script: str, folder: Path) -> str:
    """Return a copy of *script* in *folder* whose workers leave sooner after the last trial."""
    text = (DEPLOY / script).read_text()
    assert "max_idle=60" in text
    (folder / script).write_text(text.replace("max_idle=60", "max_idle=12"))
    return str(folder / script)


def check_searched(url: str, name: str, code: int, said: str) -> None:
    assert code == 0, said
    assert "exit codes of the workers: [0, 0]" in said
    assert "'lr'" in said
    with hstore.open(url) as store:
        trials = store.experiment(name).trials
    assert [trial.state for trial in trials] == ["done"] * 20


@pytest.mark.long
def test_a_search_with_a_pool_of_processes(mongo_url: str, tmp_path: Path) -> None:
    code, said = run([sys.executable, impatient("pool.py", tmp_path)], mongo_url)
    check_searched(mongo_url, "deployed-in-a-pool", code, said)


@pytest.mark.long
def test_a_search_on_a_dask_cluster(mongo_url: str, tmp_path: Path) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0") as cluster:
        script = impatient("dask_workers.py", tmp_path)
        code, said = run([sys.executable, script, cluster.scheduler_address], mongo_url)
    check_searched(mongo_url, "deployed-on-dask", code, said)


# -- Kubernetes -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    """The objects of the manifest by kind."""
    return {found["kind"]: found for found in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}


@pytest.fixture
def pod(manifest: Mapping[str, Any], tmp_path: Path) -> list[str]:
    """What the container runs, its volume put into a folder of the test."""
    (container,) = manifest["Job"]["spec"]["template"]["spec"]["containers"]
    (mount,) = container["volumeMounts"]
    return [word.replace(mount["mountPath"], str(tmp_path)) for word in container["command"] + container["args"]]


def test_the_pods_of_the_job_share_a_queue_and_none_is_started_again_in_vain(manifest: Mapping[str, Any]) -> None:
    spec = manifest["Job"]["spec"]
    assert spec["parallelism"] > 1
    assert spec["completionMode"] == "NonIndexed"
    assert "completions" not in spec
    assert spec["template"]["spec"]["restartPolicy"] == "Never"  # else no podFailurePolicy is allowed
    disrupted, hopeless = spec["podFailurePolicy"]["rules"]
    assert disrupted == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    assert hopeless["action"] == "FailJob"
    codes = hopeless["onExitCodes"]
    assert (codes["operator"], codes["values"]) == ("In", [USAGE, UNKNOWN, UNLOADABLE])
    assert codes["containerName"] == spec["template"]["spec"]["containers"][0]["name"]


def test_a_pod_has_more_time_to_end_than_its_worker_takes(manifest: Mapping[str, Any], pod: list[str]) -> None:
    assert manifest["Job"]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] >= number(pod, "--grace") + 15


def test_the_url_comes_from_the_secret(manifest: Mapping[str, Any]) -> None:
    secret = manifest["Secret"]
    (variable,) = manifest["Job"]["spec"]["template"]["spec"]["containers"][0]["env"]
    assert variable["name"] == "HSTORE_URL"
    reference = variable["valueFrom"]["secretKeyRef"]
    assert reference["name"] == secret["metadata"]["name"]
    assert secret["stringData"][reference["key"]].startswith("mongodb://")


def test_the_command_of_a_pod_works_and_ends_when_the_pod_is_deleted(pod: list[str], mongo_url: str) -> None:
    with started(pod, mongo_url) as worker_too_early:
        assert worker_too_early.wait(GENEROUS) == UNKNOWN  # the search is begun before its workers
    with searching(mongo_url, pod[2], by_value(square), 6), started(pod, mongo_url) as worker:
        with hstore.open(mongo_url) as store:
            until(lambda: store.experiment(pod[2]).state.status == "finished")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(GENEROUS) == TERMINATED
    assert run([*pod, "--no-such-option"], mongo_url)[0] == USAGE


@pytest.mark.long
def test_a_worker_with_nothing_more_to_do_ends_the_job_with_success(pod: list[str], mongo_url: str) -> None:
    with searching(mongo_url, pod[2], by_value(square), 2), started([*pod, "--max-idle", "3"], mongo_url) as worker:
        assert worker.wait(GENEROUS) == 0


# -- systemd ----------------------------------------------------------------------------------------------------


UNIT = DEPLOY / "hstore-worker@.service"


@pytest.fixture(scope="module")
def unit() -> Mapping[str, Any]:
    """The unit by section and name."""
    found = configparser.RawConfigParser(comment_prefixes=("#",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(UNIT.read_text())
    return found


@pytest.fixture
def service(unit: Mapping[str, Any]) -> list[str]:
    """What the instance 1 on host `here` runs, from where hstore is installed here."""
    place, _, rest = unit["Service"]["ExecStart"].partition(" ")
    assert place.endswith("/bin/hstore")
    return ["hstore", *rest.replace("%H", "here").replace("%i", "1").replace(" $HSTORE_OPTIONS", "").split()]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_systemd_finds_nothing_wrong_with_the_unit(unit: Mapping[str, Any], tmp_path: Path) -> None:
    place = unit["Service"]["ExecStart"].partition(" ")[0]
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace(place, str(BIN / "hstore")))
    result = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout + result.stderr) == (0, "")


def codes(unit: Mapping[str, Any], name: str) -> set[int]:
    return {int(code) for code in unit["Service"][name].split()}


def test_the_unit_is_restarted_only_where_that_can_help(unit: Mapping[str, Any]) -> None:
    assert unit["Service"]["Restart"] == "on-failure"
    assert codes(unit, "SuccessExitStatus") == {128 + signal.SIGINT, TERMINATED}
    assert codes(unit, "RestartPreventExitStatus") == {USAGE, UNKNOWN, FAILURES, UNLOADABLE}


def test_the_unit_stops_the_worker_alone_and_gives_it_time(unit: Mapping[str, Any], service: list[str]) -> None:
    assert unit["Service"]["KillMode"] == "mixed"
    assert unit["Service"]["KillSignal"] == "SIGTERM"
    assert int(unit["Service"]["TimeoutStopSec"]) >= number(service, "--grace") + 15
    assert unit["Service"]["OOMPolicy"] == "continue"


def test_the_service_works_and_stops_with_a_code_that_counts_as_success(
    unit: Mapping[str, Any], service: list[str], mongo_url: str
) -> None:
    with searching(mongo_url, "e", by_value(square), 4), started(service, mongo_url) as worker:
        with hstore.open(mongo_url) as store:
            until(lambda: store.experiment("e").state.status == "finished")
            trials = store.experiment("e").trials
        worker.send_signal(signal.Signals[unit["Service"]["KillSignal"]])
        assert worker.wait(GENEROUS) in codes(unit, "SuccessExitStatus")
    assert {trial.reserved.worker for trial in trials if trial.reserved} == {"here-1"}


@pytest.mark.long
def test_the_service_stays_down_where_all_fails(unit: Mapping[str, Any], service: list[str], mongo_url: str) -> None:
    options = ["--max-consecutive-failures", "2"]
    with (
        pytest.raises(AllTrialsFailed, match="2 failed"),
        searching(mongo_url, "e", by_value(raising), 2),
        started([*service, *options], mongo_url) as worker,
    ):
        assert worker.wait(GENEROUS) in codes(unit, "RestartPreventExitStatus")


# -- all --------------------------------------------------------------------------------------------------------


def test_the_page_names_each_example_and_what_it_links_to_is_there() -> None:
    page = (ROOT / "docs" / "deploy.md").read_text()
    for file in DEPLOY.iterdir():
        if file.is_file():
            assert f"examples/deploy/{file.name}" in page
    for link in re.findall(r"\]\(([^)#]+)\)", page):
        assert (ROOT / "docs" / link).exists(), link
