"""Searches for several things at once, and with constraints: what the log holds, what is best, what replay says."""

import json
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import hstore
from hstore import Trials, anneal, fmin, gp, hp, rand, tpe
from hstore.cli.app import app
from hstore.engine.algorithms import ALGORITHMS, scalarise
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.hyperopt.documents import raw_values
from hstore.store.errors import AllTrialsFailed, InvalidLoss, InvalidValue
from hstore.store.events import Changed, Noted
from hstore.store.model_documents import experiment_document, trial_document
from hstore.store.ranking import dominates
from hstore.store.store import Store
from hstore.store.values import normalise
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", -2, 2), "y": hp.uniform("y", -2, 2)}


def two(config: Mapping[str, float]) -> list[float]:
    x, y = config["x"], config["y"]
    return [x**2 + y**2, (x - 1) ** 2 + y**2]


def search(trials: Trials, objective: Any = two, *, max_evals: int = 40, **more: Any) -> Any:
    trials.asynchronous = False
    arguments: dict[str, Any] = {"rstate": 0, "verbose": False, "objectives": 2, "algo": tpe.suggest} | more
    return fmin(objective, SPACE, max_evals=max_evals, trials=trials, **arguments)


def front_of(trials: Trials) -> list[int]:
    """Return the tids of the Pareto front, by its definition."""
    ok = [t for t in trials.experiment.trials if t.losses and t.is_feasible and not t.is_void]
    return [t.tid for t in ok if not any(dominates(other.losses or (), t.losses or ()) for other in ok)]


@pytest.mark.parametrize("algo", [tpe.suggest, anneal.suggest, rand.suggest], ids=["tpe", "anneal", "rand"])
def test_a_search_for_two_things_yields_their_front_and_is_derived_again(trials: Trials, algo: Any) -> None:
    points = search(trials, algo=algo)
    experiment = trials.experiment
    front = front_of(trials)
    assert [trial.tid for trial in experiment.pareto] == front
    assert [document["tid"] for document in trials.pareto] == front
    assert points == [dict(trial.point) for trial in experiment.pareto]
    assert 1 < len(front) < 40
    assert all(trial.loss is None and trial.status == "ok" for trial in experiment.trials)
    report = derive_again(experiment)
    assert (report.is_same, report.suggested, report.skipped) == (True, 40, ())
    assert not verify(experiment.documents()).findings
    assert check(experiment.store, experiment.name) == []
    with pytest.raises(AllTrialsFailed) as caught:
        trials.argmin  # noqa: B018
    assert "pareto" in caught.value.hint


def test_an_algorithm_says_which_scalarisation_suits_it(monkeypatch: pytest.MonkeyPatch) -> None:
    weighed = replace(tpe.suggest, scalarisation="chebyshev")
    trials = Trials()
    monkeypatch.setattr("hstore.engine.algorithms.known_algorithms._table", {**ALGORITHMS, "tpe": weighed})
    search(trials, algo=weighed)
    decisions = [trial.queued.algorithm or {} for trial in trials.experiment.trials if trial.queued]
    assert {decision.get("scalarised") for decision in decisions} == {None, "chebyshev 1"}
    assert derive_again(trials.experiment).is_same
    assert derive_again(trials.experiment).suggested == 40


def three(config: Mapping[str, float]) -> list[float]:
    """Return losses of wildly different sizes."""
    x, y = config["x"], config["y"]
    return [1e6 * (x**2 + y**2), 1e-6 * ((x - 1) ** 2 + y**2), x**2 + (y - 1) ** 2 - 50.0]


@pytest.mark.parametrize("n", [2, pytest.param(3, marks=pytest.mark.long)])
def test_auto_searches_for_two_and_three_things_within_constraints(n: int) -> None:
    trials = Trials()

    def objective(config: Mapping[str, float]) -> Any:
        losses = three(config)[:n]
        if config["y"] > 1.5:
            raise ArithmeticError("too far")
        if config["x"] < -1.5:
            losses[n - 1] = math.nan if config["y"] > 0 else math.inf
        return {"status": "ok", "losses": losses, "constraints": [0.2 - config["x"]]}

    points = search(trials, objective, algo="auto", objectives=n, max_evals=24, catch_eval_exceptions=True)
    experiment = trials.experiment
    assert [trial.tid for trial in experiment.pareto] == front_of(trials)
    assert len(points) > 4
    assert all(point["x"] >= 0.2 for point in points)
    described = [(trial.queued.algorithm or {}).get("scalarised") for trial in experiment.trials if trial.queued]
    assert described[-1] == "modelled 1"
    report = derive_again(experiment)
    assert (report.is_same, report.suggested, report.skipped) == (True, 24, ())
    assert check(experiment.store, experiment.name) == []


@pytest.mark.parametrize("n", [2, 3])
def test_auto_searches_conditional_spaces_in_batches(n: int) -> None:
    space = hp.choice("kind", [{"a": hp.uniform("a", 0, 1)}, {"b": hp.loguniform("b", -5, 0), "c": hp.randint("c", 4)}])

    def objective(config: Mapping[str, float]) -> list[float]:
        size = sum(config.values())
        return [size, 1 / (0.1 + size), abs(size - 1)][:n]

    trials = Trials()
    fmin(
        objective,
        space,
        algo="auto",
        max_evals=21,
        max_queue_len=3,
        trials=trials,
        rstate=1,
        verbose=False,
        objectives=n,
    )
    assert {trial.point["kind"] for trial in trials.experiment.trials[12:]} == {0, 1}
    assert derive_again(trials.experiment).is_same


def test_a_log_of_gp_that_read_losses_by_chebyshev_weights_is_derived_again(monkeypatch: pytest.MonkeyPatch) -> None:
    before = replace(gp.suggest, scalarisation="chebyshev")
    trials = Trials()
    monkeypatch.setattr("hstore.engine.algorithms.known_algorithms._table", {**ALGORITHMS, "gp": before})
    search(trials, algo=before, max_evals=14)
    monkeypatch.undo()
    assert ALGORITHMS["gp"].scalarisation == "modelled"
    report = derive_again(trials.experiment)
    assert (report.is_same, report.suggested, report.skipped) == (True, 14, ())


def test_a_wrapped_algorithm_reads_several_losses_too() -> None:
    def own(new_ids: Any, domain: Any, trials: Any, seed: int) -> Any:
        return tpe.suggest(new_ids, domain, trials, seed)

    one, other = Trials(), Trials()
    search(one, algo=own)
    search(other, algo=tpe.suggest)
    assert [t.point for t in one.experiment.trials] == [t.point for t in other.experiment.trials]


def test_documents_hold_the_losses_and_the_front() -> None:
    trials = Trials()
    search(trials, max_evals=12)
    experiment = trials.experiment
    trial = experiment.pareto[0]
    assert trials.trials[trial.tid]["result"] == {"status": "ok", "losses": two(trial.params)}
    assert trial_document(trial)["losses"] == two(trial.params)
    shown = experiment_document(experiment.state)
    assert shown["pareto"] == [{"tid": t.tid, "losses": t.losses} for t in experiment.pareto]
    assert "best" not in shown


def test_the_front_is_kept_up_when_trials_are_taken_out_and_put_back() -> None:
    trials = Trials()
    search(trials, max_evals=25)
    experiment = trials.experiment
    for void in (True, False):
        for tid in list(experiment.state.trials)[::3]:
            experiment.append(experiment.compose((Noted, tid, {"void": void})))
            assert [trial.tid for trial in experiment.pareto] == front_of(trials)


def with_sum(config: Mapping[str, float]) -> dict[str, Any]:
    """Return two losses and their sum."""
    return {"status": "ok", "losses": two(config), "loss": sum(two(config))}


def test_a_best_trial_is_there_beside_the_front_if_results_have_a_loss_as_well() -> None:
    trials = Trials()
    assert search(trials, with_sum) == [raw_values(document) for document in trials.pareto]
    best = trials.best_trial
    assert best["result"]["loss"] == sum(two(best["params"]))
    assert best["tid"] in front_of(trials)
    assert trials.experiment.best.tid == best["tid"]


@pytest.mark.parametrize("losses", [[0.25, 0.5], [0.5], [], {"train": 0.1}, "none", 7, [None, "a"], np.ones(3)])
def test_losses_beside_a_loss_are_a_field_as_in_hyperopt_where_no_objectives_are_said(
    losses: Any, store: Store
) -> None:
    space = hp.uniform("x", 0, 1)
    options: dict[str, Any] = {"max_evals": 4, "algo": "tpe", "rstate": 0, "verbose": False}
    beside = fmin(
        lambda x: {"status": "ok", "loss": x, "losses": losses}, space, experiment="e", store=store, **options
    )
    assert beside == fmin(lambda x: x, space, **options)
    (first, *_) = store.experiment("e").trials
    assert first.losses is None
    assert normalise(dict(first.result or {})["losses"]) == normalise(losses)


def test_losses_may_come_unannounced() -> None:
    trials = Trials()
    assert isinstance(search(trials, lambda config: {"status": "ok", "losses": two(config)}, objectives=None), list)
    decisions = [trial.queued for trial in trials.experiment.trials]
    assert "scalarised" not in (decisions[0].algorithm or {})  # type: ignore[union-attr]
    assert (decisions[1].algorithm or {})["scalarised"] == "maximin 1"  # type: ignore[union-attr]
    assert derive_again(trials.experiment).is_same


def test_the_best_keeps_all_constraints(trials: Trials) -> None:
    def objective(config: Mapping[str, float]) -> dict[str, Any]:
        constraint = math.nan if config["x"] > 1.9 else 0.5 - config["x"]
        return {"status": "ok", "loss": config["x"] ** 2 + config["y"] ** 2, "constraints": [constraint]}

    best = search(trials, objective, objectives=None, max_evals=60)
    assert 0.5 <= best["x"] < 1.2
    ok = [trial for trial in trials.experiment.trials if trial.is_feasible]
    assert 0 < len(ok) < 60
    assert trials.experiment.best.loss == min(trial.loss or 0.0 for trial in ok)
    assert trials.best_trial["tid"] == trials.experiment.best.tid
    assert trial_document(ok[0])["constraints"] == [0.5 - ok[0].point["x"]]
    assert derive_again(trials.experiment).is_same
    history = trials.history(trials.space)  # type: ignore[arg-type]
    assert history.constraints.shape == (60, 1)


def test_without_any_that_keeps_them_there_is_no_best() -> None:
    trials = Trials()
    with pytest.raises(AllTrialsFailed):
        search(trials, lambda _: {"status": "ok", "loss": 1.0, "constraints": [1.0]}, objectives=None, max_evals=3)
    assert trials.experiment.state.best is None


def test_a_front_is_of_feasible_trials() -> None:
    def objective(config: Mapping[str, float]) -> dict[str, Any]:
        return {"status": "ok", "losses": two(config), "constraints": (config["x"] - 0.5, config["y"])}

    trials = Trials()
    points = search(trials, objective)
    assert points
    assert all(point["x"] <= 0.5 and point["y"] <= 0 for point in points)
    assert [trial.tid for trial in trials.experiment.pareto] == front_of(trials)
    assert derive_again(trials.experiment).is_same


def test_three_losses_and_return_argmin() -> None:
    trials = Trials()
    values = search(trials, lambda c: (c["x"], -c["x"], c["y"] ** 2), objectives=3, max_evals=10, return_argmin=False)
    assert all(isinstance(value, dict) and set(value) == {"x", "y"} for value in values)
    assert len(values) == len(trials.pareto)


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (1.0, "not 2 losses"),
        ([1.0], "has 1 losses; this search takes 2"),
        ([1.0, 2.0, 3.0], "has 3 losses; this search takes 2"),
        ({"status": "ok", "loss": 1.0}, "has no list of losses; this search takes 2"),
        ({"status": "ok", "losses": [1.0, "a"]}, "the losses are a list, not a list of real numbers"),
        ({"status": "ok", "losses": [1.0, 2.0], "constraints": 3.0}, "the constraints are 3.0"),
    ],
)
def test_a_result_without_as_many_losses_is_refused(returned: Any, message: str) -> None:
    with pytest.raises(InvalidLoss, match=message):
        search(Trials(), lambda _: returned, max_evals=1)


@pytest.mark.parametrize("arguments", [{"objectives": 1}, {"objectives": True}, {"loss_threshold": 0.1}])
def test_what_cannot_be_meant_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        search(Trials(), **arguments)


def test_a_search_that_goes_on_for_other_objectives_says_so_in_its_log() -> None:
    trials = Trials()
    search(trials, max_evals=3)
    search(trials, max_evals=3)
    assert not [event for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    search(trials, lambda c: [*two(c), 0.0], max_evals=5, objectives=3)
    (changed,) = [event for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    assert changed.objective is not None
    assert changed.objective["objectives"] == 3
    assert derive_again(trials.experiment).is_same


def test_a_scalarisation_of_a_newer_hstore_is_no_difference() -> None:
    trials = Trials()
    search(trials, max_evals=4)
    scalarised, scalarise.VERSION = scalarise.VERSION, 2
    try:
        report = derive_again(trials.experiment)
    finally:
        scalarise.VERSION = scalarised
    assert report.is_same
    why = "chosen by tpe with scalarisation maximin 1, this hstore has maximin 2, chebyshev 2, modelled 2"
    assert [message for _, message in report.skipped] == [why] * 3


@pytest.mark.parametrize("algo", [tpe.suggest, pytest.param("auto", marks=pytest.mark.long)], ids=["tpe", "auto"])
def test_workers_evaluate_several_losses_and_commands_show_them(mongo_url: str, algo: Any) -> None:
    def objective(config: Mapping[str, float]) -> Any:
        if config["x"] > 1:
            return 1.0  # one loss too few
        return [config["x"] ** 2, (config["x"] - 1) ** 2]

    front = fmin(
        objective, SPACE, algo=algo, max_evals=25, experiment="two", store=mongo_url, workers=1, objectives=2,
        verbose=False, rstate=0,
    )  # fmt: skip
    with hstore.open(mongo_url) as store:
        experiment = store.experiment("two")
        assert front == [dict(trial.point) for trial in experiment.pareto]
        assert {trial.state for trial in experiment.trials if trial.point["x"] > 1} == {"failed"}
        assert derive_again(experiment).is_same
        assert check(store, "two") == []
        tid = experiment.pareto[0].tid
        losses = [list(trial.losses or ()) for trial in experiment.pareto]

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(app, ["--store", mongo_url, *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.stdout

    assert f"Pareto front: {len(front)} trials" in run("show", "two")
    assert len(json.loads(run("show", "two", "--json"))["pareto"]) == len(front)
    assert f"Pareto front: {len(front)} trials" in run("status", "two")
    ends = [f"{min(each):.6g} … {max(each):.6g}" for each in zip(*losses, strict=True)]
    assert f"losses {ends[0]}, {ends[1]}" in run("status", "two")
    for listed in (run("ls"), run("status")):
        assert f"front of {len(front)}" in listed
    assert f"losses {ends[0]}, {ends[1]}" in run("ls")
    (message,) = json.loads(run("ls", "--json"))
    assert [each["losses"] for each in message["pareto"]] == losses
    assert "losses " in run("show", "two", str(tid))
    assert "status=ok" in run("log", "two", str(tid))
