"""Optuna's samplers decide as pure functions: the same after the same history, and replayed bit for bit."""

from __future__ import annotations

from functools import partial
from typing import Any, get_args

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

from hstore import Trials, fmin, hp
from hstore.engine.algorithms import ALGORITHMS, Algorithm, named, resolve
from hstore.engine.algorithms.history import History
from hstore.engine.audit.replay import derive_again
from hstore.engine.fmin import OptunaName
from hstore.engine.optuna import sampler_family
from hstore.engine.optuna.known_study import StatefulStudies
from hstore.engine.optuna.sampler_family import SAMPLERS, named_algorithm, sampler
from hstore.engine.space import compile_space
from hstore.store.errors import InvalidValue

SPACE = {
    "x": hp.uniform("x", -5, 5),
    "model": hp.choice(
        "model",
        [
            {"kind": "a", "rate": hp.loguniform("rate", -3, 1), "width": hp.qloguniform("width", 0, 3, 2)},
            {"kind": "b", "depth": hp.uniformint("depth", 1, 9), "shift": hp.normal("shift", 0, 1)},
        ],
    ),
    "step": hp.quniform("step", 0, 1, 0.1),
    "seats": hp.randint("seats", 5),
}


def objective(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2 + config["step"] + config["seats"])


def searched(algo: Any, n: int = 12) -> Trials:
    trials = Trials()
    fmin(objective, SPACE, algo=algo, max_evals=n, trials=trials, rstate=1, verbose=False)
    return trials


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "GPSampler"])
def test_a_search_by_a_sampler_of_optuna_is_replayed_bit_for_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trials = searched(f"optuna:{name}")
    monkeypatch.setattr(sampler_family, "_studies", StatefulStudies())  # as in another process
    replay = derive_again(trials.experiment)
    assert replay.suggested == 12
    assert replay.is_same
    for trial in trials.experiment.trials:
        compile_space(SPACE).check(trial.point)
        assert trial.queued is not None
        assert trial.queued.algorithm is not None
        assert trial.queued.algorithm["name"] == f"optuna:{name}"


def test_settings_are_given_and_recorded_in_each_of_three_ways() -> None:
    wanted: dict[str, Any] = {"multivariate": True, "n_startup_trials": 3}
    for algo in (
        {"name": "optuna:TPESampler", "settings": wanted},
        sampler("TPESampler", **wanted),
        partial(named_algorithm("optuna:TPESampler"), **wanted),
    ):
        assert resolve(algo) == (named_algorithm("optuna:TPESampler"), wanted)
    [*_, last] = searched(sampler("TPESampler", **wanted), 5).experiment.trials
    assert last.queued is not None
    assert last.queued.algorithm is not None
    assert last.queued.algorithm["settings"] == wanted


def test_a_sampler_learns_from_what_the_history_holds() -> None:
    trials = searched(sampler("CmaEsSampler", popsize=4), 40)
    early, late = (
        [abs(t.point["x"]) for t in trials.experiment.trials][part] for part in (slice(15), slice(-10, None))
    )
    assert sum(late) / len(late) < sum(early) / len(early)


def test_what_is_kept_of_one_decision_changes_nothing_in_another() -> None:
    space = compile_space({"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)})
    algorithm = named_algorithm("optuna:CmaEsSampler")
    history = History(space)
    points = []
    for tid in range(20):
        point = algorithm.choose(space, history, seed=tid, popsize=4)
        points.append(point)
        history.observe(history.add(point), kind="ok" if tid % 7 else "pending", loss=point["x"])
    history.observe(0, kind="error")  # what was pending ends: all behind it is known anew
    again = algorithm.choose(space, history, seed=99, popsize=4)
    sampler_family._studies = StatefulStudies()
    assert algorithm.choose(space, history.copy(), seed=99, popsize=4) == again


def test_several_losses_and_constraints_reach_the_sampler_as_they_are() -> None:
    def several(config: dict[str, Any]) -> dict[str, Any]:
        return {"status": "ok", "losses": [config["x"] ** 2, config["step"]], "constraints": [config["x"]]}

    trials = Trials()
    fmin(several, SPACE, algo="optuna:NSGAIISampler", max_evals=6, trials=trials, rstate=1, verbose=False, objectives=2)
    last = trials.experiment.trials[-1].queued
    assert last is not None
    assert last.algorithm is not None
    assert last.algorithm["scalarised"].startswith("modelled")
    assert derive_again(trials.experiment).is_same


@pytest.mark.parametrize(
    ("algo", "complaint"),
    [
        ("optuna:GridSampler", "'optuna:GridSampler' is none of Optuna's that hstore can run; there are: optuna:TPE"),
        ({"name": "optuna:TPESampler", "settings": {"gamma": 1}}, "optuna:TPESampler has no setting 'gamma'"),
        ({"name": "optuna:QMCSampler", "settings": {"qmc_type": "dice"}}, "optuna:QMCSampler cannot be made"),
    ],
)
def test_what_cannot_be_run_is_refused_before_anything_is_written(algo: Any, complaint: str) -> None:
    trials = Trials()
    with pytest.raises(InvalidValue, match=complaint):
        fmin(objective, SPACE, algo=algo, max_evals=2, trials=trials, verbose=False)
    assert not trials.experiment.trials


def test_type_checkers_know_every_sampler_by_its_name() -> None:
    assert sorted(get_args(OptunaName)) == sorted(f"optuna:{name}" for name in SAMPLERS)


def test_the_table_of_algorithms_holds_those_of_hstore_alone() -> None:
    assert named_algorithm("TPESampler") is named("optuna:TPESampler")
    assert not [name for name in ALGORITHMS if name.startswith("optuna:")]


def test_the_version_that_is_recorded_is_that_of_optuna() -> None:
    import optuna

    algorithm = named_algorithm("optuna:TPESampler")
    assert isinstance(algorithm, Algorithm)
    assert algorithm.version // 10_000 == int(optuna.__version__.partition(".")[0])
    assert not algorithm.is_portable
