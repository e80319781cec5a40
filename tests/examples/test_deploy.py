"""The examples of docs/deploy.md run: scripts as they are, job files with what their scheduler would put in place."""

import configparser
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from distributed import LocalCluster
from tests.waiting import GENEROUS, until

import hstore
from hstore import fmin, hp, rand
from hstore.store.errors import AllTrialsFailed

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
BIN = Path(sys.executable).parent
USAGE, UNKNOWN, REFUSED, FAILURES, UNLOADABLE, TERMINATED = 2, 3, 5, 8, 9, 128 + signal.SIGTERM
"""Exit codes of `hstore worker`, as its help lists them."""
Objective = Callable[..., Any]


@contextmanager
def searching(url: str, name: str, objective: Objective, max_evals: int) -> Iterator[None]:
    """Have a search go on beside, evaluated by workers only; wait for its end."""

    def search() -> None:
        fmin(
            objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=max_evals, timeout=GENEROUS,
            rstate=np.random.default_rng(0), verbose=False, return_argmin=False, experiment=name, store=url, workers=0,
        )  # fmt: skip

    with ThreadPoolExecutor(1) as driver, hstore.open(url) as store:
        ended = driver.submit(search)
        until(lambda: name in store.experiments() or ended.done())
        yield
        ended.result(GENEROUS)


@contextmanager
def started(words: Sequence[str], url: str, *path: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command in an environment of its own, with the console scripts of this one on its path."""
    env |= {"HSTORE_URL": url, "PATH": os.pathsep.join(map(str, [*path, BIN, "/usr/bin", "/bin"]))}
    env |= {"HSTORE_HOME": os.environ["HSTORE_HOME"], "HOME": os.environ["HSTORE_HOME"]}
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        print(process.communicate()[0])


def run(words: Sequence[str], url: str, **env: str) -> tuple[int, str]:
    with started(words, url, **env) as process:
        said, _ = process.communicate(timeout=GENEROUS)
        return process.returncode, said


def square(config: Any) -> float:
    return float(config["x"] ** 2)


def until_there(file: Path) -> Objective:
    """Return an objective that leaves FILE.begun and waits for *file*."""
    name = str(file)

    def objective(config: Any) -> float:
        from pathlib import Path

        Path(f"{name}.begun").touch()
        while not Path(name).exists():
            time.sleep(0.02)
        return float(config["x"])

    return objective


def from_epoch_7(file: Path) -> Objective:
    """Return an objective that keeps how far it got, and then waits for *file* unless an attempt before has done so."""
    wait = until_there(file)

    def objective(expr: Any, memo: Any, ctrl: Any) -> float:
        if "epoch" not in ctrl.attachments:
            ctrl.attachments["epoch"] = b"7"
            wait({"x": 0})
        return float(ctrl.attachments["epoch"])

    objective.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]
    return objective


def by_value(objective: Objective) -> Objective:
    """Return the same for workers that cannot import this file."""
    return lambda config: objective(config)


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


# -- Slurm ------------------------------------------------------------------------------------------------------


SLURM = {"SLURM_JOB_ID": "77", "SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "4"}
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
[[ $OMP_NUM_THREADS == 4 ]] || exit 99
exec "$@"
"""
SCONTROL = """#!/bin/bash
echo "$@" >> "${0%/*}/told"
"""


class Slurm:
    """Slurm as far as a job sees it: `srun` runs here, `scontrol` notes what it is told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    @property
    def told(self) -> list[str]:
        told = self.folder / "told"
        return told.read_text().splitlines() if told.exists() else []

    def job(self, url: str, *arguments: str, **env: str) -> Any:
        """Begin the job with *arguments*."""
        return started(["bash", str(DEPLOY / "slurm.sbatch"), *arguments], url, self.folder, **(SLURM | env))


@pytest.fixture
def slurm(tmp_path: Path) -> Slurm:
    (tmp_path / "slurm").mkdir()
    return Slurm(tmp_path / "slurm")


@pytest.mark.long
def test_a_slurm_job_works_until_nothing_is_left_and_ends(slurm: Slurm, mongo_url: str) -> None:
    with (
        searching(mongo_url, "e", by_value(square), 6),
        slurm.job(mongo_url, "e", "--max-idle", "2") as job,
    ):
        assert job.wait(GENEROUS) == 0
    assert slurm.told == []
    with hstore.open(mongo_url) as store:
        trials = store.experiment("e").trials
    assert {trial.reserved.worker for trial in trials if trial.reserved} == {"slurm-70_3-0"}


def test_before_its_time_limit_a_slurm_job_ends_its_trial_and_queues_again(
    slurm: Slurm, mongo_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "go"
    with searching(mongo_url, "e", until_there(file), 2):
        with slurm.job(mongo_url, "e") as job:
            until(file.with_name("go.begun").exists)
            job.send_signal(signal.SIGUSR1)
            until(lambda: states(mongo_url, "leaving"))
            file.touch()
            assert job.wait(GENEROUS) == 0
        assert slurm.told == ["requeue 77"]
        with hstore.open(mongo_url) as store:
            assert store.experiment("e").state.counts["done"] == 1
        with slurm.job(mongo_url, "e", "--max-idle", "2", SLURM_RESTART_COUNT="1") as job:
            assert job.wait(GENEROUS) == 0
    assert slurm.told == ["requeue 77"]


@pytest.mark.long
def test_a_trial_that_does_not_end_in_time_is_let_go_and_goes_on_in_another_job_from_what_it_kept(
    slurm: Slurm, mongo_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "never"
    with searching(mongo_url, "e", from_epoch_7(file), 1):
        with slurm.job(mongo_url, "e", "--grace", "0.2", HSTORE_DRAIN="0.2") as job:
            until(file.with_name("never.begun").exists)
            job.send_signal(signal.SIGUSR1)
            assert job.wait(GENEROUS) == TERMINATED
        assert slurm.told == ["requeue 77"]
        with hstore.open(mongo_url) as store:
            (trial,) = store.experiment("e").trials
        assert (trial.state, trial.retries) == ("queued", {"interrupted": 1})
        with slurm.job(mongo_url, "e", "--max-idle", "2", SLURM_RESTART_COUNT="1") as job:
            assert job.wait(GENEROUS) == 0
    with hstore.open(mongo_url) as store:
        (trial,) = store.experiment("e").trials
    assert (trial.state, trial.loss) == ("done", 7)


def states(url: str, wanted: str) -> bool:
    with hstore.open(url) as store:
        assert store.claims is not None
        return any(worker["state"] == wanted for worker in store.claims.workers())


def test_a_slurm_job_that_cannot_work_does_not_queue_again(slurm: Slurm, mongo_url: str) -> None:
    with slurm.job(mongo_url, "nothing-there") as job:
        assert job.wait(GENEROUS) == UNKNOWN
    assert slurm.told == []


def test_slurm_leaves_enough_time_between_the_signal_and_the_limit() -> None:
    text = (DEPLOY / "slurm.sbatch").read_text()
    notice = re.search(r"^#SBATCH --signal=B:USR1@(\d+)$", text, re.MULTILINE)
    drain = re.search(r"HSTORE_DRAIN:-(\d+)", text)
    grace = re.search(r"--grace (\d+)", text)
    assert notice is not None
    assert drain is not None
    assert grace is not None
    assert int(drain[1]) + int(grace[1]) + 15 <= int(notice[1])
    assert int(grace[1]) < 30  # KillWait: what Slurm gives by default to a job that is over time
    assert "#SBATCH --requeue" in text
    assert "#SBATCH --array=" in text


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
    told = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False
    )
    assert (told.returncode, told.stdout + told.stderr) == (0, "")


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
