"""Importance: shares that are known by construction, conditional labels among them, and Optuna's where it is flat."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import pytest
from tests.cli.commands import run

import hstore
from hstore import Experiment, Store, Trials, fmin, hp, rand
from hstore.store.errors import InvalidValue


def search(space: Any, objective: Callable[[Any], Any], n: int = 250, **how: Any) -> Trials:
    trials = Trials()
    fmin(objective, space, rand.suggest, n, trials=trials, rstate=0, verbose=False, **how)
    return trials


def shares(trials: Trials, **how: Any) -> dict[str, float]:
    return {each["label"]: each["importance"] for each in hstore.importance(trials, resamples=0, **how)}


def test_a_label_that_alone_decides_has_all_importance() -> None:
    space = {"x": hp.loguniform("x", -5, 0), "y": hp.uniform("y", 0, 1), "c": hp.choice("c", ["a", "b", "c"])}
    found = shares(search(space, lambda point: math.log(point["x"])))
    assert next(iter(found)) == "x"
    assert found["x"] > 0.95
    assert sum(found.values()) == pytest.approx(1.0)


def test_a_choice_gets_what_it_explains_and_the_label_below_it_the_rest() -> None:
    # The best tenth has model b, and the lower fifth of x there. By the law of total variance, in units of the
    # squared share of the best: of 0.9 / 0.1 = 9 the choice explains (1 - 0.5) / 0.5 = 1, x the other 8.
    models = [{"y": hp.uniform("y", 0, 1)}, {"x": hp.uniform("x", 0, 1)}]
    space = {"model": hp.choice("model", models), "z": hp.uniformint("z", 0, 9)}
    found = shares(search(space, lambda point: point["model"].get("x", 2.0), 600))
    assert found["x"] == pytest.approx(8 / 9, abs=0.06)
    assert found["model"] == pytest.approx(1 / 9, abs=0.03)
    assert found["y"] == 0.0  # it decides nothing: no trial in which it is active is among the best
    assert found["z"] < 0.01


def test_a_conditional_label_without_influence_gets_nothing_of_its_choice() -> None:
    models = [{"kind": "a", "y": hp.uniform("y", 0, 1)}, {"kind": "b"}, {"kind": "c"}]
    space = {"model": hp.choice("model", models)}
    found = shares(search(space, lambda point: float(point["model"]["kind"] != "a")), quantile=0.3)
    assert found["model"] > 0.95


def test_intervals_hold_the_share_and_narrow_with_the_trials() -> None:
    space = {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}
    widths = []
    for n in (60, 300):
        first, second = hstore.importance(search(space, lambda point: point["x"] + 0.3 * point["y"], n))
        assert first["label"] == "x"
        assert first["low"] <= first["importance"] <= first["high"]
        assert second["active"] == 1.0
        widths.append(first["high"] - first["low"])
    assert widths[1] < widths[0]


def test_trials_that_are_not_ranked_do_not_count() -> None:
    def objective(point: Any) -> Any:
        if point["y"] > 0.5:  # would make y important
            return {"status": "fail"}
        return point["x"]

    assert shares(search({"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 0.6)}, objective))["x"] > 0.9


def test_each_of_several_losses_has_its_own_importance() -> None:
    space = {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}
    trials = search(space, lambda point: [point["x"], point["y"]], objectives=2)
    assert shares(trials, loss=0)["x"] > 0.9
    assert shares(trials, loss=1)["y"] > 0.9
    with pytest.raises(InvalidValue, match="has no loss 2"):
        hstore.importance(trials, loss=2)


def test_too_few_trials_and_impossible_quantiles_are_refused() -> None:
    trials = search({"x": hp.uniform("x", 0, 1)}, lambda point: point["x"], 9)
    with pytest.raises(InvalidValue, match="at least 10 trials with a loss; 'trials' has 9"):
        trials.experiment.importance()
    with pytest.raises(InvalidValue, match="quantile is 1"):
        trials.importance(quantile=1)
    with pytest.raises(InvalidValue, match="is no search"):
        hstore.importance([1.0, 2.0])


def test_numbers_are_as_important_as_optuna_says() -> None:
    optuna = pytest.importorskip("optuna", reason="optuna is in the dependency group bench")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    space = {"x": hp.uniform("x", 0, 1), "lr": hp.loguniform("lr", math.log(1e-4), 0), "n": hp.uniformint("n", 1, 8)}
    trials = search(space, lambda point: point["x"] + 0.2 * abs(math.log(point["lr"]) + 5) + 0.05 * point["n"], 200)
    ranges = {
        "x": optuna.distributions.FloatDistribution(0, 1),
        "lr": optuna.distributions.FloatDistribution(1e-4, 1, log=True),
        "n": optuna.distributions.IntDistribution(1, 8),
    }
    study = optuna.create_study()
    for trial in trials.experiment.trials:
        study.add_trial(optuna.trial.create_trial(params=dict(trial.params), distributions=ranges, value=trial.loss))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it is experimental there
        evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    theirs = optuna.importance.get_param_importances(study, evaluator=evaluator)
    assert shares(trials) == pytest.approx(theirs, abs=0.02)


def test_the_command_prints_a_line_a_parameter(mongo_url: str, mongo_store: Store) -> None:
    space = {"x": hp.uniform("x", 0, 1), "y": hp.uniform("y", 0, 1)}
    fmin(lambda p: p["x"], space, rand.suggest, 12, rstate=0, verbose=False, experiment="a", store=mongo_store)
    done = run(mongo_url, "importance", "a")
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["parameter", "x", "y"]
    done = run(mongo_url, "importance", "a", "--json")
    assert '"label": "x"' in done.stdout
    experiment: Experiment = mongo_store.experiment("a")
    assert hstore.importance(experiment)[0]["label"] == "x"
