"""An experiment of hstore as a study for reading: on which Optuna's figures and importance work."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("optuna", reason="needs Optuna: pip install 'hstore[optuna]'")

import optuna
from optuna.trial import TrialState

from hstore import STATUS_OK, Pruned, Trials, fmin, hp
from hstore.engine.optuna.hstore_storage import HstoreStorage
from hstore.engine.optuna.reading_storage import study
from hstore.store.errors import InvalidValue
from hstore.store.store import Store

SPACE = {
    "x": hp.uniform("x", -5, 5),
    "model": hp.choice(
        "model",
        [
            {"kind": "a", "rate": hp.loguniform("rate", -3, 1)},
            {"kind": "b", "depth": hp.uniformint("depth", 1, 9), "shift": hp.normal("shift", 0, 1)},
        ],
    ),
}


def objective(config: dict[str, Any]) -> float:
    if config["x"] > 4:
        raise Pruned
    return float(config["x"] ** 2 + config["model"].get("depth", 0))


@pytest.fixture(scope="module")
def searched() -> Trials:
    trials = Trials()
    fmin(objective, SPACE, algo="rand", max_evals=40, trials=trials, rstate=1, verbose=False)
    return trials


def test_a_study_shows_each_trial_with_its_readable_point(searched: Trials) -> None:
    shown = study(searched.experiment)
    assert shown.direction == optuna.study.StudyDirection.MINIMIZE
    best = min(searched.losses(), key=lambda loss: float("inf") if loss is None else loss)
    assert shown.best_value == best
    for trial, frozen in zip(searched.experiment.trials, shown.trials, strict=True):
        assert {"x": trial.point["x"]}.items() <= frozen.params.items()
        assert set(frozen.params) == set(trial.point)
        assert all(frozen.distributions[name]._contains(d) for name, d in _internal(frozen).items())
        assert frozen.state == (TrialState.PRUNED if trial.is_pruned else TrialState.COMPLETE)
        assert frozen.user_attrs["hstore:state"] == "done"


def _internal(frozen: optuna.trial.FrozenTrial) -> dict[str, float]:
    return {name: frozen.distributions[name].to_internal_repr(value) for name, value in frozen.params.items()}


def test_importance_and_figures_of_optuna_work_on_it(searched: Trials) -> None:
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt
    from optuna.visualization import matplotlib as figures

    shown = study(searched.experiment)
    importance = optuna.importance.get_param_importances(shown, params=["x"])
    assert importance["x"] > 0
    for draw in (figures.plot_optimization_history, figures.plot_slice, figures.plot_edf):
        with pytest.warns(optuna.exceptions.ExperimentalWarning):
            draw(shown)
    plt.close("all")


def test_a_study_follows_the_experiment_and_cannot_change_it() -> None:
    trials = Trials()
    fmin(abs, hp.normal("x", 0, 1), algo="rand", max_evals=2, trials=trials, rstate=0, verbose=False)
    shown = study(trials.experiment)
    assert len(shown.trials) == 2
    fmin(abs, hp.normal("x", 0, 1), algo="rand", max_evals=9, trials=trials, rstate=0, verbose=False)
    assert len(shown.trials) == 9
    for change in (shown.ask, lambda: shown.set_user_attr("key", 1), lambda: shown.enqueue_trial({"x": 0})):
        with pytest.raises(InvalidValue, match="is for reading"):
            change()


def test_several_losses_constraints_and_void_trials_are_shown() -> None:
    def several(x: float) -> dict[str, Any]:
        return {"status": STATUS_OK, "losses": [x, -x], "constraints": [x - 0.5]}

    trials = Trials()
    fmin(several, hp.uniform("x", 0, 1), algo="rand", max_evals=4, trials=trials, verbose=False, objectives=2)
    shown = study(trials.experiment)
    assert len(shown.directions) == 2
    first = shown.trials[0]
    assert first.values == list(trials.experiment.trials[0].losses or ())
    assert first.system_attrs["constraints"] == [first.values[0] - 0.5]


def test_a_search_whose_trials_have_one_loss_or_several_is_a_study_of_one_kind(store: Store) -> None:
    options: dict[str, Any] = {"algo": "rand", "verbose": False, "store": store}
    two: dict[str, Any] = {"fn": lambda x: {"status": "ok", "losses": [x, 1 - x]}, "space": hp.uniform("x", 0, 1)}
    fmin(**two, max_evals=2, experiment="mixed", **options)
    fmin(lambda x: x, hp.uniform("x", 0, 1), max_evals=4, experiment="mixed", **options)
    fmin(**two, max_evals=2, experiment="unsaid", **options)
    summaries = optuna.get_all_study_summaries(HstoreStorage(store=store))
    assert {summary.study_name: len(summary.directions) for summary in summaries} == {"mixed": 1, "unsaid": 2}
