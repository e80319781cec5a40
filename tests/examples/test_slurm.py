"""The job files for Slurm, with what Slurm would put in place."""

import re
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from tests.examples.deployed import DEPLOY, TERMINATED, UNKNOWN, Objective, by_value, searching, square, started
from tests.waiting import GENEROUS, until

import hstore


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


SLURM = {"SLURM_JOB_ID": "77", "SLURM_ARRAY_JOB_ID": "70", "SLURM_ARRAY_TASK_ID": "3", "SLURM_CPUS_PER_TASK": "4"}
SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
[[ $OMP_NUM_THREADS == 4 ]] || exit 99
exec "$@"
"""

SCONTROL = """#!/bin/bash
echo "$@" >> "${0%/*}/calls"
"""


class Slurm:
    """Slurm as far as a job sees it: `srun` runs here, `scontrol` writes its arguments to a file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, text in {"srun": SRUN, "scontrol": SCONTROL}.items():
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)

    @property
    def calls(self) -> list[str]:
        calls = self.folder / "calls"
        return calls.read_text().splitlines() if calls.exists() else []

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
    assert slurm.calls == []
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
        assert slurm.calls == ["requeue 77"]
        with hstore.open(mongo_url) as store:
            assert store.experiment("e").state.counts["done"] == 1
        with slurm.job(mongo_url, "e", "--max-idle", "2", SLURM_RESTART_COUNT="1") as job:
            assert job.wait(GENEROUS) == 0
    assert slurm.calls == ["requeue 77"]


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
        assert slurm.calls == ["requeue 77"]
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
    assert slurm.calls == []


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
