"""Objectives of a script: on workers its functions can be sent to pools, and tracebacks show its lines."""

import contextlib
import importlib.util
import linecache
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from hstore import hp
from hstore.engine.evaluation import objective_spec
from hstore.engine.evaluation.domain import BoundObjective
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.evaluation.script import Script
from hstore.engine.space import compile_space
from hstore.store.attachments import MemoryAttachments
from hstore.workers.child import Child
from hstore.workers.inline import Inline
from hstore.workers.trial_executor import TrialExecutor

SPACE = compile_space({"x": hp.uniform("x", -5, 5)})
POOLS = """
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor

offset = 0

class Square:
    def __init__(self, value):
        self.value = value

def shift(by):
    global offset
    offset = by

def square(x):
    return Square(x * x + offset)

def by_pool(p, how):
    with mp.get_context(how).Pool(1, shift, (10,)) as pool:
        return sum(each.value for each in pool.map(square, [p["x"], 1]))

def by_executor(p, how):
    with ProcessPoolExecutor(1, mp.get_context(how), initializer=shift, initargs=(10,)) as executor:
        return sum(each.value for each in executor.map(square, [p["x"], 1]))

class Objective:
    def __call__(self, p):
        return by_pool(p, "fork")

def fails_in_pool(p):
    with mp.get_context("spawn").Pool(1) as pool:
        pool.map(fail, [p["x"]])

def fail(x):
    raise ValueError(x)  # of a spawned process

def names_main(p):
    return 1.0 if __name__ == "__main__" else 0.0
"""
FAILS = """
def helper(x):
    return 1 / (x - x)  # the helper's line


def nested(p):
    def inner():
        return helper(p["x"])  # the inner line
    return inner()


class Model:
    def __call__(self, p):
        return nested(p)  # the method's line


fails = lambda p: helper(p["x"])  # the lambda's line
model = Model()
"""
Defined = Callable[..., dict[str, Any]]
Answer = Callable[..., tuple[str, Any]]


@pytest.fixture
def defined(tmp_path: Path) -> Defined:
    """Run a text as a script would be, and return the names that it defines."""

    def define(text: str, file: str = "", *, is_written: bool = True) -> dict[str, Any]:
        file = file or str(tmp_path / "elsewhere" / "script.py")
        if is_written:
            Path(file).parent.mkdir(exist_ok=True)
            Path(file).write_text(text)
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(text, file, "exec"), names)
        return names

    return define


@pytest.fixture(params=["child", "inline"])
def answer(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Answer]:
    """Evaluate a function as a worker does that knows nothing of its script; return what became of it."""
    monkeypatch.setattr("hstore.workers.inline.show_logging", lambda: None)  # for good, in this process
    monkeypatch.chdir(tmp_path)  # it goes there itself, and the test has to come back
    executor: TrialExecutor = Child(tmp_path) if request.param == "child" else Inline(tmp_path)

    def evaluate(fn: Callable[..., Any], spec: ObjectiveSpec | None = None) -> tuple[str, Any]:
        executor.load(fn.__repr__(), spec or recorded(fn))
        job = {"exp": "e", "tid": 0, "attempt": 1, "point": {"x": 2.0}, "uri": ""}
        ended = executor.evaluate(fn.__repr__(), job, serve=lambda *_: None)
        return ended.kind, ended.data

    yield evaluate
    executor.close()


def recorded(fn: Callable[..., Any]) -> ObjectiveSpec:
    """Return what a worker reads of *fn*; that this process can read its source is forgotten."""
    attachments = MemoryAttachments()
    found = objective_spec.fetch(
        objective_spec.record(BoundObjective(fn, SPACE), attachments), SPACE.to_data(), attachments
    )
    linecache.clearcache()
    return found


def loss(ended: tuple[str, Any]) -> Any:
    kind, data = ended
    assert kind == "done", data
    return data["loss"]


@pytest.mark.parametrize(
    ("by", "how"), [("by_pool", "fork"), ("by_pool", "forkserver"), ("by_executor", "fork"), ("by_executor", "spawn")]
)
def test_an_objective_maps_functions_of_its_script_over_a_pool(
    answer: Answer, defined: Defined, by: str, how: str
) -> None:
    names = defined(POOLS)
    assert loss(answer(eval(f"lambda p: {by}(p, {how!r})", names))) == 2.0**2 + 1 + 2 * 10


def test_one_that_is_an_object_of_a_class_of_its_script_does_as_well(answer: Answer, defined: Defined) -> None:
    assert loss(answer(defined(POOLS)["Objective"]())) == 25.0


def test_a_cell_of_a_notebook_needs_no_file(answer: Answer, defined: Defined) -> None:
    names = defined(POOLS, "/tmp/ipykernel_1/2345.py", is_written=False)
    assert loss(answer(eval("lambda p: by_pool(p, 'spawn')", names))) == 25.0


@pytest.mark.skipif(importlib.util.find_spec("joblib") is None, reason="joblib is not installed")
def test_joblib_maps_functions_of_the_script(answer: Answer, defined: Defined) -> None:
    text = POOLS + "\ndef by_joblib(p):\n    import joblib\n" + (
        "    return sum(e.value for e in joblib.Parallel(2)(joblib.delayed(square)(v) for v in (p['x'], 1)))\n"
    )  # fmt: skip
    assert loss(answer(defined(text)["by_joblib"])) == 5.0


def test_two_scripts_with_functions_of_one_name_do_not_mix(answer: Answer, defined: Defined) -> None:
    one, two = defined(POOLS), defined(POOLS.replace("x * x", "x * x * x"))
    objectives = [eval("lambda p: by_pool(p, 'fork')", names) for names in (one, two)]
    assert [loss(answer(objective)) for objective in objectives * 2] == [25.0, 29.0] * 2


def test_main_of_the_worker_itself_is_as_it_was_afterwards(answer: Answer, defined: Defined) -> None:
    before = sys.modules["__main__"]
    assert loss(answer(defined(POOLS)["names_main"])) == 1.0
    assert sys.modules["__main__"] is before


def test_main_is_as_it_was_after_threads_that_overlap_as_well(defined: Defined) -> None:
    before, scripts = sys.modules["__main__"], [Script() for _ in range(2)]
    for script in scripts:
        script.unpickle(cloudpickle.dumps(defined(POOLS)["names_main"]))
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(scripts[0].as_main())
        second.enter_context(scripts[1].as_main())
        first.close()
        assert sys.modules["__main__"].names_main is scripts[1].names["names_main"]
        second.close()
    assert sys.modules["__main__"] is before


def test_what_fails_in_a_spawned_process_shows_the_lines_of_the_script(answer: Answer, defined: Defined) -> None:
    kind, data = answer(defined(POOLS)["fails_in_pool"])
    assert kind == "failed"
    assert "raise ValueError(x)  # of a spawned process" in data["traceback"]


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("fails", ["the lambda's line", "the helper's line"]),
        ("nested", ["the inner line", "the helper's line"]),
        ("model", ["the method's line", "the inner line", "the helper's line"]),
    ],
)
def test_a_traceback_shows_file_and_source_of_the_script(
    answer: Answer, defined: Defined, name: str, lines: list[str]
) -> None:
    names = defined(FAILS)
    file = names["helper"].__code__.co_filename
    _, data = answer(names[name])
    for line in lines:
        assert line in data["traceback"]
    assert f'File "{file}", line 3, in helper' in data["traceback"]


def test_it_shows_the_lines_that_ran_whatever_the_file_holds_now(answer: Answer, defined: Defined) -> None:
    names = defined(FAILS)
    spec = recorded(names["fails"])
    Path(names["helper"].__code__.co_filename).write_text("# all new\n" * 40)
    _, data = answer(names["fails"], spec)
    assert "the helper's line" in data["traceback"]
    assert "all new" not in data["traceback"]


def test_a_cell_of_a_notebook_shows_its_lines(answer: Answer, defined: Defined) -> None:
    cell = "/tmp/ipykernel_1/2345.py"
    names = defined(FAILS, cell, is_written=False)
    linecache.cache[cell] = len(FAILS), None, FAILS.splitlines(keepends=True), cell  # as ipykernel does
    _, data = answer(names["fails"])
    assert "the helper's line" in data["traceback"]


def test_code_without_any_source_shows_its_lines_numbers(answer: Answer, defined: Defined) -> None:
    names = defined(FAILS, "<made up>", is_written=False)
    _, data = answer(names["fails"])
    assert 'File "<made up>", line 3, in helper' in data["traceback"]
    assert "the helper's line" not in data["traceback"]


@pytest.mark.parametrize("source", [None, b"", b"\xff", b"{}", b'[{"file": 1}]', b"[3]"])
def test_lines_that_cannot_be_read_cost_the_source_and_nothing_else(
    answer: Answer, defined: Defined, source: bytes | None
) -> None:
    fn = defined(FAILS)["fails"]
    kind, data = answer(fn, replace(recorded(fn), source=source))
    assert (kind, data["error"]) == ("failed", "ZeroDivisionError")


def test_the_same_function_has_the_same_pickle_wherever_it_stands(defined: Defined, tmp_path: Path) -> None:
    one, two = defined(FAILS)["fails"], defined(FAILS, str(tmp_path / "other.py"))["fails"]
    assert recorded(one).pickle == recorded(two).pickle
