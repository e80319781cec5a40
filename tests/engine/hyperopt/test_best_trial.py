"""The best trial of hyperopt's view: of documents that programs wrote, changed, or have not finished yet."""

from typing import Any

import numpy as np
import pytest

from hstore import JOB_STATE_DONE, JOB_STATE_RUNNING, Trials, fmin, hp, rand
from hstore.engine.space import Space, compile_space
from hstore.store.errors import AllTrialsFailed
from hstore.store.events import Noted

SPACE = {"x": hp.uniform("x", 0, 1)}


def space() -> Space:
    return compile_space(SPACE)


def search(trials: Trials, losses: list[float], **more: Any) -> Any:
    remaining = iter(losses)
    return fmin(lambda _: {"status": "ok", "loss": next(remaining), **more}, SPACE, rand.suggest,
                len(trials) + len(losses), trials=trials, rstate=0, verbose=False)  # fmt: skip


def insert(trials: Trials, *results: dict[str, Any], state: int = JOB_STATE_DONE) -> None:
    tids = trials.new_trial_ids(len(results))
    miscs = [{"tid": tid, "cmd": None, "idxs": {"x": [tid]}, "vals": {"x": [0.5]}} for tid in tids]
    documents = trials.new_trial_docs(tids, [None] * len(tids), list(results), miscs)
    trials.insert_trial_docs([{**document, "state": state} for document in documents])
    trials.refresh()


def test_a_voided_trial_is_not_the_best_though_it_is_seen(trials: Trials) -> None:
    search(trials, [1.0, 2.0, 3.0])
    trials.experiment.append_decided(lambda: [(Noted, 0, {"void": True})])
    trials.refresh()
    assert trials.tids == [0, 1, 2]
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 1
    trials.experiment.append_decided(lambda: [(Noted, 0, {"void": False})])
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 0


def test_a_partial_result_of_a_running_trial_is_not_the_best(trials: Trials) -> None:
    search(trials, [1.0])
    insert(trials, {"status": "ok", "loss": 0.5}, state=JOB_STATE_RUNNING)
    assert trials.losses() == [1.0, 0.5]
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 0


def test_a_document_that_waits_for_a_space_can_be_the_best() -> None:
    trials = Trials()
    insert(trials, {"status": "ok", "loss": 2.0}, {"status": "ok", "loss": 1.0}, {"status": "fail", "loss": 0.0})
    assert trials.experiment.state.created is None
    assert trials.best_trial["tid"] == 1


@pytest.mark.parametrize("loss", [np.float32(0.5), np.int64(0), "0.5", True, np.array(0.5)])
def test_any_kind_of_number_is_a_loss_in_an_inserted_document(loss: Any, trials: Trials) -> None:
    trials.history(space())
    insert(trials, {"status": "ok", "loss": 2.0}, {"status": "ok", "loss": loss}, {"status": "ok", "loss": 3.0})
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 1
    assert trials.experiment.best.loss == float(loss)


@pytest.mark.parametrize("loss", [np.float32(0.5), np.array(0.5), "0.5"])
def test_any_kind_of_number_is_a_loss_in_a_document_that_is_finished_by_hand(loss: Any, trials: Trials) -> None:
    trials.history(space())
    insert(trials, {"status": "ok", "loss": 2.0})
    insert(trials, {"status": "new"}, state=JOB_STATE_RUNNING)
    trials.trials[1].update(
        state=JOB_STATE_DONE, result={"status": "ok", "loss": loss, "constraints": [np.float32(-1)]}
    )
    trials.refresh()
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 1


@pytest.mark.parametrize("loss", [None, "small", [0.5, 0.4], {"a": 1}, float("nan")])
def test_what_is_no_number_is_no_loss(loss: Any, trials: Trials) -> None:
    trials.history(space())
    insert(trials, {"status": "ok", "loss": loss}, {"status": "ok", "loss": 2.0})
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 1


@pytest.mark.parametrize("constraints", ["none", 3.0, ["a"], {"budget": 1.0}, None, []])
def test_what_are_no_constraints_violates_none_and_the_log_can_be_read(constraints: Any, trials: Trials) -> None:
    trials.history(space())
    insert(trials, {"status": "ok", "loss": 1.0, "constraints": constraints}, {"status": "ok", "loss": 2.0})
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 0
    assert trials.experiment.state.unreadable == ()
    assert trials.average_best_error() == 1.0


@pytest.mark.parametrize("constraint", [np.float64("nan"), 1, np.float32(0.1), float("inf")])
def test_constraints_of_any_kind_of_number_can_be_violated(constraint: Any, trials: Trials) -> None:
    trials.history(space())
    insert(trials, {"status": "ok", "loss": 1.0, "constraints": [constraint]}, {"status": "ok", "loss": 2.0})
    assert trials.best_trial["tid"] == trials.experiment.best.tid == 1
    assert trials.average_best_error() == 2.0


def test_what_a_program_changes_in_a_document_that_has_ended_counts_in_its_own_view() -> None:
    """As in hyperopt, whose documents are all there is; the log keeps what happened."""
    trials = Trials()
    search(trials, [1.0, 2.0, 3.0])
    trials.trials[2]["result"]["loss"] = 0.5
    assert (trials.best_trial["tid"], trials.experiment.best.tid) == (2, 0)
    trials.trials[2]["result"]["constraints"] = [1.0]
    assert trials.best_trial["tid"] == 0
    trials.trials[0]["result"]["status"] = "fail"
    assert trials.best_trial["tid"] == 1


def test_without_a_ranked_trial_there_is_no_best(trials: Trials) -> None:
    with pytest.raises(AllTrialsFailed):
        search(trials, [1.0, 2.0], constraints=[float("nan")])
    with pytest.raises(AllTrialsFailed):
        _ = trials.best_trial
    with pytest.raises(AllTrialsFailed):
        _ = trials.experiment.best
