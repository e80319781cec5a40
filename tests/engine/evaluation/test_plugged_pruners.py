"""Pruners of one's own, and what cannot be pruned."""

import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.evaluation.pruned_searches import SPACE, learner, prunings, search
from tests.offering import offer

from hstore import Ctrl, Store, Trials, fmin, rand
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.evaluation.pruning import PruningReplay, PruningSession
from hstore.engine.pruners import Curve, Pruner
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.events import Changed


def after(curve: Curve, *, steps: int) -> bool:
    return curve.last >= steps


def is_worst(tid: int, curve: Curve, others: Mapping[int, Curve], *, steps: int = 2) -> bool:
    best = [min(other.values) for other in others.values()]
    return bool(best) and min(curve.values) > max(best)


worst = Pruner(name="worst", version=1, due=after, decide=is_worst)


def test_a_pruner_of_ones_own_stops_trials_where_fmin_evaluates(trials: Trials) -> None:
    search(trials, pruner=worst(steps=3), max_evals=8)
    search(trials, pruner=worst(steps=3), max_evals=12)
    experiment = trials.experiment
    assert experiment.state.pruned > 0
    assert not [event for event in experiment.chain(None) if isinstance(event, Changed) and event.pruner is not None]
    assert experiment.state.pruner == {"name": "worst", "version": 1, "settings": {"steps": 3}}
    assert {trial.last_report for trial in experiment.trials if trial.is_pruned}
    report = derive_again(experiment)
    assert (report.is_same, report.pruned) == (True, 0)
    assert {why for _, why in report.skipped} == {"stopped early by worst, which is not installed here"}
    assert len(report.skipped) == experiment.state.pruned
    assert check(experiment.store, experiment.name) == []


def test_a_pruner_that_workers_could_not_find_is_refused_before_anything_is_written(mongo_store: Store) -> None:
    for workers in (0, 2):
        with pytest.raises(InvalidValue, match="workers could not find the pruner 'worst'"):
            fmin(
                learner, SPACE, max_evals=3, experiment="unfound", store=mongo_store, pruner=worst, workers=workers,
                verbose=False,
            )  # fmt: skip
    with pytest.raises(NotFound):
        mongo_store.experiment("unfound")


def test_a_pruner_that_fails_fails_the_trial_and_is_named() -> None:
    def shaky(tid: int, curve: Curve, others: Mapping[int, Curve], *, steps: int = 2) -> bool:
        return 1 / (3 - tid) < 0

    trials = Trials()
    with pytest.raises(InvalidValue, match="the pruner shaky failed: ZeroDivisionError: division by zero"):
        search(trials, pruner=Pruner(name="shaky", version=1, due=after, decide=shaky))
    assert trials.experiment.state.counts == {"done": 3, "failed": 1}


def test_replay_derives_what_a_plug_in_decided_where_it_is_installed(
    trials: Trials,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    messages: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    with monkeypatch.context() as patch:
        offer(patch, tmp_path, "hstore.pruners", "late", LATE, attribute=":late")
        search(trials, pruner="late", max_evals=8)
        experiment = trials.experiment
        n = experiment.state.pruned
        assert n > 0
        report = derive_again(experiment)
        assert (report.is_same, report.pruned, report.skipped) == (True, n, ())
        event = prunings(experiment)[0]
        assert event.pruning is not None
        saw_nothing = replace(event, pruning={**event.pruning, "seen": {"ended": [], "open": []}})
        assert (
            PruningReplay(experiment).why_unlike(saw_nothing) == "the pruner late failed: ValueError: nobody is there"
        )
    report = derive_again(experiment)
    assert report.pruned == 0
    assert {why for _, why in report.skipped} == {"stopped early by late, which is not installed here"}
    with pytest.raises(InvalidValue, match="no pruner is called 'late'; there are: asha, auto, hyperband, median"):
        search(trials, pruner="late", max_evals=9)
    messages.clear()
    referee = PruningSession(experiment, follows_all=True)
    assert (referee.pruner, referee.pruner) == (None, None)
    assert len(messages) == 1
    assert messages[0].endswith("no trial is stopped early here, by late, which is not installed here")


LATE = """
from hstore.pruners import Pruner
def due(curve, **settings):
    return curve.last > 1
def decide(tid, curve, others):
    if tid and not others:
        raise ValueError("nobody is there")
    return any(curve.values[-1] > other.values[-1] for other in others.values())
late = Pruner(name="late", version=1, due=due, decide=decide)
"""


def test_a_pruner_for_an_objective_that_cannot_report_is_refused() -> None:
    with pytest.raises(InvalidValue, match="pruning needs an objective with a ctrl argument") as caught:
        search(Trials(), lambda config: config["x"])
    assert "give it a parameter ctrl" in caught.value.hint


def test_with_several_losses_a_pruner_goes_by_the_one_number_that_was_reported() -> None:
    def both(config: Mapping[str, Any], ctrl: Ctrl) -> list[float]:
        losses = [float(config["x"]), -float(config["x"])]
        ctrl.report(1, losses[0])
        ctrl.should_stop()
        return losses

    trials = Trials()
    front = search(trials, both, max_evals=12, objectives=2, algo=rand.suggest)
    experiment = trials.experiment
    assert 0 < experiment.state.pruned < 12
    assert len(front) == 12 - experiment.state.pruned, "each that was not stopped is on the front"
    assert derive_again(experiment).is_same

    def greedy(config: Mapping[str, Any], ctrl: Any) -> list[float]:
        ctrl.report(1, [config["x"], 1.0])
        return [config["x"], 1.0]

    with pytest.raises(InvalidValue, match=r"ctrl.report takes .* a number, not 1 and \[.*, 1.0\]") as caught:
        search(Trials(), greedy, objectives=2)
    assert "of several losses, report one number" in caught.value.hint


@pytest.mark.parametrize(
    "step", [0.25, 1.5, -0.5, math.nan, math.inf, Decimal("2.5"), Fraction(1, 3), np.float32(0.1), "0.5", None],
)  # fmt: skip
def test_a_step_with_a_fraction_is_refused(step: Any) -> None:
    def objective(config: Mapping[str, Any], ctrl: Any) -> float:
        ctrl.report(step, 1.0)
        return 1.0

    with pytest.raises(InvalidValue, match=r"ctrl.report takes a whole number and a number, not") as caught:
        search(Trials(), objective, max_evals=1)
    assert "count parts of an epoch in batches" in caught.value.hint


@pytest.mark.parametrize(
    "step", [3, 3.0, True, np.int64(3), np.float64(3.0), np.array(3.0), Decimal("3.0"), Fraction(6, 2), 2**60 + 1],
)  # fmt: skip
def test_a_whole_step_is_kept_as_it_is_whatever_its_type(step: Any) -> None:
    def objective(config: Mapping[str, Any], ctrl: Any) -> float:
        ctrl.report(step, 1.0)
        return 1.0

    trials = Trials()
    search(trials, objective, max_evals=1)
    (report,) = trials.experiment.trials[0].reports
    assert (type(report.step), report.step) == (int, int(step))


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(InvalidValue, match="no pruner is called 'bogus'"):
        search(Trials(), pruner="bogus")
