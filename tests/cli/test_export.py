"""`hstore export`: files that other programs read."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.store.store import Store

NASTY = 'a,"b"\nc'


@pytest.fixture
def exported(mongo_url: str, mongo_store: Store) -> str:
    """The URL of a store with an experiment `lines` of three trials."""

    def objective(config: dict[str, Any]) -> float:
        return float(config["x"])

    space = {"x": hp.uniform("x", 0, 1), "name": hp.choice("name", [NASTY, (1, 2)])}
    fmin(objective, space, rand.suggest, 3, rstate=0, verbose=False, experiment="lines", store=mongo_store)
    return mongo_url


def test_csv_has_a_line_a_trial_and_quotes_what_has_to_be(exported: str, mongo_store: Store, tmp_path: Path) -> None:
    done = run(exported, "export", "lines", "--csv", str(tmp_path / "lines.csv"))
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == f"wrote 3 trials to {tmp_path / 'lines.csv'}\n"
    rows = list(csv.DictReader(io.StringIO((tmp_path / "lines.csv").read_text("utf-8"))))
    trials = mongo_store.experiment("lines").trials
    assert [float(row["params.x"]) for row in rows] == [trial.params["x"] for trial in trials]
    assert {row["params.name"] for row in rows} <= {NASTY, "[1, 2]"}
    assert all(row["ended_at"].endswith("+00:00") for row in rows)


def test_lines_of_json_go_to_stdout_where_that_is_asked_for(exported: str, mongo_store: Store) -> None:
    done = run(exported, "export", "lines", "--jsonl", "-")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(row["tid"], row["loss"]) for row in rows] == [
        (t.tid, t.loss) for t in mongo_store.experiment("lines").trials
    ]
    assert "error" not in rows[0]


def test_parquet_needs_pyarrow_and_says_so_or_can_be_read_again(exported: str, tmp_path: Path) -> None:
    done = run(exported, "export", "lines", "--parquet", str(tmp_path / "lines.parquet"))
    try:
        import pyarrow.parquet as pq
    except ImportError:
        assert (done.exit_code, "pip install" in done.stderr) == (1, True)
        return
    assert done.exit_code == 0, done.stderr
    assert pq.read_table(tmp_path / "lines.parquet").num_rows == 3


def test_what_cannot_be_done_is_one_line(exported: str, tmp_path: Path) -> None:
    assert "name a file: --csv FILE" in run(exported, "export", "lines").stderr
    done = run(exported, "export", "lines", "--csv", str(tmp_path / "no" / "such.csv"))
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        1, f"Error: cannot write {tmp_path / 'no' / 'such.csv'}: No such file or directory")  # fmt: skip
    assert run(exported, "export", "linse", "--csv", "-").exit_code != 0


@pytest.mark.filterwarnings("ignore")  # of MLflow and of what it imports
def test_export_to_mlflow_follows_a_search_to_its_end(
    exported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="needs MLflow: pip install mlflow-skinny")
    from mlflow.tracking import MlflowClient

    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    uri = f"file://{tmp_path}/mlruns"
    first = run(exported, "export", "lines", "--to", "mlflow", uri, "--follow")
    assert (first.exit_code, first.stderr) == (0, "wrote 3 new or changed trials to MLflow\n")
    assert run(exported, "export", "lines", "--to", "mlflow", uri).stderr.startswith("wrote 0 ")
    client: Any = MlflowClient(uri)
    assert len(client.search_runs([client.get_experiment_by_name("lines").experiment_id])) == 4


def test_export_to_a_tool_refuses_what_makes_no_sense(mongo_url: str) -> None:
    assert "either a file or --to" in run(mongo_url, "export", "lines", "--to", "mlflow", "uri", "--csv", "-").stderr
    assert "--follow goes with --to" in run(mongo_url, "export", "lines", "--csv", "-", "--follow").stderr


def test_a_terminal_gets_no_control_characters_and_a_pipe_gets_them_as_they_are(
    mongo_url: str, mongo_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = {"name": hp.choice("name", ["\x1b[31mred\u202e"])}
    fmin(lambda _: 0.0, space, rand.suggest, 1, rstate=0, verbose=False, experiment="e", store=mongo_store)
    assert "\x1b[31mred" in run(mongo_url, "export", "e", "--csv", "-").stdout
    monkeypatch.setattr("hstore.cli.export.is_terminal", lambda: True)
    shown = run(mongo_url, "export", "e", "--csv", "-").stdout
    assert (r"\x1b[31mred\u202e" in shown, "\x1b" in shown, "\r" in shown) == (True, False, False)
