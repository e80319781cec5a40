"""An objective that was edited between two calls is told: on stderr, by `show` and by `log`."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import run

from hstore import fmin, hp, rand
from hstore.engine.evaluation.objective_change import change, describe_change
from hstore.engine.hyperopt.trials import Trials
from hstore.store.events import Changed
from hstore.store.store import Store

TOLD = re.compile(r"the objective changed after trial 3 \(version (\w{8}) -> (\w{8})(; edited: (.+))?\)")
SPACE = {"x": hp.uniform("x", 0, 1)}


@pytest.fixture
def edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Write the modules of a project, import them anew, and return the objective."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # edits within a second would go unseen

    def forget() -> None:
        for name in ("edited_objective", "edited_helper"):
            sys.modules.pop(name, None)
        importlib.invalidate_caches()

    def write(factor: float = 1.0, helper: float = 0.0, comment: str = "") -> Any:
        forget()
        (tmp_path / "edited_helper.py").write_text(f"{comment}\ndef offset():\n    return {helper}\n")
        (tmp_path / "edited_objective.py").write_text(
            f"import edited_helper\n\ndef objective(p):\n    return {factor} * p['x'] + edited_helper.offset()\n"
        )
        return importlib.import_module("edited_objective").objective

    yield write
    forget()


def search(url: str, fn: Callable[..., Any], n: int) -> None:
    fmin(fn, SPACE, rand.suggest, n, experiment="edited", store=url, show_progressbar=False, rstate=0)


@pytest.mark.parametrize(
    ("edits", "files"), [({"factor": 2.0}, "edited_objective.py"), ({"helper": 1.0}, "edited_helper.py")]
)
def test_an_edit_is_told_by_the_call_and_by_show_and_log(
    mongo_url: str, messages: list[str], edit: Callable[..., Any], edits: dict[str, float], files: str
) -> None:
    search(mongo_url, edit(), 4)
    search(mongo_url, edit(**edits), 6)
    (line,) = [message for message in messages if "the objective changed" in message]
    matched = TOLD.fullmatch(line)
    assert matched
    assert matched[1] != matched[2]
    assert matched[4] == files
    assert f"objective  {line}\n" in run(mongo_url, "show", "edited").stdout
    assert line in run(mongo_url, "log", "edited").stdout
    assert '"objective_changes": [\n  {' in run(mongo_url, "show", "edited", "--json").stdout
    messages.clear()
    search(mongo_url, edit(**edits), 8)
    assert not [message for message in messages if "the objective changed" in message]


def test_a_comment_or_the_same_code_is_no_change(
    mongo_url: str, messages: list[str], edit: Callable[..., Any], mongo_store: Store
) -> None:
    search(mongo_url, edit(), 4)
    search(mongo_url, edit(comment="# explained"), 6)
    assert not [message for message in messages if "the objective changed" in message]
    changed = [event for event in mongo_store.experiment("edited").chain(None) if isinstance(event, Changed)]
    assert [event.objective for event in changed] == [None]  # max_evals alone


def test_a_search_of_hstore_0_1_is_told_of_edits_of_the_objective_alone() -> None:
    old = {"name": "f", "version": "a" * 16, "python": "3.11.7"}
    new = old | {"files": [["f.py", "1" * 16]]}
    assert change(old, new, trials=4) is None
    edited = change(old, new | {"version": "b" * 16}, trials=4)
    assert edited is not None
    assert describe_change(edited) == "the objective changed after trial 3 (version aaaaaaaa -> bbbbbbbb)"


def test_that_another_python_may_be_all_that_changed_is_said() -> None:
    old = {"version": "a" * 16, "python": "3.11.7"}
    edited = change(old, {"version": "b" * 16, "python": "3.12.1"}, trials=4)
    assert edited is not None
    assert describe_change(edited).endswith(
        "(version aaaaaaaa -> bbbbbbbb); this may be Python alone (3.11.7 -> 3.12.1)"
    )


def test_before_the_first_trial_nothing_is_told() -> None:
    assert change({"version": "a"}, {"version": "b"}, trials=0) is None


def test_in_memory_another_function_is_what_the_program_wants(messages: list[str]) -> None:
    trials = Trials()
    for factor, n in ((1.0, 2), (2.0, 4)):
        fmin(lambda p, f=factor: f * p["x"], SPACE, rand.suggest, n, trials=trials, show_progressbar=False)
    assert not [message for message in messages if "changed" in message]


SCRIPT = """
import sys
import script_helper
from hstore import fmin, hp, rand

SCALE = {scale}


def helper(x):
    return x + {inside}


def objective(p):
    return SCALE * helper(p["x"]) + script_helper.offset()


if __name__ == "__main__":
    fmin(objective, {{"x": hp.uniform("x", 0, 1)}}, rand.suggest, {n}, experiment="edited", rstate=0)
"""


@pytest.mark.parametrize(
    "steps",
    [
        [({}, None), ({"offset": 1}, "script_helper.py"), ({"offset": 1, "inside": 1}, "the script")],
        pytest.param([({"scale": 2}, "the script")], marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_of_a_script_what_the_objective_uses_counts_and_not_how_long_it_searches(
    mongo_url: str, tmp_path: Path, steps: list[tuple[dict[str, int], str | None]]
) -> None:
    def ran(n: int, scale: int = 1, inside: int = 0, offset: int = 0) -> str:
        (tmp_path / "script_helper.py").write_text(f"def offset():\n    return {offset}\n")
        (tmp_path / "script.py").write_text(SCRIPT.format(n=n, scale=scale, inside=inside))
        environment = os.environ | {"HSTORE_URL": mongo_url, "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, str(tmp_path / "script.py")]
        return subprocess.run(command, env=environment, stderr=subprocess.PIPE, text=True, check=True).stderr

    assert "the objective changed" not in ran(4)
    for n, (edits, edited) in enumerate(steps, 5):
        found = re.search(TOLD.pattern.replace("trial 3", f"trial {n - 2}"), ran(n, **edits))
        assert (found and found[4]) == edited
