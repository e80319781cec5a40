"""One call in a child process ends in an outcome, whatever the objective does to the process that it is called in."""

import os
import signal
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.waiting import GENEROUS, until
from tests.workers.bench import Bench, is_alive, recipe_of

from hstore import hp
from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.workers.child import Child

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
