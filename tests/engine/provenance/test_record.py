"""Where a search came from is in its log, and has no say in whether it may go on."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run
from tests.waiting import GENEROUS

from hstore import Trials, fmin, hp, rand, search
from hstore.engine.provenance import record
from hstore.engine.provenance.recorded import diff_of, hashes_of, packages_of, recorded, source_of
from hstore.store.events import Changed, Data
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", 0, 1)}
PROGRAM = """
import sys
from helper import score
from hstore import fmin, hp, rand
def objective(p):
    return score(p["x"])
fmin(objective, {"x": hp.uniform("x", 0, 1)}, rand.suggest, int(sys.argv[1]), experiment="lab", rstate=0, verbose=False)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a script, in a repository."""
    (tmp_path / "train.py").write_text(PROGRAM)
    (tmp_path / "helper.py").write_text("def score(x):\n    return x\n")
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@b", *words], cwd=tmp_path, check=True)
    return tmp_path


def train(project: Path, url: str, *args: str, **environment: str) -> None:
    subprocess.run(
        [sys.executable, "train.py", *args], cwd=project, env={**os.environ, "HSTORE_URL": url, **environment},
        check=True, timeout=GENEROUS,
    )  # fmt: skip


def search_here(store: Store, n: int, **kwargs: Any) -> None:
    fmin(lambda p: p["x"], SPACE, rand.suggest, n, experiment="lab", store=store, rstate=0, verbose=False, **kwargs)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is found out of this process's place, as a test changes it."""
    said: dict[str, Any] = {}
    real = record._place
    monkeypatch.setattr(record, "_place", lambda: real() | said)
    return said


def test_a_script_leaves_its_commit_command_packages_and_source(
    project: Path, mongo_url: str, mongo_store: Store
) -> None:
    train(project, mongo_url, "3", "--password", "hunter2")
    experiment = mongo_store.experiment("lab")
    (found,) = recorded(experiment)
    provenance = found.provenance
    assert (provenance["git"]["branch"], provenance["git"]["dirty"]) == ("main", False)
    assert provenance["command"][1:] == ["train.py", "3", "--password", "***"]
    assert (provenance["folder"], provenance["python"]) == (str(project), sys.version.split()[0])
    assert packages_of(experiment, provenance)["numpy"]
    texts = source_of(experiment, provenance)
    assert texts == {name: (project / name).read_text() for name in ("helper.py", "train.py")}
    assert set(hashes_of(provenance)) == set(texts)
    assert run(mongo_url, "verify", "lab").exit_code == 0
    shown = run(mongo_url, "show", "lab", "--provenance").stdout
    assert "on main, clean" in shown
    assert "hunter2" not in shown
    (as_json,) = json.loads(run(mongo_url, "show", "lab", "--provenance", "--json").stdout)["provenance"]
    assert as_json["source"]["text"]["train.py"] == PROGRAM

    (project / "helper.py").write_text("def score(x):\n    return x + 1\n")
    train(project, mongo_url, "5", HSTORE_RECORD_SOURCE="0")
    again = mongo_store.experiment("lab")
    later = recorded(again)[1].provenance
    assert later["git"]["dirty"] is True
    assert set(later["source"]) == {"files"}
    assert source_of(again, later) == {}
    assert "  git.dirty was False" in run(mongo_url, "show", "lab", "--provenance").stdout
    train(project, mongo_url, "5")
    assert len(recorded(mongo_store.experiment("lab"))) == 2  # it had its five trials
    assert run(mongo_url, "replay", "lab").exit_code == 0


def changes(store: Store) -> list[Data]:
    return [event.provenance or {} for event in store.experiment("lab").chain(None) if isinstance(event, Changed)]


def test_another_host_or_command_adds_nothing_and_another_python_does_not_stop_the_search(
    mongo_store: Store, said: dict[str, Any]
) -> None:
    search_here(mongo_store, 2)
    said |= {"host": "other", "user": "ann", "command": ["x"]}
    search_here(mongo_store, 4)
    assert changes(mongo_store) == [{}]  # of the limits
    said["python"] = "3.99"
    search_here(mongo_store, 6)
    assert changes(mongo_store)[1]["python"] == "3.99"
    assert mongo_store.experiment("lab").state.ended == 6


def test_a_log_without_it_goes_on_and_it_can_be_switched_off(
    mongo_store: Store, monkeypatch: pytest.MonkeyPatch, mongo_url: str
) -> None:
    monkeypatch.setenv(record.SWITCH, "0")
    search_here(mongo_store, 2)
    assert recorded(mongo_store.experiment("lab")) == []
    assert "nothing is recorded" in run(mongo_url, "show", "lab", "--provenance").stdout
    monkeypatch.delenv(record.SWITCH)
    search_here(mongo_store, 3)
    assert len(recorded(mongo_store.experiment("lab"))) == 1


def test_a_diff_is_stored_only_when_asked_for_with_a_warning(
    project: Path, mongo_store: Store, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "helper.py").write_text("KEY = 'secret'\n")
    monkeypatch.setattr("hstore.engine.provenance.sources.folder_of", lambda _: project)
    search_here(mongo_store, 2)
    assert "diff" not in recorded(mongo_store.experiment("lab"))[0].provenance
    with search(SPACE, rand.suggest, experiment="asked", store=mongo_store, max_evals=1, record_diff=True):
        experiment = mongo_store.experiment("asked")
    assert "+KEY = 'secret'" in (diff_of(experiment, experiment.state.provenance) or "")
    assert any("see that it holds no secrets" in message for message in messages)


def test_a_search_in_memory_does_not_look() -> None:
    trials = Trials()
    fmin(lambda p: p["x"], SPACE, rand.suggest, 2, trials=trials, verbose=False)
    assert recorded(trials.experiment) == []


@pytest.mark.parametrize("how", [["-c", PROGRAM], ["-"]])
def test_a_program_without_a_file_can_search(project: Path, mongo_url: str, mongo_store: Store, how: list[str]) -> None:
    subprocess.run(
        [sys.executable, *how, "2"], input=PROGRAM, text=True, cwd=project, env={**os.environ, "HSTORE_URL": mongo_url},
        check=True, timeout=GENEROUS,
    )  # fmt: skip
    experiment = mongo_store.experiment("lab")
    assert experiment.state.provenance["git"]["branch"] == "main"
    assert set(source_of(experiment, experiment.state.provenance)) == {"helper.py"}
