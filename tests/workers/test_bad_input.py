"""Workers on a real MongoDB that are pointed at what is not there, or handed what nobody should write."""

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymongo
import pytest
from pymongo.database import Database
from replica_set import free_ports
from tests.waiting import GENEROUS, until, until_read
from tests.workers.serving import ran, worker_here

import hstore
from hstore import Ctrl, fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.search.control import pause, stop
from hstore.migrations import MIGRATIONS
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import Cancelled, Done, Event, Failed, Noted, Reported, Reserved
from hstore.store.experiment import Experiment
from hstore.store.server import find_mongod
from hstore.workers import reaper

Objective = Callable[[Any], Any]


class Worker:
    """A running `hstore worker`; what it says is read as it comes."""

    def __init__(self, url: str, *options: str, path: Path | None = None) -> None:
        command = [sys.executable, "-m", "hstore", "--store", url, "worker", *options]
        environment = os.environ | ({"PYTHONPATH": str(path)} if path else {})
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe)
        self._heard = {"stderr": b"", "stdout": b""}
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in self._heard]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        with getattr(self.process, name) as stream:
            while chunk := os.read(stream.fileno(), 1 << 20):
                self._heard[name] = (self._heard[name] + chunk)[-100_000:]

    @property
    def said(self) -> str:
        return self._heard["stderr"].decode()

    @property
    def printed(self) -> str:
        return self._heard["stdout"].decode(errors="replace")

    def until(self, text: str) -> str:
        """Return what it has said, once *text* is a part of it."""
        until(lambda: text in self.said or self.process.poll() is not None, lambda: self.said)
        until(lambda: text in self.said, lambda: self.said)
        return self.said

    def end(self) -> int:
        """Return its exit code."""
        code = self.process.wait(GENEROUS)
        for reader in self._readers:
            reader.join(GENEROUS)
        return code

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Have it stop; return its exit code."""
        self.process.send_signal(number)
        return self.end()

    def close(self) -> None:
        self.process.kill()
        self.end()


Hire = Callable[..., Worker]


@pytest.fixture
def hire() -> Iterator[Hire]:
    """Start workers; none is left in the end."""
    with contextlib.ExitStack() as stack:

        def start(url: str, *options: str, path: Path | None = None) -> Worker:
            worker = Worker(url, *options, path=path)
            stack.callback(worker.close)
            return worker

        yield start


class Search:
    """A search "e" in a thread, whose trials are left to workers."""

    def __init__(self, url: str, objective: Objective, max_evals: int, space: Any, **options: Any) -> None:
        self.url = url
        space = {"x": hp.uniform("x", -1, 1)} if space is None else space
        self._arguments = (objective, space), {"max_evals": max_evals, **options}
        self._thread = threading.Thread(target=self._run, name="search")
        self._thread.start()
        self._store = hstore.open(url)
        self._is_closed = False
        self.experiment = Experiment(self._store, "e")
        self.until(lambda: self.experiment.state.created is not None)

    def _run(self) -> None:
        args, options = self._arguments
        defaults = {"algo": rand.suggest, "rstate": 0, "verbose": False, "catch_eval_exceptions": True}
        with contextlib.suppress(AllTrialsFailed):
            fmin(*args, **{**defaults, **options}, experiment="e", store=self.url, workers=0, return_argmin=False)

    def until(self, is_so: Callable[[], Any]) -> Any:
        """Return what *is_so* returns as soon as that is true."""
        return until_read(self.experiment, is_so)

    def until_finished(self) -> dict[str, int]:
        """Return how many trials there are of each state, once the search is over; it must be sound."""
        self.until(lambda: self.experiment.state.status == "finished" and not self.experiment.state.open)
        self._thread.join(GENEROUS)
        assert not self._thread.is_alive()
        assert check(self._store, "e") == []
        return dict(self.experiment.state.counts)

    def events(self, kind: type[Event], tid: int | None = None) -> list[Any]:
        events = self._store.experiment("e").events  # read anew: of chains that have ended a reader hears no more
        return [event for event in events if isinstance(event, kind) and tid in (None, event.tid)]

    def reports(self, name: str, tid: int = 0) -> list[Any]:
        """Return what was reported of a trial under *name*."""
        return [getattr(e, name) for e in self.events(Reported, tid) if getattr(e, name) is not None]

    def attachment(self, tid: int, name: str) -> bytes:
        sha256 = self.experiment.state.trials[tid].attachments[name]["sha256"]
        return self._store.attachments.get(sha256)

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        stop(self.experiment, "the test is over", now=True)
        self._thread.join(GENEROUS)
        self._store.close()


Begin = Callable[..., Search]


@pytest.fixture
def begin() -> Iterator[Begin]:
    """Begin searches; none goes on after the test."""
    with contextlib.ExitStack() as stack:

        def start(url: str, objective: Objective, max_evals: int = 1, space: Any = None, **options: Any) -> Search:
            search = Search(url, objective, max_evals, space, **options)
            stack.callback(search.close)
            return search

        yield start


@contextlib.contextmanager
def mongod(folder: Path, port: int, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a mongod of one's own, which may not answer yet."""
    folder.mkdir(exist_ok=True)
    command = [str(find_mongod()), "--dbpath", ".", "--logpath", "log", "--bind_ip", "127.0.0.1", "--nounixsocket"]
    process = subprocess.Popen([*command, "--port", str(port), *options], cwd=folder, stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def by_name(folder: Path, code: str) -> Any:
    """Return `f` of a module that only who has *folder* on the path can import."""
    (folder / "elsewhere.py").write_text(textwrap.dedent(code))
    sys.path.insert(0, str(folder))
    sys.modules.pop("elsewhere", None)
    try:
        import elsewhere  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(folder))
    return elsewhere.f


# -- where it is pointed ----------------------------------------------------------------------------------------------


@pytest.mark.absent
def test_an_empty_database_is_waited_at(mongo_url: str, hire: Hire, begin: Begin) -> None:
    worker = hire(mongo_url)
    worker.until("serves every open experiment (none yet) of")
    assert begin(mongo_url, lambda config: config["x"], 3).until_finished() == {"done": 3}
    assert worker.stop() == 143


@pytest.mark.absent
@pytest.mark.parametrize("option", [("--burst",), ("--max-idle", "0.1")], ids=["burst", "max-idle"])
def test_an_empty_database_is_left_by_who_does_not_wait(option: tuple[str, ...], mongo_url: str) -> None:
    code, said = ran(mongo_url, *option)
    assert code == 0, said
    assert "(0 trials)" in said


def test_an_experiment_that_is_not_there_is_said_at_once(mongo_url: str, hire: Hire) -> None:
    worker = hire(mongo_url, "nothing-there")
    assert worker.end() == 3
    assert worker.said.count("\n") == 1
    assert "there is no experiment 'nothing-there'" in worker.said


def test_a_store_of_a_newer_schema_is_refused(mongo_url: str, database: Database[dict[str, Any]]) -> None:
    hstore.open(mongo_url).close()
    database["schema"].insert_one({"_id": MIGRATIONS[-1].number + 1, "name": "from the future"})
    code, said = ran(mongo_url)
    assert (code, said.count("\n")) == (5, 1), said
    assert "is newer than this hstore" in said


def test_a_server_that_is_down_is_waited_for(tmp_path: Path, hire: Hire, begin: Begin) -> None:
    (port,) = free_ports(1)
    url = f"mongodb://127.0.0.1:{port}/lab"
    worker = hire(url, "--lease", "3")
    worker.until(f"waiting for mongodb://127.0.0.1:{port}/lab")
    with mongod(tmp_path / "data", port):
        worker.until("answers again")
        worker.until("serves every open experiment")
        gate = tmp_path / "gate"

        def objective(config: dict[str, Any]) -> float:
            while not gate.exists():
                time.sleep(0.01)
            return float(config["x"])

        search = begin(url, objective, 3)
        search.until(lambda: search.experiment.state.counts.get("running"))
    waits = worker.said.count("waiting for")
    until(lambda: worker.said.count("waiting for") > waits, lambda: worker.said)
    gate.touch()
    with mongod(tmp_path / "data", port):
        assert search.until_finished() == {"done": 3}
        worker.until("answers again")
        assert [trial.attempt for trial in search.experiment.trials] == [1, 1, 1]
        assert worker.stop() == 143
        search.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_worker_that_waits_for_a_server_can_be_stopped(number: int, hire: Hire) -> None:
    (port,) = free_ports(1)
    worker = hire(f"mongodb://127.0.0.1:{port}/lab")
    worker.until("waiting for")
    assert worker.stop(number) in (128 + number, -number)
    assert "Traceback" not in worker.said


def test_a_server_that_does_not_let_us_in_is_not_asked_again(tmp_path: Path) -> None:
    (port,) = free_ports(1)
    with mongod(tmp_path / "data", port, "--auth"):
        place = f"127.0.0.1:{port}/"
        with pymongo.MongoClient[Any](f"mongodb://{place}", serverSelectionTimeoutMS=60_000) as client:
            client.admin.command("createUser", "root", pwd="x", roles=["root"])
        with pymongo.MongoClient[Any](f"mongodb://root:x@{place}") as client:
            for user, role in (("owner", "dbOwner"), ("reader", "read")):
                client["lab"].command("createUser", user, pwd="x", roles=[role])
        hstore.open(f"mongodb://owner:x@{place}lab").close()
        users = {"owner:wrong@": "authentication failed", "": "requires authentication", "reader:x@": "not authorized"}
        for user, why in users.items():
            code, said = ran(f"mongodb://{user}{place}lab")
            assert code == 5, said
            errors = [line for line in said.splitlines() if line.startswith("Error: ")]
            assert len(errors) == 1, said
            assert why in errors[0]
            assert "Traceback" not in said
            assert "wrong" not in errors[0], "a password is no message"


def test_a_worker_that_is_started_twice_under_one_name_is_told_apart(mongo_url: str, hire: Hire, begin: Begin) -> None:
    first, second = (hire(mongo_url, "--name", "w") for _ in range(2))
    for worker in (first, second):
        worker.until("serves every open experiment")
    third = hire(mongo_url, "--name", "w")
    third.until("a worker named w is already running; this one is named w~")
    with hstore.open(mongo_url) as store:
        assert store.claims is not None
        claims = store.claims
        until(lambda: len(claims.workers()) == 3, claims.workers)
        pids = {worker["pid"]: worker["_id"] for worker in claims.workers()}
        assert pids.keys() == {worker.process.pid for worker in (first, second, third)}
        assert set(pids.values()) == {"w", "w~2", "w~3"}

    def slowly(config: dict[str, Any]) -> float:
        time.sleep(0.05)
        return float(config["x"])

    search = begin(mongo_url, slowly, 12)
    assert search.until_finished() == {"done": 12}
    names = {trial.reserved.worker for trial in search.experiment.trials if trial.reserved}
    assert names == {"w", "w~2", "w~3"}


# -- what it is handed ------------------------------------------------------------------------------------------------


def test_who_cannot_load_an_objective_says_so_and_claims_nothing(
    mongo_url: str, hire: Hire, begin: Begin, tmp_path: Path
) -> None:
    f = by_name(tmp_path, "def f(config): return config['x']")
    search = begin(mongo_url, f, 3)
    unable = hire(mongo_url, "--name", "unable", "-j", "2")
    unable.until("skipping 'e'")
    with hstore.open(mongo_url) as store:
        assert store.claims is not None
        claims = store.claims
        refused = until(lambda: [refused for worker in claims.workers() for refused in worker["refused"]])
    assert refused[0]["exp"] == "e"
    assert refused[0]["why"] in unable.said
    assert not search.events(Reserved)

    able = hire(mongo_url, "--name", "able", path=tmp_path)
    assert search.until_finished() == {"done": 3}
    assert able.stop() == unable.stop() == 143
    assert {trial.reserved.worker for trial in search.experiment.trials if trial.reserved} == {"able"}
    told = [line for line in unable.said.splitlines() if "skipping" in line]
    assert len(told) == 1, unable.said
    assert "cannot import elsewhere:f: ModuleNotFoundError: No module named 'elsewhere'" in told[0]
    assert "PYTHONPATH" in told[0]


def test_who_refuses_one_search_serves_the_others(
    mongo_url: str, begin: Begin, tmp_path: Path, messages: list[str]
) -> None:
    begin(mongo_url, by_name(tmp_path, "def f(config): return config['x']"), 3)
    with worker_here(mongo_url):
        until(lambda: any("skipping 'e'" in message for message in messages), lambda: messages)
        fmin(
            lambda config: config["x"], {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=3, rstate=0,
            verbose=False, experiment="another", store=mongo_url, workers=0,
        )  # fmt: skip


def test_the_read_models_of_a_search_that_is_skipped_are_completed(
    mongo_url: str, begin: Begin, tmp_path: Path, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "REPAIR_SECONDS", 0.2)
    search = begin(mongo_url, by_name(tmp_path, "def f(config): return config['x']"), 3)
    database = search.experiment.store.database
    assert database is not None
    trials = database["trials"]
    with worker_here(mongo_url):
        until(lambda: any("skipping 'e'" in message for message in messages), lambda: messages)
        until(lambda: trials.find_one({"exp": "e", "tid": 0}))
        trials.delete_one({"exp": "e", "tid": 0})  # as if its program had died right after the append
        until(lambda: trials.find_one({"exp": "e", "tid": 0}))


def test_an_objective_that_is_named_takes_the_place_of_one_that_cannot_be_loaded(
    mongo_url: str, hire: Hire, begin: Begin, tmp_path: Path
) -> None:
    def objective(config: dict[str, Any]) -> float:
        raise ValueError("never called")

    search = begin(mongo_url, objective, 2)
    (tmp_path / "mine.py").write_text("def f(config): return 42.0")
    hire(mongo_url, "--objective", "mine:f", "--workdir", str(tmp_path))
    assert search.until_finished() == {"done": 2}
    assert [trial.loss for trial in search.experiment.trials] == [42.0, 42.0]


def misbehaving(config: dict[str, Any], folder: Path) -> float:
    """Do what nobody should, by the value of *how*; the result says whether the process was as it should be."""
    import ctypes

    is_well = os.getcwd() == str(folder)
    match config["how"]:
        case "chdir":
            os.chdir("/")
        case "fork":
            import warnings

            warnings.simplefilter("ignore")
            os.fork()
        case "handlers":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_IGN)
        case "print":
            for _ in range(32):
                os.write(1, b"0123456789abcde\n" * 65_536)
        case "close":
            os.close(1)
            os.close(2)
        case "hang":
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, signal.SIG_IGN)
            print("hanging")
            time.sleep(3600)
        case "segfault":
            print("falling")
            ctypes.string_at(0)
        case "leave":
            os._exit(3)
        case "exit":
            sys.exit("enough")
    return 0.0 if is_well else 1.0


WAYS = ["chdir", "fork", "handlers", "print", "close", "hang", "segfault", "leave", "exit", "nothing"]
KINDS = {"hang": "TimeLimit", "segfault": "ChildDied", "leave": "ChildDied", "exit": "SystemExit"}


def test_a_worker_survives_whatever_objectives_do(mongo_url: str, hire: Hire, begin: Begin, tmp_path: Path) -> None:
    import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)  # or the worker would have to import this file
    try:
        search = begin(
            mongo_url, lambda config: misbehaving(config, tmp_path), 0, {"how": hp.choice("how", WAYS)},
            points_to_evaluate=[{"how": n} for n in range(len(WAYS))],
        )  # fmt: skip
    finally:
        cloudpickle.unregister_pickle_by_value(module)
    worker = hire(mongo_url, "--trial-timeout", "4", "--workdir", str(tmp_path))
    assert search.until_finished() == {"done": len(WAYS) - len(KINDS), "failed": len(KINDS)}
    trials = {WAYS[trial.point["how"]]: trial for trial in search.experiment.trials}
    for how, trial in trials.items():
        if how not in KINDS:
            assert trial.loss == 0.0, how
            continue
        failed = search.events(Failed, trial.tid)
        assert [event.error for event in failed] == [KINDS[how]]
    assert search.attachment(trials["hang"].tid, "output") == b"hanging\n"
    assert b"falling" in search.attachment(trials["segfault"].tid, "output")
    assert worker.stop() == 143
    assert "Traceback" not in worker.said


# -- too late ---------------------------------------------------------------------------------------------------------


def patient(folder: Path) -> Objective:
    """Return an objective that tells when it has begun, and returns when it is let."""

    def objective(config: dict[str, Any]) -> float:
        (folder / "begun").touch()
        while not (folder / "go").exists():
            time.sleep(0.01)
        return 5.0

    return objective


def cancel(search: Search, tid: int) -> None:
    search.experiment.refresh()
    search.experiment.append(search.experiment.compose((Cancelled, tid, {"why": "by hand"})))


def test_what_returns_after_it_was_cancelled_is_noted_and_stays_cancelled(
    mongo_url: str, begin: Begin, tmp_path: Path, messages: list[str]
) -> None:
    search = begin(mongo_url, patient(tmp_path), 2)
    with worker_here(mongo_url, grace=600.0):
        until((tmp_path / "begun").exists)
        cancel(search, 0)
        until(lambda: any("trial 0 of 'e' was cancelled" in message for message in messages), lambda: messages)
        (tmp_path / "go").touch()
        assert search.until_finished() == {"cancelled": 1, "done": 1}
        (noted,) = search.until(lambda: search.events(Noted, 0))
        assert noted.late["type"] == "done"
        assert noted.late["loss"] == 5.0
    late = "trial 0 of 'e' has ended already (cancelled); its late result (done) is saved as a note"
    assert any(late in message for message in messages)


def test_what_does_not_return_after_it_was_cancelled_is_ended(mongo_url: str, begin: Begin, tmp_path: Path) -> None:
    def objective(config: dict[str, Any]) -> float:
        if not (tmp_path / "begun").exists():
            (tmp_path / "begun").touch()
            time.sleep(3600)
        return 1.0

    search = begin(mongo_url, objective, 2)
    with worker_here(mongo_url, grace=0.1):
        until((tmp_path / "begun").exists)
        cancel(search, 0)
        assert search.until_finished() == {"cancelled": 1, "done": 1}
    assert search.events(Noted, 0) == []


# -- what objectives can say ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolate", ["process", pytest.param("none", marks=pytest.mark.long)])
def test_an_objective_speaks_to_the_log_wherever_it_is_called(
    isolate: str, mongo_url: str, hire: Hire, begin: Begin
) -> None:
    def objective(config: dict[str, Any]) -> dict[str, Any]:
        ctrl = config["ctrl"]
        ctrl.info("tell %s", "tale")
        ctrl.debug("not of interest")
        ctrl.report(0, 3.5)
        ctrl.report(1, 2.5)
        ctrl.checkpoint({"status": "ok", "loss": 9.0, "epoch": 1})
        ctrl.checkpoint()
        attachments = ctrl.attachments
        attachments["model"] = b"weights"
        attachments["text"] = "words"
        attachments["gone"] = bytearray(b"soon")
        del attachments["gone"]
        seen = {"names": sorted(attachments), "model": attachments["model"], "n": len(attachments)}
        try:
            attachments["gone"]
        except KeyError as error:
            seen["missing"] = str(error)
        for name, content in (("bad", 3), (7, b"")):
            try:
                attachments[name] = content
            except ValueError as error:
                seen[f"refused {name}"] = str(error)
        miscs = [{"vals": {"x": [0.25]}}, {"vals": {"x": 0.75}}]
        results = [{"status": "ok", "loss": 100.0}, {"status": "fail"}]
        try:
            ctrl.inject_results([None], [{"status": "odd"}], miscs[:1])
        except ValueError as error:
            seen["odd"] = str(error)
        seen["injected"] = ctrl.inject_results([None, None], results, miscs)
        return {"status": "ok", "loss": 1.0, "seen": seen, "stop": ctrl.should_stop(), "tid": ctrl.tid}

    search = begin(mongo_url, objective, 1, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    worker = hire(mongo_url, "--isolate", isolate)
    counts = search.until_finished()
    trial = search.experiment.trials[0]
    assert trial.state == "done", search.experiment.chain(0)
    assert isinstance(trial.end, Done)
    result = dict(trial.end.result)
    seen = result.pop("seen")
    assert counts == {"done": 3}
    assert result == {"status": "ok", "loss": 1.0, "stop": False, "tid": 0}
    assert seen.pop("refused bad").startswith("attachment 'bad' must be bytes or text")
    assert seen.pop("refused 7").startswith("attachment 7 must be bytes or text")
    assert seen.pop("odd") == "the result's status is 'odd'"
    assert seen == {
        "names": ["model", "text"], "model": b"weights", "n": 2, "missing": "'gone'", "injected": [1, 2],
    }  # fmt: skip
    assert [(e.step, e.value) for e in search.events(Reported, 0) if e.step is not None] == [
        (0, 3.5), (1, 2.5),
    ]  # fmt: skip
    assert search.reports("result") == [{"status": "ok", "loss": 9.0, "epoch": 1}]
    assert search.attachment(0, "text") == b"words"
    assert [trial.point for trial in search.experiment.trials[1:]] == [{"x": 0.25}, {"x": 0.75}]
    assert worker.stop() == 143
    heard = worker.said + worker.printed
    assert heard.count("INFO: tell tale\n") == 1
    assert "not of interest" not in heard


@pytest.mark.parametrize("act", ["pause", "cancel", pytest.param("stop", marks=pytest.mark.long)])
def test_an_objective_hears_that_it_should_stop(act: str, mongo_url: str, begin: Begin, tmp_path: Path) -> None:
    def objective(config: dict[str, Any]) -> float:
        (tmp_path / "begun").touch()
        steps = 0
        while not config["ctrl"].should_stop():
            steps += 1
        return float(steps)

    search = begin(mongo_url, objective, 1, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    with worker_here(mongo_url, grace=600.0):
        until((tmp_path / "begun").exists)
        search.experiment.refresh()
        if act == "pause":
            pause(search.experiment, "lunch")
        elif act == "stop":
            stop(search.experiment, "enough")
        else:
            cancel(search, 0)
        if act == "cancel":
            (late,) = search.until(lambda: search.events(Noted, 0))
            assert late.late["type"] == "done"
        else:
            search.until(lambda: search.experiment.state.trials[0].state == "done")
            assert (search.experiment.trials[0].loss or 0) > 0


def test_an_objective_is_handed_expression_memo_and_ctrl_if_it_asks_for_them(mongo_url: str, begin: Begin) -> None:
    def objective(expr: Any, memo: Any, ctrl: Any) -> dict[str, Any]:
        from hstore.engine.space.evaluation import evaluate

        config = evaluate(expr, memo)
        ctrl.report(0, config["x"])
        return {"status": "ok", "loss": config["x"], "same": config["ctrl"] is ctrl}

    objective.fmin_pass_expr_memo_ctrl = True  # type: ignore[attr-defined]
    search = begin(mongo_url, objective, 2, {"x": hp.uniform("x", 0, 1), "ctrl": Ctrl})
    assert ran(mongo_url, "--max-jobs", "2")[0] == 0
    assert search.until_finished() == {"done": 2}
    for trial in search.experiment.trials:
        assert isinstance(trial.end, Done)
        assert trial.end.result["same"] is True
        assert search.reports("value", trial.tid) == [trial.loss] == [trial.point["x"]]
