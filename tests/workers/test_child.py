"""One call in a child process ends in an outcome, whatever the objective does to the process that it is called in."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.waiting import GENEROUS, until

from hstore import hp
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.engine.evaluation.objective_spec import ObjectiveSpec
from hstore.engine.hyperopt.domain import Domain
from hstore.engine.space import Space
from hstore.engine.space.expressions import as_apply
from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import CannotLoad, HstoreError
from hstore.workers.child import TAIL_BYTES, Child
from hstore.workers.trial_executor import CallResult

Objective = Callable[..., Any]


def recipe_of(fn: Objective, space: Any = None) -> ObjectiveSpec:
    """Return the recipe of *fn* as a worker elsewhere finds it in the log."""
    attachments = MemoryAttachments()
    domain = Domain(fn, Space(as_apply({"x": hp.uniform("x", -5, 5)} if space is None else space)))
    return objective_spec.fetch(objective_spec.record(domain, attachments), domain.space.to_data(), attachments)


def nobody(name: str, *arguments: Any) -> Any:
    raise AssertionError(f"nobody was to ask for {name}{arguments}")


class Bench:
    """A child and a number for each objective that it is given."""

    def __init__(self, child: Child) -> None:
        self.child = child
        self.count = 0

    def call(
        self, fn: Objective, *, x: Any = 2.0, serve: Callable[..., Any] = nobody, time_limit: float | None = GENEROUS,
        space: Any = None,
    ) -> CallResult:  # fmt: skip
        """Have the child call *fn*; a test that would never end fails with a time limit."""
        self.count += 1
        key = str(self.count)
        self.child.load(key, recipe_of(fn, space))
        job = {"exp": "e", "tid": self.count, "attempt": 1, "point": {"x": x}, "uri": ""}
        return self.child.evaluate(key, job, serve=serve, time_limit=time_limit)

    def is_well(self) -> bool:
        return self.call(lambda config: config["x"]).kind == "done"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One child for all tests: whatever one of them does to it, the next must not notice."""
    child = Child(tmp_path_factory.mktemp("work"))
    yield Bench(child)
    child.close()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    child = Child(tmp_path)
    yield child
    child.close()


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


# -- ends -------------------------------------------------------------------------------------------------------------


def test_a_result_comes_back_in_hyperopts_shape(bench: Bench) -> None:
    outcome = bench.call(lambda config: {"status": "ok", "loss": config["x"] ** 2, "kept": [1, "two", b"3"]})
    assert outcome.kind == "done"
    assert outcome.data["result"] == {"status": "ok", "loss": 4.0, "kept": [1, "two", b"3"]}
    assert outcome.data["loss"] == 4.0
    assert 0 <= outcome.data["duration"] < GENEROUS


def test_one_process_answers_call_after_call_and_loads_each_objective_once(bench: Bench) -> None:
    pids = {bench.call(lambda _: os.getpid()).data["loss"] for _ in range(3)}
    assert pids == {float(bench.child.pid)}

    objective_spec = recipe_of(lambda config: config["x"])
    version = bench.child.load("once", objective_spec)
    assert version == objective_spec.version
    assert bench.child.load("once", replace(objective_spec, pickle=b"never looked at")) == version


def test_an_exception_is_a_failure_with_its_traceback(bench: Bench) -> None:
    def objective(config: dict[str, Any]) -> float:
        print("before")
        return float(config["x"] / 0)

    outcome = bench.call(objective)
    assert (outcome.kind, outcome.data["error"]) == ("failed", "ZeroDivisionError")
    assert "division by zero" in outcome.data["message"]
    assert "in objective" in outcome.data["traceback"]
    assert outcome.output == b"before\n"
    assert bench.is_well()


def test_exceptions_that_cannot_travel_are_failures_like_others(bench: Bench) -> None:
    def unpicklable(_: Any) -> None:
        class Strange(Exception):
            def __init__(self, a: int, b: int) -> None:
                super().__init__("a lock")
                self.lock = threading.Lock()

        raise Strange(1, 2)

    def without_text(_: Any) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no words")

        raise Mute

    pid = bench.child.pid
    first, second = bench.call(unpicklable), bench.call(without_text)
    assert (first.kind, first.data["message"]) == ("failed", "a lock")
    assert first.data["error"].endswith("Strange")
    assert (second.kind, second.data["message"]) == ("failed", "<its text cannot be had: RuntimeError>")
    assert bench.child.pid == pid


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, RecursionError, MemoryError])
def test_what_would_end_a_program_ends_one_call(kind: type[BaseException], bench: Bench) -> None:
    def objective(_: Any) -> None:
        raise kind(3)

    pid = bench.child.pid
    outcome = bench.call(objective)
    assert (outcome.kind, outcome.data["error"], outcome.data["message"]) == ("failed", kind.__name__, "3")
    assert bench.child.pid == pid


def test_a_segmentation_fault_is_told_with_its_signal_its_traceback_and_its_last_words(bench: Bench) -> None:
    def objective(_: Any) -> None:
        import ctypes

        print("last words")
        ctypes.string_at(0)

    outcome = bench.call(objective)
    assert (outcome.kind, outcome.data["error"], outcome.data["signal"]) == ("failed", "ChildDied", signal.SIGSEGV)
    assert outcome.data["message"] == "its process was killed by SIGSEGV"
    assert outcome.data["traceback"].startswith("Fatal Python error: Segmentation fault")
    assert "in objective" in outcome.data["traceback"]
    assert b"last words" in outcome.output
    assert bench.is_well()


def test_a_process_that_leaves_is_told_with_its_exit_code(bench: Bench) -> None:
    outcome = bench.call(lambda _: os._exit(7))
    assert (outcome.kind, outcome.data["error"], outcome.data["exit_code"]) == ("failed", "ChildDied", 7)
    assert outcome.data["message"] == "its process exited with code 7"
    assert "traceback" not in outcome.data


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGRTMIN + 3])
def test_a_process_that_is_killed_is_told_with_its_signal(number: int, bench: Bench) -> None:
    outcome = bench.call(lambda _: os.kill(os.getpid(), number))
    assert (outcome.kind, outcome.data["signal"]) == ("failed", number)
    assert ("out of memory" in outcome.data["message"]) is (number == signal.SIGKILL)


def test_a_process_that_died_between_two_calls_is_replaced(bench: Bench) -> None:
    pid = bench.child.pid
    os.kill(pid, signal.SIGKILL)
    until(lambda: not is_alive(pid))
    assert bench.is_well()
    assert bench.child.pid != pid
    assert bench.child.jobs == 1


# -- time -------------------------------------------------------------------------------------------------------------


def test_an_objective_that_never_returns_ends_at_the_time_limit(bench: Bench) -> None:
    def objective(_: Any) -> None:
        print("how it began")
        while True:
            pass

    outcome = bench.call(objective, time_limit=0.5)
    assert (outcome.kind, outcome.data["error"], outcome.data["time_limit"]) == ("timeout", "TimeLimit", 0.5)
    assert outcome.data["message"] == "took more than 0.5 s"
    assert outcome.data["duration"] >= 0.5
    assert outcome.output == b"how it began\n"
    assert bench.is_well()


def test_an_objective_that_ignores_signals_ends_at_the_time_limit(bench: Bench) -> None:
    def objective(_: Any) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGALRM, signal.SIGCHLD):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, signal.NSIG))
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(3600)

    assert bench.call(objective, time_limit=0.5).kind == "timeout"
    assert bench.is_well()


def test_a_call_is_dropped_by_another_thread(bench: Bench) -> None:
    def serve(name: str, *_: Any) -> None:
        threading.Thread(target=bench.child.abort, args=("enough",)).start()

    def objective(config: dict[str, Any]) -> None:
        config["ctrl"].report(0, 1.0)
        time.sleep(3600)

    from hstore import Ctrl

    space = {"x": hp.uniform("x", -5, 5), "ctrl": Ctrl}
    try:
        outcome = bench.call(objective, serve=serve, space=space)
        assert (outcome.kind, outcome.data["message"]) == ("aborted", "enough")
        assert bench.call(lambda config: config["x"]).kind == "aborted", "until it is picked up, so is the next"
    finally:
        bench.child.clear_abort()
    assert bench.is_well()


def test_a_drop_that_comes_too_late_does_not_keep_the_processor_busy(bench: Bench) -> None:
    bench.child.load("warm", recipe_of(lambda config: config["x"]))
    bench.child.abort("nothing")
    bench.child.clear_abort()
    before = time.thread_time()

    def idle(_: Any) -> float:
        time.sleep(0.5)
        return 1.0

    assert bench.call(idle).kind == "done"
    assert time.thread_time() - before < 0.25


def test_nothing_is_dropped_by_a_child_that_is_closed(child: Child) -> None:
    assert Bench(child).is_well()
    child.close()
    child.abort("too late")


# -- output -----------------------------------------------------------------------------------------------------------


def test_the_last_64_kilobytes_of_what_is_printed_are_kept(bench: Bench) -> None:
    def objective(_: Any) -> None:
        for n in range(20_000):
            print(f"line {n}")
        print("the end", file=sys.stderr)
        raise ValueError

    output = bench.call(objective).output
    assert len(output) == TAIL_BYTES
    assert output.endswith(b"line 19999\nthe end\n")


def test_an_objective_that_prints_128_megabytes_costs_neither_memory_nor_patience(tmp_path: Path) -> None:
    def objective(_: Any) -> float:
        block = b"0123456789abcde\n" * 65_536
        for _n in range(128):
            os.write(1, block)
        return 1.0

    heard = 0

    def echo(chunk: bytes) -> None:
        nonlocal heard
        heard += len(chunk)

    child = Child(tmp_path, echo=echo)
    try:
        bench = Bench(child)
        assert bench.is_well()
        before = psutil.Process().memory_info().rss
        outcome = bench.call(objective)
        grown = psutil.Process().memory_info().rss - before
    finally:
        child.close()
    assert (outcome.kind, heard, len(outcome.output)) == ("done", 2**27, TAIL_BYTES)
    assert grown < 16 * 2**20


def test_an_objective_that_prints_for_ever_ends_at_the_time_limit(bench: Bench) -> None:
    def objective(_: Any) -> None:
        while True:
            print("and on and on")

    outcome = bench.call(objective, time_limit=0.5)
    assert outcome.kind == "timeout"
    assert b"and on and on\n" in outcome.output


def test_an_objective_may_close_its_output_and_the_next_one_can_print_all_the_same(bench: Bench) -> None:
    def closing(_: Any) -> float:
        sys.stdout.close()
        sys.stderr = None
        os.close(2)
        return 1.0

    def opening(_: Any) -> float:
        with open("file", "w") as file:
            print("out")
            print("err", file=sys.stderr)
            file.write("kept")
        return float(Path("file").read_text() == "kept")

    pid = bench.child.pid
    assert bench.call(closing).kind == "done"
    outcome = bench.call(opening)
    assert (outcome.data["loss"], outcome.output) == (1.0, b"out\nerr\n")
    assert bench.child.pid == pid


# -- what objectives do to their process ------------------------------------------------------------------------------


def test_each_call_begins_in_the_working_directory(bench: Bench) -> None:
    def wandering(_: Any) -> dict[str, Any]:
        there = os.getcwd()
        os.chdir("/")
        return {"status": "ok", "loss": 0.0, "there": there}

    places = {bench.call(wandering).data["result"]["there"] for _ in range(2)}
    assert places == {str(bench.child.workdir)}


def test_a_fork_that_returns_as_well_does_not_answer_twice(bench: Bench) -> None:
    def forking(config: dict[str, Any]) -> float:
        import warnings

        warnings.simplefilter("ignore")
        return -1.0 if os.fork() == 0 else float(config["x"])

    pid = bench.child.pid
    for x in (1.0, 2.0, 3.0):
        outcome = bench.call(forking, x=x)
        assert (outcome.kind, outcome.data["loss"]) == ("done", x)
    assert bench.is_well()
    assert bench.child.pid == pid


def test_a_fork_that_outlives_its_process_does_not_hide_that_it_died(bench: Bench, tmp_path: Path) -> None:
    def forking(_: Any) -> None:
        if (pid := os.fork()) == 0:
            time.sleep(3600)
        (tmp_path / "pid").write_text(str(pid))
        os._exit(5)

    outcome = bench.call(forking)
    assert (outcome.kind, outcome.data["exit_code"]) == ("failed", 5)
    until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_what_holds_the_line_open_does_not_hide_that_a_process_died(bench: Bench, tmp_path: Path) -> None:
    def spawning(_: Any) -> None:
        import subprocess

        fds = [int(fd) for fd in os.listdir("/proc/self/fd") if int(fd) > 2]
        process = subprocess.Popen(["sleep", "3600"], pass_fds=[fd for fd in fds if os.path.exists(f"/dev/fd/{fd}")])
        (tmp_path / "pid").write_text(str(process.pid))
        os._exit(5)

    outcome = bench.call(spawning)
    assert (outcome.kind, outcome.data["exit_code"]) == ("failed", 5)
    until(lambda: not is_alive(int((tmp_path / "pid").read_text())))


def test_an_objective_that_closes_every_file_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hstore.workers.child.LAST_SECONDS", 0.2)

    def closing(_: Any) -> None:
        os.closerange(3, 256)
        time.sleep(3600)

    assert bench.call(closing).kind == "failed"
    assert bench.is_well()


@pytest.mark.parametrize("end", ["drop", "death", "stop"])
def test_what_an_objective_has_started_ends_with_its_process(end: str, bench: Bench, tmp_path: Path) -> None:
    def starting(_: Any) -> float:
        import subprocess

        process = subprocess.Popen(["sh", "-c", "sleep 3600 & echo $! > grandchild; wait"], cwd=tmp_path)
        while not (tmp_path / "grandchild").exists() or not (tmp_path / "grandchild").read_text():
            time.sleep(0.01)
        (tmp_path / "part").write_text(str(process.pid))
        (tmp_path / "part").rename(tmp_path / "child")
        if end == "drop":
            time.sleep(3600)
        if end == "death":
            os.kill(os.getpid(), signal.SIGKILL)
        process.returncode = 0  # nothing is said of a process that is left behind
        return 1.0

    def drop() -> None:
        until((tmp_path / "child").exists)
        if end == "drop":
            bench.child.abort("enough")

    dropping = threading.Thread(target=drop)
    dropping.start()
    kinds = {"drop": "aborted", "death": "failed", "stop": "done"}
    assert bench.call(starting).kind == kinds[end]
    dropping.join()
    bench.child.clear_abort()
    if end == "stop":
        bench.child.stop()
    pids = [int((tmp_path / name).read_text()) for name in ("child", "grandchild")]
    until(lambda: not any(map(is_alive, pids)))


def test_a_process_dies_with_a_worker_that_is_killed(tmp_path: Path) -> None:
    code = """
        import os, sys, time
        from pathlib import Path
        from hstore.workers.child import Child
        print(Child(Path(sys.argv[1])).pid, flush=True)
        time.sleep(3600)
    """
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), tmp_path], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    pid = int(worker.stdout.readline())
    assert is_alive(pid)
    worker.kill()
    worker.communicate()
    until(lambda: not is_alive(pid))


# -- what goes over the line ------------------------------------------------------------------------------------------


def test_points_answers_and_results_may_be_large(bench: Bench) -> None:
    def objective(config: dict[str, Any]) -> dict[str, Any]:
        ctrl = config["ctrl"]
        ctrl.attachments["large"] = b"a" * 10_000_000
        return {"status": "ok", "loss": 0.0, "got": ctrl.attachments["large"], "x": config["x"]}

    from hstore import Ctrl

    kept: dict[str, bytes] = {}

    def serve(name: str, *arguments: Any) -> Any:
        return kept.__setitem__(*arguments) if name == "attach" else kept[arguments[0]]

    space = {"x": hp.choice("x", ["b" * 3_000_000]), "ctrl": Ctrl}
    outcome = bench.call(objective, x=0, space=space, serve=serve)
    assert outcome.kind == "done", outcome.data
    assert outcome.data["result"]["got"] == kept["large"] == b"a" * 10_000_000
    assert len(outcome.data["result"]["x"]) == 3_000_000


def test_what_the_store_answers_with_an_error_is_raised_in_the_objective(bench: Bench) -> None:
    class Local(Exception):
        """Of a class that the child cannot import."""

    errors: list[Exception] = [KeyError("gone"), HstoreError("no", hint="why"), Local("odd")]

    def serve(*_: Any) -> None:
        raise errors.pop(0)

    def objective(config: dict[str, Any]) -> dict[str, Any]:
        seen = []
        for _ in range(3):
            try:
                config["ctrl"].report(1, 1.0)
            except Exception as error:  # noqa: BLE001
                seen.append([type(error).__name__, str(error), getattr(error, "hint", None)])
        return {"status": "ok", "loss": 0.0, "seen": seen}

    from hstore import Ctrl

    outcome = bench.call(objective, serve=serve, space={"x": hp.uniform("x", -5, 5), "ctrl": Ctrl})
    assert outcome.kind == "done", outcome.data
    assert outcome.data["result"]["seen"] == [
        ["KeyError", "'gone'", None],
        ["HstoreError", "no", "why"],
        ["HstoreError", "Local: odd", ""],
    ]


def test_threads_of_an_objective_speak_one_at_a_time_and_no_more_once_it_has_returned(
    bench: Bench, tmp_path: Path
) -> None:
    def objective(config: dict[str, Any]) -> float:
        import threading

        barrier = threading.Barrier(5)

        def work(n: int) -> None:
            for step in range(50):
                config["ctrl"].report(step, n)
            barrier.wait()
            while not (tmp_path / "go").exists():
                time.sleep(0.01)
            try:
                config["ctrl"].report(-1, n)
            except RuntimeError as error:
                (tmp_path / f"thread {n}").write_text(str(error))

        for n in range(4):
            threading.Thread(target=work, args=(n,)).start()
        for step in range(50):
            config["ctrl"].report(step, 4)
        barrier.wait()
        return 1.0

    def next_one(_: Any) -> float:
        (tmp_path / "go").touch()
        while len(list(tmp_path.glob("thread *"))) < 4:
            time.sleep(0.01)
        return 1.0

    from hstore import Ctrl

    told: list[tuple[float, int]] = []

    def serve(_: str, step: int, value: float) -> None:
        told.append((value, step))

    outcome = bench.call(objective, serve=serve, space={"x": hp.uniform("x", -5, 5), "ctrl": Ctrl})
    assert outcome.kind == "done", outcome.data
    assert sorted(told) == [(n, step) for n in range(5) for step in range(50)]
    # What comes too late is not taken for something that the next trial says: `nobody` would fail it.
    assert bench.call(next_one).kind == "done"
    said = {file.read_text() for file in tmp_path.glob("thread *")}
    assert said == {f"the objective has returned: nothing more can be said of trial {bench.count - 1}"}


def test_what_a_log_cannot_hold_is_said_and_recorded_as_text(bench: Bench) -> None:
    outcome = bench.call(lambda _: {"status": "ok", "loss": 1.0, "model": threading.Lock()})
    assert outcome.kind == "done"
    assert len(outcome.warnings) == 1
    assert outcome.warnings[0].startswith("result.model is ")
    assert isinstance(outcome.data["result"]["model"], str)


# -- objectives that cannot be loaded ---------------------------------------------------------------------------------


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
        return child.evaluate(key, job, serve=nobody, time_limit=GENEROUS).data["loss"]

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
        return child.evaluate(key, job, serve=nobody).data["loss"]

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
