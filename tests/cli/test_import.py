"""`hstore import` makes experiments of hyperopt's searches, and says in one line what it cannot read."""

import datetime as dt
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hyperopt_store import Jobs, hyperopt_store
from tests.cli.commands import run


@pytest.fixture
def jobs(mongo_url: str) -> Iterator[Jobs]:
    """hyperopt's store with a search in it."""
    with hyperopt_store(mongo_url) as jobs:
        jobs.a_search()
        yield jobs


def test_what_was_imported_is_listed_shown_verified_checked_and_rebuilt(mongo_url: str, jobs: Jobs) -> None:
    result = run(mongo_url, "import", "--from-hyperopt", jobs.url)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == [
        "digits", "paused", "1", "cancelled", "2", "done", "1", "failed", "2", "queued", "6", "26", "3", "not", "known",
    ]  # fmt: skip
    assert "digits: 2 trials queued; to evaluate them, import again with --space" in result.stderr
    for command in ("ls", "show digits", "show digits 1", "status digits", "verify digits", "check digits",
                    "replay digits", "rebuild digits", "check digits", "log digits"):  # fmt: skip
        shown = run(mongo_url, *command.split())
        assert (shown.exit_code, command) == (0, command)
    assert run(mongo_url, "check", "digits").stdout == "digits: OK\n"
    one = run(mongo_url, "show", "digits", "0").stdout
    assert "imported from hyperopt's tid 3 on 20" in one
    assert "2014-03-01 12:00:03.250" in one
    assert json.loads(run(mongo_url, "show", "digits", "0", "--json").stdout)["ended_at"] == (
        "2014-03-01T12:00:03.750000+00:00"
    )


def test_json_says_the_same_and_the_second_time_that_nothing_was_new(mongo_url: str, jobs: Jobs) -> None:
    first, second = (
        json.loads(run(mongo_url, "import", "--from-hyperopt", jobs.url, "--name", "old", "--json").stdout)[0]
        for _ in range(2)
    )
    assert (first["name"], first["exp_key"], first["new"], first["events"]) == ("old", "digits", 6, 26)
    assert (second["trials"], second["new"], second["events"]) == (6, 0, 0)
    assert second["states"] == {"done": 2, "failed": 1, "queued": 2, "cancelled": 1}


def test_with_a_space_queued_trials_wait_for_resume(
    mongo_url: str, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "their_search.py").write_text(
        "from hstore import hp\nSPACE = {'x': hp.uniform('x', 0, 1), 'n': hp.uniformint('n', 1, 9)}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    result = run(mongo_url, "import", "--from-hyperopt", jobs.url, "--space", "their_search:SPACE")
    assert "`hstore resume digits` starts them on workers" in result.stderr
    assert "n: uniformint(1, 9)" in run(mongo_url, "show", "digits").stdout
    assert run(mongo_url, "resume", "digits").exit_code == 0


def test_a_pickle_is_imported_where_hyperopt_is_not_installed(mongo_url: str, tmp_path: Path) -> None:
    hyperopt = pytest.importorskip("hyperopt")
    now = dt.datetime(2020, 1, 1)
    documents: Any = hyperopt.Trials().new_trial_docs(
        [0, 1], [None, None], [{"status": "ok", "loss": 2.0}, {"status": "ok", "loss": 1.0}],
        [{"tid": t, "cmd": None, "idxs": {"x": [t]}, "vals": {"x": [t]}} for t in (0, 1)],
    )  # fmt: skip
    for document in documents:
        document |= {"state": hyperopt.JOB_STATE_DONE, "book_time": now, "refresh_time": now}
    (tmp_path / "old.search.pkl").write_bytes(pickle.dumps(hyperopt.trials_from_docs(documents)))
    code = "import sys; sys.modules['hyperopt'] = None; from hstore.cli.app import run; sys.exit(run())"
    args = ["--store", mongo_url, "import", "--from-hyperopt", str(tmp_path / "old.search.pkl")]
    result = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert "old         finished  2 done" in result.stdout
    assert "best       trial 1, loss 1\n  x = 1\n" in run(mongo_url, "show", "old").stdout


@pytest.mark.absent
@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("/nothing.pkl", 3, "there is no file /nothing.pkl (a URL of a store begins with mongo:// or mongodb://)"),
        ("mongo://host/jobs", 2, "the URL is not hyperopt's mongo://host:port/db/jobs"),
        ("mongodb://host", 2, "the URL of the store names no database"),
        ("{store}", 3, "there is no collection 'jobs' in"),
        ("{jobs}&authSource=admin", 5, "authentication failed"),
        ("mongo://me@localhost:1/db/jobs", 2, ".hyperopt cannot be read: No such file or directory (put the password"),
        (
            "ssh+mongo://far:1/db/jobs",
            2,
            "no ssh tunnels (open a tunnel, `ssh -NTf -L 27500:127.0.0.1:1 far`",
        ),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    source: str, code: int, message: str, mongo_url: str, jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    source = source.format(store=mongo_url, jobs=jobs.url.replace("mongodb://", "mongodb://me:secret@"))
    result = run(mongo_url, "import", "--from-hyperopt", source)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert "secret" not in result.stderr
