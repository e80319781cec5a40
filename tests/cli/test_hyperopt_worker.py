"""`hstore-mongo-worker`: scripts that call hyperopt's program find the same flags, and a worker behind them."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import GENEROUS

from hstore import fmin, hp, rand
from hstore.cli.hyperopt_worker import DEFAULT_URL, as_idle_limit, as_url, run
from hstore.store.errors import AllTrialsFailed
from hstore.store.experiment import Experiment
from hstore.store.store import Store

pytestmark = pytest.mark.covers("hyperopt-mongo-worker")

FLAGS = (
    "--mongo", "--exp-key", "--poll-interval", "--reserve-timeout", "--max-jobs", "--max-consecutive-failures",
    "--last-job-timeout", "--max-jobs-in-db", "--workdir", "--no-subprocesses",
)  # fmt: skip


def objective(config: dict[str, Any]) -> float:
    """Return a loss, and leave a file where it is called."""
    Path(f"called-{config['x']:.6f}").touch()
    if config["x"] > 2:
        raise ValueError("too far")
    return float(config["x"]) ** 2


@contextmanager
def worker(url: str, *args: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program as a user does; it is ended if it has not."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hstore.cli.hyperopt_worker", f"--mongo={url}", *args],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def search(store: Store, *, low: float = -1, max_evals: int = 4, name: str = "demo", **more: Any) -> Experiment:
    """Search with whatever workers there are."""
    space = {"x": hp.uniform("x", low, low + 2)}
    fmin(
        objective, space, algo=rand.suggest, max_evals=max_evals, rstate=0, verbose=False, experiment=name,
        store=store, workers=0, **more,
    )  # fmt: skip
    return store.experiment(name)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[Any, ...], dict[str, Any]]]:
    """What a worker is asked for, instead of having it."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def ask(*args: Any, **terms: Any) -> int:
        calls.append((args, terms))
        return 0

    monkeypatch.setattr("hstore.workers.run", ask)
    return calls


def test_all_ten_flags_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(flag in shown for flag in FLAGS)


def test_the_defaults_are_hyperopts_where_they_were_sane(asked: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    ((args, terms),) = asked
    assert args == (DEFAULT_URL, ())
    assert terms == {
        "max_jobs": None, "max_idle": 480.0, "max_runtime": None, "max_consecutive_failures": 4,
        "poll_interval": 5.0, "isolate": "process",
    }  # fmt: skip
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("hstore-mongo-worker: unlike hyperopt's: without --mongo it is mongodb://localhost:27017/")


def test_every_flag_reaches_the_worker(asked: list[Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [
        "--mongo=db.example.org:1/tuning", "--poll-interval=0.5", "--reserve-timeout=7", "--max-jobs=3",
        "--max-consecutive-failures=2", "--last-job-timeout=60", f"--workdir={tmp_path / 'a' / 'b'}",
        "--no-subprocesses",
    ]  # fmt: skip
    assert run(flags) == 0
    ((args, terms),) = asked
    assert args == ("mongodb://db.example.org:1/tuning", ())
    assert terms == {
        "max_jobs": 3, "max_idle": 7.0, "max_runtime": 60.0, "max_consecutive_failures": 2, "poll_interval": 0.5,
        "isolate": "none", "workdir": tmp_path / "a" / "b",
    }  # fmt: skip
    assert (tmp_path / "a" / "b").is_dir()
    assert capsys.readouterr().err == "", "nothing is another than it was asked for"


@pytest.mark.parametrize(
    ("mongo", "url"),
    [
        ("h:1/db", "mongodb://h:1/db"),
        ("h:1/db/jobs", "mongodb://h:1/db"),
        ("me:secret@h:1/db?authSource=admin", "mongodb://me:secret@h:1/db?authSource=admin"),
        ("me@h:1/db?authSource=admin", "mongo://me@h:1/db/jobs?authSource=admin"),
        ("mongo://h:1/db/jobs", "mongo://h:1/db/jobs"),
        ("mongodb+srv://h/db", "mongodb+srv://h/db"),
    ],
)
def test_hosts_are_named_as_hyperopt_names_them_or_by_any_url(mongo: str, url: str) -> None:
    assert as_url(mongo) == url


def test_without_a_host_it_is_the_one_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_URL", "mongodb://h/db")
    assert as_url(None) == "mongodb://h/db"


@pytest.mark.parametrize(("given", "limit"), [("30", 120.0), ("0", None), ("None", None)])
def test_an_idle_worker_leaves_when_hyperopts_does(given: str, limit: float | None) -> None:
    assert as_idle_limit(given, 4) == limit


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--max-jobs=0"], 2, "--max-jobs"),
        (["--reserve-timeout=soon"], 2, "'soon' is not a number of seconds"),
        (["positional"], 2, "positional"),
        (["--mongo=h:1"], 2, "names no database"),
        (["--mongo=http://h/db"], 2, "is not the URL of a MongoDB"),
    ],
)
def test_a_mistake_is_one_line_and_an_exit_code(
    args: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(args) == code
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("more", [(), ("--no-subprocesses",)])
def test_it_evaluates_trials_where_it_is_told_to(
    mongo_store: Store, mongo_url: str, tmp_path: Path, more: tuple[str, ...]
) -> None:
    with worker(mongo_url, "--max-jobs=4", f"--workdir={tmp_path / 'work'}", *more) as process:
        found = search(mongo_store)
        _, said = process.communicate(timeout=GENEROUS)
    assert (process.returncode, said.count("unlike")) == (0, 0)
    assert [trial.state for trial in found.trials] == ["done"] * 4
    assert len(list((tmp_path / "work").glob("called-*"))) == 4


@pytest.mark.long
def test_it_waits_for_an_experiment_that_has_not_begun(mongo_store: Store, mongo_url: str, tmp_path: Path) -> None:
    with worker(mongo_url, "--exp-key=demo", "--max-jobs=2", f"--workdir={tmp_path}") as process:
        assert process.stderr is not None
        assert "waiting for experiment 'demo' to be created" in process.stderr.readline()
        assert [trial.state for trial in search(mongo_store, max_evals=2).trials] == ["done"] * 2
        process.communicate(timeout=GENEROUS)
    assert process.returncode == 0


def test_it_waits_no_longer_than_hyperopts_does(mongo_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = ["--exp-key=demo", "--reserve-timeout=0.1", "--max-consecutive-failures=2"]
    assert run([f"--mongo={mongo_url}", *flags]) == 0
    assert "experiment 'demo' was not created within 0.2 s" in capsys.readouterr().err


@pytest.mark.long
def test_it_leaves_after_some_failures_in_a_row(mongo_store: Store, mongo_url: str, tmp_path: Path) -> None:
    with worker(mongo_url, "--max-consecutive-failures=2", f"--workdir={tmp_path}") as process:
        with pytest.raises(AllTrialsFailed, match="2 times: ValueError"):
            search(mongo_store, low=3, max_evals=2, return_argmin=False)
        process.communicate(timeout=GENEROUS)
    assert process.returncode == 8


def test_it_does_not_begin_where_there_are_enough_jobs(
    mongo_store: Store, mongo_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with worker(mongo_url, "--max-jobs=2", f"--workdir={tmp_path}"):
        search(mongo_store, max_evals=2)
    assert run([f"--mongo={mongo_url}", "--max-jobs-in-db=2"]) == 0
    assert "the database already holds 2 trials" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals")
def test_a_signal_drains_it(mongo_store: Store, mongo_url: str, tmp_path: Path) -> None:
    with worker(mongo_url, f"--workdir={tmp_path}") as process:
        search(mongo_store, max_evals=1)
        process.send_signal(signal.SIGUSR1)
        process.communicate(timeout=GENEROUS)
    assert process.returncode == 0
