"""Objectives that a child process cannot load, or has to load anew."""

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import GENEROUS
from tests.workers.bench import Bench, answer_nothing, recipe_of

from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.store.errors import CannotLoad
from hstore.workers.child import Child


def module(folder: Path, name: str, code: str) -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(code))


def named(ref: str) -> ObjectiveSpec:
    return objective_spec.named(ref, recipe_of(lambda config: config["x"]))


def refusal(child: Child, objective_spec: ObjectiveSpec) -> str:
    with pytest.raises(CannotLoad) as caught:
        child.load("unloadable", objective_spec)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        ("not_there:f", "cannot import not_there:f: ModuleNotFoundError: No module named 'not_there'"),
        ("objectives:g", "cannot import objectives:g: AttributeError: module 'objectives' has no attribute 'g'"),
        ("objectives:number", "objectives:number is a int, which cannot be called"),
        ("objectives", "'objectives' does not name an objective"),
        ("objectives:two", "the objective two(a, b) cannot be called with a point: missing a required argument: 'b'"),
        ("raises:f", "cannot import raises:f: ValueError: two lines"),
        ("exits:f", "cannot import exits:f: SystemExit: 3"),
        ("dies:f", "loading f ended its process, which was killed by SIGSEGV"),
        ("leaves:f", "loading f ended its process, which exited with code 4"),
    ],
)
def test_an_objective_that_cannot_be_imported_is_refused_in_one_line(ref: str, message: str, bench: Bench) -> None:
    folder = bench.child.workdir
    module(folder, "objectives", "number = 1\ndef two(a, b): ...")
    module(folder, "raises", "raise ValueError('two\\nlines')")
    module(folder, "exits", "import sys; sys.exit(3)")
    module(folder, "dies", "import ctypes; ctypes.string_at(0)")
    module(folder, "leaves", "import os; os._exit(4)")
    assert refusal(bench.child, named(ref)) == message
    assert bench.is_well()


def test_where_a_missing_module_could_be_put_is_said(bench: Bench) -> None:
    with pytest.raises(CannotLoad) as caught:
        bench.child.load("unloadable", named("not_there:f"))
    assert caught.value.hint.startswith("install what is missing, or put it on PYTHONPATH or into --workdir (now ")
    assert str(bench.child.workdir) in caught.value.hint


def test_a_pickle_that_cannot_be_read_is_refused_in_one_line(bench: Bench) -> None:
    good = recipe_of(lambda config: config["x"])
    other = refusal(bench.child, replace(good, python="3.8.1"))
    assert "<lambda> was pickled by Python 3.8.1, this is 3." in other
    assert "cannot unpickle the objective" in refusal(bench.child, replace(good, pickle=b"not a pickle"))
    assert "could neither be imported nor pickled" in refusal(bench.child, replace(good, pickle=None))
    assert bench.is_well()


def test_loading_that_never_ends_is_given_up(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench.is_well()
    monkeypatch.setattr("hstore.workers.child.LOAD_SECONDS", 0.5)
    module(bench.child.workdir, "hangs", "import time; time.sleep(3600)")
    assert refusal(bench.child, named("hangs:f")) == "loading f takes more than 0.5 s"
    monkeypatch.undo()
    assert bench.is_well()


def test_what_has_changed_on_disk_is_imported_again(child: Child) -> None:
    def loss(key: str, objective_spec: ObjectiveSpec) -> Any:
        child.load(key, objective_spec)
        job = {"exp": "e", "tid": 0, "attempt": 1, "point": {"x": 1.0}, "uri": ""}
        return child.evaluate(key, job, serve=answer_nothing, time_limit=GENEROUS).data["loss"]

    module(child.workdir, "changing", "def f(config): return 1.0")
    old = named("changing:f")
    assert loss("old", old) == 1.0
    first = child.load("old", old)
    module(child.workdir, "changing", "def f(config): return config['x'] + 41.0")
    assert loss("new", replace(old, version="another")) == 42.0
    pid = child.pid
    assert child.load("new", old) != first
    assert loss("old", replace(old, version=first)) == 42.0, "of the old code nothing is left"
    assert loss("new", replace(old, version="another")) == 42.0
    assert loss("old", replace(old, version=first)) == 42.0
    assert child.jobs >= 2, "what cannot be had is not looked for again and again"
    assert child.pid != pid


def test_a_module_that_was_edited_is_imported_anew_by_another_process(child: Child, tmp_path: Path) -> None:
    def loss(key: str, digest: str) -> Any:
        spec = replace(named("uses:f"), files=(("offsets.py", digest),))
        child.load(key, spec)
        job = {"exp": "e", "tid": 0, "attempt": 1, "point": {"x": 1.0}, "uri": ""}
        return child.evaluate(key, job, serve=answer_nothing).data["loss"]

    module(tmp_path, "offsets", "def offset(): return 1.0")
    module(tmp_path, "uses", "import offsets\ndef f(config): return offsets.offset()")
    assert loss("before", "1") == 1.0
    module(tmp_path, "offsets", "def offset(): return 22.0")
    assert loss("after", "2") == 22.0
    assert loss("before", "1") == 22.0
    assert loss("after", "2") == 22.0
    pid = child.pid
    assert [loss("before", "1"), loss("after", "2")] == [22.0, 22.0]
    assert child.pid == pid, "two searches that knew different files do not replace it for ever"
