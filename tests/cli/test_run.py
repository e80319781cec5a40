"""`hstore run`: programs of the system, tuned as they are."""

import json
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.cli.commands import run
from tests.waiting import GENEROUS, until

from hstore.engine.audit.replay import derive_again
from hstore.engine.provenance.recorded import source_of
from hstore.engine.search import control
from hstore.store.store import Store

REPORTS = 'for i in 1 2 3 4 5 6; do echo val=$0; done; echo loss $0; test -d "$HSTORE_SCRATCH" && exit $1'


@pytest.mark.skipif(shutil.which("xz") is None, reason="xz is not installed")
def test_xz_is_tuned_on_a_file_and_the_same_line_goes_on(mongo_url: str, mongo_store: Store, tmp_path: Path) -> None:
    file = tmp_path / "data"
    file.write_bytes(Path(__file__).read_bytes() * 3)
    line = ["--algo", "rand", "--loss", "size", "--seed", "1", "--", "xz", "-c", "--format=raw",
            "--lzma2=preset={preset:int(0, 3)},lc={lc:int(0, 3)}", str(file)]  # fmt: skip
    done = run(mongo_url, "run", "pack", "-n", "3", "-j", "2", *line)
    assert done.exit_code == 0, done.output
    best = mongo_store.experiment("pack").best
    assert done.stdout.splitlines()[1] == (
        f"xz -c --format=raw --lzma2=preset={best.params['preset']},lc={best.params['lc']} {file}"
    )
    assert run(mongo_url, "run", "pack", "-n", "4", *line).exit_code == 0
    experiment = mongo_store.experiment("pack")
    assert [trial.state for trial in experiment.trials] == ["done"] * 4
    assert experiment.best.loss == min(trial.loss for trial in experiment.trials if trial.loss is not None)
    assert experiment.state.objective["name"] == " ".join(line[line.index("--") + 1 :])
    assert derive_again(experiment).is_same


def test_the_best_command_is_printed_as_it_can_be_typed_and_one_that_cannot_be_run_begins_nothing(
    mongo_url: str, mongo_store: Store
) -> None:
    words = ("sh", "-c", "echo $0", "{x:float(0, 1)}")
    done = run(mongo_url, "run", "net", "-n", "1", "--algo", "rand", "--", *words)
    x = mongo_store.experiment("net").best.params["x"]
    assert done.stdout.splitlines()[1] == f"sh -c 'echo $0' {x}"
    missing = run(mongo_url, "run", "typo", "-n", "50", "--", "no-such-program", "{x:float(0, 1)}")
    assert (missing.exit_code, "'no-such-program' cannot be run here" in missing.output) == (2, True)
    quoted = run(mongo_url, "run", "typo", "-n", "50", "--", "./train.sh --lr {x:float(0, 1)}")
    assert (quoted.exit_code, "leave out the quotes around it" in quoted.output) == (2, True)
    assert mongo_store.experiments() == ["net"]


def test_the_text_of_the_program_is_recorded_and_no_secret_of_the_command(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    program = tmp_path / "train.sh"
    program.write_text("echo $1\n")
    words = ("sh", str(program), "{x:float(0, 1)}", "--password", "hunter2")
    assert run(mongo_url, "run", "net", "-n", "2", "--algo", "rand", "--", *words).exit_code == 0
    experiment = mongo_store.experiment("net")
    assert source_of(experiment, experiment.state.provenance) == {str(program): "echo $1\n"}
    assert experiment.state.objective["name"].endswith("--password ***")


def test_lines_are_reported_output_is_kept_and_hopeless_runs_are_stopped(mongo_url: str, mongo_store: Store) -> None:
    done = run(
        mongo_url, "run", "net", "-n", "8", "--algo", "rand", "--seed", "4", "--report", "val=", "--loss", "loss",
        "--pruner", "median", "--json", "--", "sh", "-c", REPORTS, "{x:float(0, 1)}", "0",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    experiment = mongo_store.experiment("net")
    assert json.loads(done.stdout) == {
        "tid": experiment.best.tid, "loss": experiment.best.loss, "params": dict(experiment.best.params)
    }  # fmt: skip
    assert experiment.state.pruned > 0
    first = experiment.trials[0]
    assert [report.value for report in first.reports if report.step is not None] == [first.params["x"]] * 6
    assert f"loss {first.params['x']}" in run(mongo_url, "show", "net", "0", "--output").stdout


def test_a_command_that_fails_is_a_failed_trial_with_its_last_line_and_all_failing_is_an_error(
    mongo_url: str, mongo_store: Store
) -> None:
    done = run(
        mongo_url, "run", "bad", "-n", "2", "--algo", "rand", "--", "sh", "-c", "echo oops >&2; exit 3", "{x:a|b}"
    )
    assert done.exit_code != 0
    assert "CommandFailed: oops" in (done.stderr + str(done.exception))
    assert [trial.error for trial in mongo_store.experiment("bad").trials] == ["CommandFailed: oops"] * 2


def test_the_largest_number_is_looked_for_where_that_is_said(mongo_url: str, mongo_store: Store) -> None:
    program = "import json, os; print(json.loads(os.environ['HSTORE_PARAMS'])['x'])"
    done = run(mongo_url, "run", "most", "-n", "4", "--algo", "rand", "--maximise", "--", sys.executable, "-ISc",
               program, "{x:int(1, 9)}")  # fmt: skip
    best = mongo_store.experiment("most").best
    assert best.params["x"] == max(trial.params["x"] for trial in mongo_store.experiment("most").trials)
    assert f", {best.params['x']}, of 4" in done.stdout
    turned = run(mongo_url, "run", "most", "-n", "5", "--", sys.executable, "-ISc", program, "{x:int(1, 9)}")
    assert "with direction 'maximise', not 'minimise'" in turned.stderr
    assert len(mongo_store.experiment("most").trials) == 4


def test_a_result_that_is_no_loss_fails_its_trial_and_text_is_negated_like_a_number(
    mongo_url: str, mongo_store: Store
) -> None:
    words = (
        "sh",
        "-c",
        """test $0 -gt 3 && echo '{"loss": "abc"}' || echo '{"loss": "'$0'", "trial": 1, "self": 2}'""",
    )
    line = ("-n", "6", "--algo", "rand", "--seed", "0", "--maximise", "--", *words, "{x:int(1, 5)}")
    assert run(mongo_url, "run", "odd", *line).exit_code == 0
    trials = mongo_store.experiment("odd").trials
    assert {trial.state for trial in trials} == {"done", "failed"}
    assert mongo_store.experiment("odd").best.params["x"] == max(t.params["x"] for t in trials if t.state == "done")


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [("--report", "(", "is no regular expression"), ("--scratch", __file__, "cannot write"), ("--loss", "", "matches")],
)
def test_an_option_that_cannot_be_is_refused_before_anything_runs(
    option: str, value: str, said: str, mongo_url: str, mongo_store: Store
) -> None:
    done = run(mongo_url, "run", "none", option, value, "--", "echo", "{x:int(1, 5)}")
    assert done.exit_code != 0
    assert said in done.stderr + str(done.exception)
    assert not list(mongo_store.experiments())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_search_that_is_stopped_ends_its_commands_and_says_how_it_goes_on(
    number: signal.Signals, code: int, mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    line = [
        "run",
        "long",
        "-n",
        "2",
        "--algo",
        "rand",
        "--",
        "sh",
        "-c",
        f"echo $$ > {tmp_path}/pid; sleep 60",
        "{x:a|b}",
    ]
    words = [sys.executable, "-c", "from hstore.cli.app import main; main()", "--store", mongo_url, *line]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as running:
        try:
            until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
            running.send_signal(number)
            _, said = running.communicate(timeout=GENEROUS)
        finally:
            running.kill()
    assert (running.returncode, said.strip()) == (code, "stopped after 0 trials; the same line continues 'long'")
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), 0)
    assert [trial.state for trial in mongo_store.experiment("long").trials] == ["queued"]


def test_a_command_without_a_range_is_refused(mongo_url: str) -> None:
    done = run(mongo_url, "run", "none", "--", "echo", "1")
    assert "the command has no range to search" in done.stderr


def test_a_line_that_measures_something_else_is_refused_unless_it_is_accepted(
    mongo_url: str, mongo_store: Store
) -> None:
    words = ("--", "sh", "-c", "echo $0", "{x:float(0, 1)}")
    first = ("run", "net", "-n", "1", "--algo", "rand")
    assert run(mongo_url, *first, "--loss", "nothing=", *words).exit_code == 1  # without a loss, any may follow
    longer = ("run", "net", "-n", "3", "--algo", "rand")
    assert run(mongo_url, *longer, *words).exit_code == 0
    for other in (("--loss", "time", *words), ("--", "sh", "-c", "echo -$0", "{x:float(0, 1)}")):
        refused = run(mongo_url, *longer, *other)
        assert refused.exit_code == 2, refused.output
        assert "were measured with" in refused.stderr
        assert "--accept-change" in refused.stderr
    assert len(mongo_store.experiment("net").trials) == 3
    assert run(mongo_url, "run", "net", "-n", "4", "--accept-change", *other).exit_code == 0
    assert "command sh -c" in run(mongo_url, "show", "net").stdout


def test_a_command_that_prints_nothing_ends_when_its_trial_is_cancelled_and_its_search_says_so(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    line = ("--", "sh", "-c", f"touch {tmp_path}/$HSTORE_TRIAL; sleep 60", "{x:float(0, 1)}")
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, mongo_url, "run", "quiet", "-n", "3", "-j", "2", "--algo", "rand", *line)
        assert until(lambda: len(list(tmp_path.iterdir())) == 2)
        control.stop(mongo_store.experiment("quiet"), "stopped by a test", now=True)
        done = running.result()
    assert done.exit_code == 1
    assert "'quiet' is finished (stopped by" in done.stderr
    assert [trial.state for trial in mongo_store.experiment("quiet").trials] == ["cancelled"] * 2


def test_a_command_that_runs_when_its_search_is_stopped_may_finish(
    mongo_url: str, mongo_store: Store, tmp_path: Path
) -> None:
    line = ("--", "sh", "-c", f"touch {tmp_path}/began; until [ -e {tmp_path}/go ]; do sleep 0.05; done; echo $0",
            "{x:float(0, 1)}")  # fmt: skip
    with ThreadPoolExecutor() as pool:
        running = pool.submit(run, mongo_url, "run", "calm", "-n", "3", "--algo", "rand", *line)
        assert until((tmp_path / "began").exists)
        control.stop(mongo_store.experiment("calm"), "enough")
        (tmp_path / "go").touch()
        done = running.result()
    assert done.exit_code == 0
    assert [trial.state for trial in mongo_store.experiment("calm").trials] == ["done"]
