"""A search stops trials that are hopeless, its log says why, and replay derives it."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.engine.evaluation.pruned_searches import SPACE, STEPS, prunings, search, steps

from hstore import Ctrl, Experiment, MongoTrials, Pruned, Store, Trials, fmin, pruners, rand, tpe
from hstore.engine.algorithms.history import PRUNED
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.evaluation.pruning import PruningReplay, PruningSession
from hstore.engine.pruners import Curve
from hstore.store.events import Changed
from hstore.store.model_documents import experiment_document, trial_document
from hstore.store.verify import verify


@pytest.mark.parametrize(
    "pruner",
    [
        "asha",
        "auto",
        *(
            pytest.param(pruner, marks=pytest.mark.long)
            for pruner in (pruners.median(startup_trials=3), pruners.hyperband(max_steps=STEPS))
        ),
    ],
)
def test_a_search_stops_what_is_hopeless_and_its_log_says_why(pruner: Any) -> None:
    check_hopeless_is_stopped(Trials(), pruner)


@pytest.mark.long
def test_a_search_in_mongodb_does_so_as_well(mongo_store: Store) -> None:
    check_hopeless_is_stopped(MongoTrials(mongo_store, exp_key="pruned"), "asha")


def check_hopeless_is_stopped(trials: Trials, pruner: Any) -> None:
    best = search(trials, pruner=pruner)
    experiment = trials.experiment
    assert abs(best["x"] - 0.3) < 0.2
    assert 0 < experiment.state.pruned < 30
    assert steps(experiment) < 30 * STEPS
    assert len(prunings(experiment)) == experiment.state.pruned
    report = derive_again(experiment)
    assert (report.is_same, report.pruned, report.skipped) == (True, experiment.state.pruned, ())
    assert not verify(experiment.documents()).findings
    assert check(experiment.store, experiment.name) == []


def test_a_pruned_trial_has_failed_with_the_last_value_that_it_reported(trials: Trials) -> None:
    search(trials, max_evals=12)
    experiment = trials.experiment
    trial = next(trial for trial in experiment.trials if trial.is_pruned)
    assert (trial.state, trial.status, trial.loss, trial.is_finished) == ("done", "fail", None, True)
    step, value = trial.last_report or (None, None)
    document = next(doc for doc in trials.trials if doc["tid"] == trial.tid)
    assert document["result"] == {"status": "fail", "pruned": True, "step": step, "value": value}
    assert trial_document(trial)["pruned"] is True
    assert experiment_document(experiment.state)["pruned"] == experiment.state.pruned
    assert trials.losses()[trial.tid] is None
    history = trials.history(trials.space)  # type: ignore[arg-type]
    assert history.kinds[trial.tid] == PRUNED
    assert history.losses[trial.tid] == math.inf
    assert (history.partial_losses[trial.tid], history.partial_steps[trial.tid]) == (value, step)
    assert np.isnan(history.partial_losses[history.kinds != PRUNED]).all()


def test_without_a_pruner_everything_is_trained_to_its_end() -> None:
    trials = Trials()
    search(trials, pruner=None, max_evals=5)
    assert steps(trials.experiment) == 5 * STEPS
    assert trials.experiment.state.pruned == 0
    assert "pruner" not in experiment_document(trials.experiment.state)


def test_an_objective_that_does_not_ask_or_goes_on_ends_like_any_other() -> None:
    def deaf(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        ctrl.report(1, config["x"])
        ctrl.report(2, config["x"])
        return float(config["x"])

    def stubborn(config: Mapping[str, Any], ctrl: Ctrl) -> float:
        heard = []
        for step in (1, 2, 3, 4):
            ctrl.report(step, config["x"])
            heard += [ctrl.should_stop()] if step < 4 else []
        assert heard == sorted(heard), "once told to stop it is told so ever after"
        return float(config["x"])

    for objective in (deaf, stubborn):
        trials = Trials()
        search(trials, objective, max_evals=10)
        assert trials.statuses() == ["ok"] * 10
        assert trials.experiment.state.pruned == 0
        found = [report.tid or 0 for report in prunings(trials.experiment)]
        assert found == sorted(set(found)) != [], "of each trial it is decided once"
        assert derive_again(trials.experiment).is_same


def test_what_a_pruned_objective_returns_is_kept_but_for_its_loss() -> None:
    def objective(config: Mapping[str, Any], ctrl: Ctrl) -> Any:
        ctrl.report(1, config["x"])
        if not ctrl.should_stop():
            return config["x"]
        return {"status": "ok", "loss": 0.1, "note": "cut", "attachments": {"a": b"1"}}

    trials = Trials()
    search(trials, objective, max_evals=6)
    tid, result = next((d["tid"], d["result"]) for d in trials.trials if d["result"]["status"] == "fail")
    assert result == {"status": "fail", "pruned": True, "note": "cut", "step": 1, "value": result["value"]}
    assert trials.experiment.state.trials[tid].attachments.keys() == {"a"}


def test_an_objective_may_raise_pruned_or_return_nothing(trials: Trials) -> None:
    def objective(config: Mapping[str, Any], ctrl: Ctrl) -> Any:
        if config["x"] > 0.5:
            raise Pruned  # before it had anything to report
        ctrl.report(1, config["x"])
        if ctrl.should_stop():
            if config["x"] > 0:
                raise Pruned("it is above 0")
            return None
        return config["x"]

    search(trials, objective, max_evals=12, algo=rand.suggest)
    ends = {trial.point["x"]: trial for trial in trials.experiment.trials}
    assert {trial.status for x, trial in ends.items() if x > 0.5} == {"fail"}
    assert all(trial.is_pruned and trial.last_report is None for x, trial in ends.items() if x > 0.5)
    assert trials.experiment.state.counts == {"done": 12}
    assert not any(trial.error for trial in ends.values())
    assert derive_again(trials.experiment).is_same


def test_a_result_may_say_itself_that_it_was_pruned() -> None:
    trials = Trials()
    search(trials, lambda c: {"status": "fail", "pruned": True} if c["x"] < 0 else c["x"], max_evals=6, pruner=None)
    assert [trial.is_pruned for trial in trials.experiment.trials] == [
        t.point["x"] < 0 for t in trials.experiment.trials
    ]
    assert trials.experiment.state.pruned > 0


def test_the_ctrl_is_handed_over_in_hyperopts_way_too() -> None:
    class Objective:
        fmin_pass_expr_memo_ctrl = True

        def __call__(self, expr: Any, memo: Any, ctrl: Ctrl) -> float:
            ctrl.report(1, float(ctrl.tid or 0))
            return -1.0 if ctrl.should_stop() else 1.0

    trials = Trials()
    search(trials, Objective(), max_evals=4)
    assert trials.statuses() == ["ok", "fail", "fail", "fail"]


def test_a_pruner_may_be_changed_or_left_out_when_a_search_goes_on() -> None:
    trials = Trials()
    search(trials, max_evals=5, pruner=pruners.asha(reduction=2))
    search(trials, max_evals=5, pruner=pruners.asha(reduction=2))
    assert not [event for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    search(trials, max_evals=15, pruner="median")
    search(trials, max_evals=20, pruner=None)
    changes = [event.pruner for event in trials.experiment.chain(None) if isinstance(event, Changed)]
    assert [change and change["name"] for change in changes] == ["median", {}]
    assert [trial.is_pruned for trial in trials.experiment.trials[15:]] == [False] * 5
    used = {report.pruning["pruner"]["name"] for report in prunings(trials.experiment) if report.pruning}
    assert used <= {"asha", "median"}
    assert derive_again(trials.experiment).is_same


def test_a_decision_that_does_not_follow_from_what_it_had_seen_is_found() -> None:
    trials = Trials()
    search(trials, max_evals=12)
    event = prunings(trials.experiment)[0]
    assert event.pruning is not None
    derive = PruningReplay(trials.experiment)
    assert derive.why_unlike(event) is None
    saw_nothing = replace(event, pruning={**event.pruning, "seen": {"ended": [], "open": []}})
    assert derive.why_unlike(saw_nothing) == "it is good enough to go on"
    other_rungs = {**event.pruning, "pruner": pruners.asha(min_steps=2).describe()}
    assert derive.why_unlike(replace(event, pruning=other_rungs)) == "no decision of asha was due"


def test_a_decision_that_somebody_edited_is_named_by_replay_and_check(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="edited")
    search(trials, max_evals=8)
    event = prunings(trials.experiment)[0]
    assert mongo_store.database is not None
    nothing: dict[str, list[int]] = {"ended": [], "open": []}
    mongo_store.database["events"].update_one({"_id": event.id}, {"$set": {"data.pruning.seen": nothing}})
    (difference,) = derive_again(mongo_store.experiment("edited")).differences
    assert (difference.tid, difference.label, difference.recorded) == (event.tid, "(pruned)", event.step)
    assert difference.derived == "it is good enough to go on"
    assert {finding.kind for finding in check(mongo_store, "edited")} == {"seal", "replay"}


def test_a_pruner_of_a_newer_hstore_is_no_error(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="newer")
    search(trials, max_evals=3)
    experiment = trials.experiment
    newer = {**pruners.asha.describe(), "version": 2}
    experiment.append(experiment.compose((Changed, None, {"pruner": newer})))
    assert PruningSession(experiment, follows_all=True).pruner is None
    event = prunings(experiment)[0]
    stored = mongo_store.database["events"]  # type: ignore[index]
    stored.update_one({"_id": event.id}, {"$set": {"data.pruning.pruner.version": 2}})
    report = derive_again(mongo_store.experiment("newer"))
    assert [why for _, why in report.skipped] == ["stopped early by asha 2, this hstore has asha 1"]


def test_a_worker_reads_what_is_new_and_no_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    experiment = Experiment(store, "read")
    trials = Trials(experiment=experiment)
    search(trials, max_evals=8, algo=tpe.suggest)
    read: list[int] = []
    log = type(store.log)
    original = log.report_rows

    def counting(self: Any, *args: Any) -> Any:
        found = original(self, *args)
        read.append(len(found))
        return found

    monkeypatch.setattr(log, "report_rows", counting)
    worker = PruningSession(Experiment(store, "read", only=()), follows_all=False)
    worker.experiment.refresh()
    all_ = PruningSession(experiment, follows_all=True)

    def hopeless() -> Any:
        curve = Curve()
        curve.add(1, 9.0)
        return curve

    curve = hopeless()
    decision = worker.judge(99, curve)
    assert decision == all_.judge(99, hopeless())
    assert decision is not None
    assert decision["seen"] == {"ended": [[0, 7]], "open": []}
    for step in (2, 3, 4):
        curve.add(step, 9.0)
        worker.judge(99, curve)  # due at 3 only, and then it has read a moment ago
    assert len(read) == 1
    search(trials, max_evals=9)
    new = len(experiment.chain(8)) - 1
    worker.judge(100, hopeless())
    assert read == [sum(len(experiment.chain(tid)) - 1 for tid in range(8)), new]


def test_a_space_may_hold_the_ctrl_as_in_hyperopt() -> None:
    def objective(config: Mapping[str, Any]) -> float:
        config["ctrl"].report(1, config["x"])
        config["ctrl"].should_stop()
        return float(config["x"])

    trials = Trials()
    fmin(objective, {**SPACE, "ctrl": Ctrl}, max_evals=5, trials=trials, pruner="asha", rstate=0, verbose=False)
    assert trials.experiment.state.pruned > 0
