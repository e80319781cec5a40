"""Trials that workers evaluate are stopped early by what others, in other processes, have reported."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.offering import offer
from tests.waiting import until_read
from tests.workers.serving import begin, enqueue, is_over, ran, worker

import hstore
from hstore import Ctrl, Store, fmin, hp, rand
from hstore.cli.app import app
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.store.events import Changed

STEPS = 9


def learner() -> Callable[..., float]:
    """Return an objective that travels by itself: workers need not import this module."""

    def objective(config: Mapping[str, Any], ctrl: Ctrl, steps: int = STEPS) -> float:
        for step in range(1, steps + 1):
            loss: float = 1 / step - config["x"] ** 2  # of the points that `begin` queues the first is the best
            ctrl.report(step, loss)
            if ctrl.should_stop():
                break
        return loss

    return objective


def run(url: str, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--store", url, *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_two_workers_stop_what_is_hopeless_and_commands_show_it(mongo_url: str) -> None:
    def objective(config: Mapping[str, Any], ctrl: Ctrl, steps: int = STEPS) -> float:
        for step in range(1, steps + 1):
            loss: float = config["x"] ** 2 + 1 / step
            ctrl.report(step, loss)
            if ctrl.should_stop():
                break
        return loss

    fmin(
        objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=30, experiment="learned",
        store=mongo_url, workers=2, pruner=hstore.pruners.asha(max_steps=STEPS), verbose=False, rstate=0,
    )  # fmt: skip
    with hstore.open(mongo_url) as store:
        search = store.experiment("learned")
        n = search.state.pruned
        assert 0 < n < 30
        assert search.state.counts == {"done": 30}
        assert all(len(trial.reports) < STEPS for trial in search.trials if trial.is_pruned)
        report = derive_again(search)
        assert (report.is_same, report.pruned) == (True, n)
        assert check(store, "learned") == []
        tid = next(trial.tid for trial in search.trials if trial.is_pruned)
    assert f"trials     30 done ({n} pruned)" in run(mongo_url, "show", "learned")
    assert "pruner     asha reduction=3" in run(mongo_url, "show", "learned")
    assert json.loads(run(mongo_url, "show", "learned", "--json"))["pruned"] == n
    assert "pruned at step" in run(mongo_url, "show", "learned", str(tid))
    assert f"30 done ({n} pruned)" in run(mongo_url, "ls")
    assert f"30 done ({n} pruned)" in run(mongo_url, "status", "learned")
    assert json.loads(run(mongo_url, "status", "learned", "--json"))["pruned"] == n
    shown = run(mongo_url, "log", "learned", str(tid))
    assert "stopped by=asha" in shown
    assert "status=pruned" in shown
    assert f"pruning decisions recomputed: {n}" in run(mongo_url, "replay", "learned")


def test_objectives_in_the_workers_own_process_are_stopped_too(
    mongo_store: Store, mongo_url: str, tmp_path: Path
) -> None:
    search = begin(mongo_store, "inline", learner(), 8)
    search.append(search.compose((Changed, None, {"pruner": hstore.pruners.asha.describe()})))
    code, said = ran(mongo_url, "inline", "--burst", "--isolate", "none", "--workdir", str(tmp_path))
    assert code == 0, said
    search.refresh()
    assert 0 < search.state.pruned < 8
    assert derive_again(search).is_same
    assert check(mongo_store, "inline") == []


@pytest.mark.long
def test_the_attempts_of_workers_that_die_are_judged_anew(mongo_store: Store, mongo_url: str, tmp_path: Path) -> None:
    flag = tmp_path / "go on"

    def waiting(config: Mapping[str, Any], ctrl: Ctrl, steps: int = STEPS) -> float:
        import time

        for step in range(1, steps + 1):
            loss: float = 1 / step - config["x"] ** 2
            ctrl.report(step, loss)
            if ctrl.should_stop():
                break
            while ctrl.tid == 0 and step == 5 and not flag.exists():
                time.sleep(0.02)
        return loss

    search = begin(mongo_store, "killed", waiting, 8)
    search.append(search.compose((Changed, None, {"pruner": hstore.pruners.asha.describe()})))
    with worker(mongo_url, "killed"):
        until_read(search, lambda: len(search.trials[0].reports) == 5)
    flag.touch()
    with worker(mongo_url, "killed"):
        until_read(search, is_over(search))
    first = search.trials[0]
    assert first.retries == {"lost": 1}
    assert [report.step for report in first.reports] == [*range(1, 6), *range(1, STEPS + 1)]
    assert 0 < search.state.pruned < 8
    assert derive_again(search).is_same
    assert check(mongo_store, "killed") == []


MIDDLING = """
from hstore.pruners import Pruner
def due(curve, *, after):
    return curve.last == after
def decide(tid, curve, others, *, after=2):
    return any(curve.values[-1] > other.values[-1] for other in others.values())
middling = Pruner(name="middling", version=1, due=due, decide=decide)
"""


def test_workers_find_a_plug_in_by_what_the_log_says_and_tell_where_they_have_none(
    mongo_store: Store, mongo_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = begin(mongo_store, "plugged", learner(), 3)
    described = {"name": "middling", "version": 1, "settings": {"after": 3}}
    search.append(search.compose((Changed, None, {"pruner": described})))
    options = ("plugged", "--burst", "--isolate", "none", "--workdir", str(tmp_path))
    code, said = ran(mongo_url, *options)
    assert code == 0, said
    assert "experiment 'plugged': no trial is stopped early here, by middling, which is not installed here" in said
    search.refresh()
    assert search.state.pruned == 0
    offer(monkeypatch, tmp_path, "hstore.pruners", "middling", MIDDLING, attribute=":middling")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    enqueue(search, 3)
    code, said = ran(mongo_url, *options)
    assert code == 0, said
    assert "stopped early here" not in said
    search.refresh()
    assert search.state.pruned == 3
    assert {trial.last_report and trial.last_report[0] for trial in search.trials if trial.is_pruned} == {3}
    report = derive_again(search)
    assert (report.is_same, report.pruned, report.skipped) == (True, 3, ())
    assert check(mongo_store, "plugged") == []
