"""Workers that are given objectives which cannot be loaded, or which misbehave."""

import os
import signal
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from tests.waiting import until
from tests.workers.hired import Begin, Hire
from tests.workers.serving import worker_here

import hstore
from hstore import fmin, hp, rand
from hstore.store.events import Failed, Reserved
from hstore.workers import reaper


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
    lines = [line for line in unable.said.splitlines() if "skipping" in line]
    assert len(lines) == 1, unable.said
    assert "cannot import elsewhere:f: ModuleNotFoundError: No module named 'elsewhere'" in lines[0]
    assert "PYTHONPATH" in lines[0]


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
    """Misbehave in the way that *how* names; the result says whether the process was as it should be."""
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
