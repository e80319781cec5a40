"""What an objective prints, closes, forks and starts in a child process does no harm to what is called after it."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.waiting import until
from tests.workers.bench import Bench, is_alive

from hstore.engine.evaluation import objective_spec as objective_spec
from hstore.workers.child import TAIL_BYTES, Child

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
