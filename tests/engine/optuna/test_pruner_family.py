"""Optuna's pruners stop trials as pure rules, and their decisions are replayed."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

from hstore import Ctrl, Trials, fmin, hp
from hstore.engine.audit.replay import derive_again
from hstore.engine.optuna.pruner_family import pruner
from hstore.engine.pruners import resolve
from hstore.engine.pruners.curves import Curve
from hstore.store.errors import InvalidValue


def objective(x: float, ctrl: Ctrl) -> float:
    for step in range(1, 6):
        ctrl.report(step, x + 1 / step)
        if ctrl.should_stop():
            break
    return x


def curve(*values: float, is_complete: bool = True) -> Curve:
    found = Curve(is_complete=is_complete)
    for step, value in enumerate(values):
        found.add(step, value)
    return found


@pytest.mark.parametrize(
    "rule", ["optuna:MedianPruner", {"name": "optuna:MedianPruner", "settings": {"n_startup_trials": 2}}]
)
def test_what_a_pruner_of_optuna_stops_is_replayed(rule: Any) -> None:
    trials = Trials()
    fmin(
        objective, hp.uniform("x", 0, 9), algo="rand", max_evals=15, trials=trials, rstate=3, verbose=False,
        pruner=rule, pass_expr_memo_ctrl=None,
    )  # fmt: skip
    replay = derive_again(trials.experiment)
    assert replay.pruned > 0
    assert replay.is_same
    assert sum(trial.is_pruned for trial in trials.experiment.trials) == replay.pruned


def test_each_pruner_decides_by_what_was_reported() -> None:
    good, bad = curve(1, 1, 1, 1, 1, 1, 1, 1), curve(9, 9, 9, 9, 9, 9, 9, 9, is_complete=False)
    others = dict(enumerate([good] * 6))
    assert pruner("PercentilePruner", percentile=50.0).stops(9, bad, others)
    assert pruner("WilcoxonPruner", p_threshold=0.1).stops(9, bad, others)
    assert not pruner("WilcoxonPruner", p_threshold=0.1).stops(9, good, others)
    assert pruner("ThresholdPruner", upper=8.0).stops(9, bad, {})
    assert pruner("PatientPruner", patience=1).stops(9, curve(1, 2, 3, 4), {})


def test_the_others_of_optuna_keep_state_and_are_refused() -> None:
    with pytest.raises(InvalidValue, match="'optuna:HyperbandPruner' is none of Optuna's that hstore can run"):
        resolve("optuna:HyperbandPruner")
    with pytest.raises(InvalidValue, match="Either lower or upper must be specified"):
        resolve("optuna:ThresholdPruner")
