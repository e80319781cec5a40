"""One trial evaluated again: the loss beside the recorded one, and what is another here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand, search
from hstore.engine.audit.rerun import rerun
from hstore.store.errors import CannotLoad, NotFound
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", 0, 1)}
MODULE = """
import helper
def objective(p, ctrl):
    ctrl.report(1, p["x"])
    ctrl.attachments["model"] = b"x"
    if p["x"] > helper.MOST:
        raise ValueError("too far")
    print("evaluated", ctrl.tid)
    return {"status": "ok", "loss": p["x"] + helper.OFFSET}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Write the modules of a project, and import them anew."""
    import importlib
    import sys

    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def written(offset: float, most: float = 2.0) -> Any:
        (tmp_path / "helper.py").write_text(f"OFFSET, MOST = {offset}, {most}\n")
        (tmp_path / "rerunnable.py").write_text(MODULE)
        for name in ("helper", "rerunnable"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()
        return importlib.import_module("rerunnable").objective

    return written


def test_the_same_code_comes_to_the_same_and_nothing_is_written(mongo_store: Store, write: Callable[..., Any]) -> None:
    fmin(write(0.5), SPACE, rand.suggest, 3, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    experiment = mongo_store.experiment("lab")
    before = experiment.state.events
    again = rerun(experiment, 1)
    assert again.is_same
    assert (again.now.loss, again.now.reports) == (experiment.trials[1].loss, again.recorded.reports)
    assert (again.differences, again.source, again.is_source_recorded) == ([], {}, True)
    assert mongo_store.experiment("lab").state.events == before
    with pytest.raises(NotFound):
        rerun(experiment, 9)


def test_an_edit_of_an_imported_module_is_shown_as_a_diff_and_can_be_noted(
    mongo_url: str, mongo_store: Store, write: Callable[..., Any], tmp_path: Path
) -> None:
    fmin(write(0.5), SPACE, rand.suggest, 3, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    write(1.5)
    shown = run(mongo_url, "rerun", "lab", "1", "--record").stdout
    assert "differs by 1" in shown
    assert "-OFFSET, MOST = 0.5, 2.0\n+OFFSET, MOST = 1.5, 2.0" in shown
    trial = mongo_store.experiment("lab").trials[1]
    assert trial.tags == ("rerun",)
    assert trial.notes[0].note is not None
    assert "evaluated again" in trial.notes[0].note
    assert trial.loss == trial.params["x"] + 0.5
    bundle = str(tmp_path / "lab.hstore")
    assert run(mongo_url, "export", "lab", "-o", bundle).exit_code == 0
    found = run(mongo_url, "rerun", bundle, "1", "--json")
    said = json.loads(found.stdout)
    assert (said["same"], said["now"]["loss"]) == (False, trial.params["x"] + 1.5)
    assert list(said["source"]) == ["helper.py"]
    assert run(mongo_url, "rerun", bundle, "1", "--record").exit_code == 2
    (tmp_path / "helper.py").unlink()
    assert rerun(mongo_store.experiment("lab"), 1).source == {"helper.py": None}


def test_what_raises_is_shown_and_handed_to_the_debugger(
    mongo_url: str, mongo_store: Store, write: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    fn = write(0.0, most=-1.0)
    with pytest.raises(ValueError, match="too far"):
        fmin(fn, SPACE, rand.suggest, 2, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    frames = []
    monkeypatch.setattr("pdb.post_mortem", lambda traceback: frames.append(traceback))
    shown = run(mongo_url, "rerun", "lab", "0", "--pdb")
    assert "the same to the last bit" in shown.stdout
    assert "ValueError: too far" in shown.stdout
    assert len(frames) == 1
    assert run(mongo_url, "rerun", "lab", "0", "--pdb", "--json").exit_code == 2


def test_a_script_is_called_as_it_was_pickled_and_another_function_on_demand(
    mongo_url: str, mongo_store: Store, write: Callable[..., Any]
) -> None:
    add = 3.0
    fmin(lambda p: p["x"] + add, SPACE, rand.suggest, 2, experiment="lab", store=mongo_store, rstate=0, verbose=False)
    again = rerun(mongo_store.experiment("lab"), 0)
    assert again.is_same
    assert "as it was pickled" in again.objective
    write(1.0)
    said = json.loads(run(mongo_url, "rerun", "lab", "0", "--objective", "rerunnable:objective", "--json").stdout)
    assert said["now"]["loss"] == said["params"]["x"] + 1.0
    assert "evaluated 0" not in said


def test_a_trial_that_another_program_evaluated_says_what_to_do(mongo_store: Store) -> None:
    with search(SPACE, rand.suggest, experiment="asked", store=mongo_store, max_evals=1) as asked:
        trial = asked.ask()
        assert trial is not None
        trial.tell(0.5)
    with pytest.raises(CannotLoad, match="another program evaluated") as error:
        rerun(mongo_store.experiment("asked"), 0)
    assert "--objective" in (error.value.hint or "")
