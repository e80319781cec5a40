"""Documents that users insert, of their own or of other searches, become events; in memory and in a real MongoDB."""

import copy
import warnings
from typing import Any

import pytest
from asking_programs import SPACE, document, is_sound, square

import hstore
from hstore import Domain, MongoTrials, Store, Trials, base, fmin, rand, trials_from_docs
from hstore.exceptions import InvalidTrial

with warnings.catch_warnings():
    warnings.simplefilter("ignore")


@pytest.mark.covers("base.Trials.insert_trial_doc", "base.Trials.new_trial_docs", "base.trials_from_docs")
def test_documents_of_one_search_are_inserted_into_another() -> None:
    first = Trials()
    fmin(square, SPACE, max_evals=8, trials=first, rstate=1, verbose=False)
    warm = trials_from_docs(first.trials)
    assert (warm.losses(), warm.vals, warm.argmin) == (first.losses(), first.vals, first.argmin)
    assert warm.trials[0] is not first.trials[0]
    assert trials_from_docs(first.trials, validate=False).trials[0] is first.trials[0]
    fmin(square, SPACE, max_evals=12, trials=warm, rstate=2, verbose=False)
    assert warm.tids == list(range(12))
    assert warm.losses()[:8] == first.losses()
    assert warm.experiment.state.counts == {"done": 12}
    assert [trial.queued.source for trial in warm.experiment.trials][7:9] == ["inserted", "suggested"]  # type: ignore[union-attr]
    assert warm.trials[0]["book_time"] == first.trials[0]["book_time"]
    assert is_sound(warm)


@pytest.mark.covers("base.Trials.trials")
def test_what_is_inserted_is_seen_after_a_refresh_and_evaluated_by_fmin(trials: Trials) -> None:
    trials.history(Domain(square, SPACE).space)
    assert trials.insert_trial_docs([document(trials, 0, 1.5), document(trials, 1, 0.5)]) == [0, 1]
    assert trials.trials == []
    trials.refresh()
    assert trials.statuses() == ["new", "new"]
    fmin(square, SPACE, max_evals=2, trials=trials, rstate=0, verbose=False)
    assert trials.losses() == [2.25, 0.25]
    assert is_sound(trials)


@pytest.mark.parametrize("is_point_first", [True, False])
def test_points_and_documents_that_wait_for_a_space_keep_their_tids(is_point_first: bool) -> None:
    trials = Trials()
    if is_point_first:
        trials.enqueue([{"x": 0.5, "c": "a"}])
    trials.insert_trial_docs([document(trials, trials.new_trial_ids(1)[0], 1.0, 2, status="ok", loss=7.0)])
    if not is_point_first:
        trials.enqueue([{"x": 0.5, "c": "a"}])
    trials.refresh()
    statuses = trials.statuses()
    fmin(square, SPACE, max_evals=3, trials=trials, rstate=0, verbose=False)
    assert trials.tids == [0, 1, 2]
    assert statuses == (["new", "ok"] if is_point_first else ["ok", "new"])
    assert trials.losses()[:2] == ([0.25, 7.0] if is_point_first else [7.0, 0.25])
    assert is_sound(trials)


def test_tids_of_inserted_documents_are_kept_whatever_their_order_and_gaps(trials: Trials) -> None:
    trials.history(Domain(square, SPACE).space)
    given = [document(trials, tid, 1.0, 2, status="ok", loss=tid) for tid in (7, 3, 5)]
    trials.insert_trial_docs(given)
    assert trials.new_trial_ids(2) == [8, 9]
    trials.refresh()
    assert trials.tids == [7, 3, 5]
    trials.trial_attachments(trials.trials[1])["a"] = b"three"
    assert [list(trial.attachments) for trial in trials.experiment.trials] == [[], ["a"], []]
    again = copy.deepcopy(trials)
    again.refresh()
    assert (again.tids, again.losses()) == ([7, 3, 5], [7, 3, 5])
    assert is_sound(trials)


def test_trials_are_matched_to_a_changed_space_by_label() -> None:
    trials = Trials()
    misc = {"tid": 0, "cmd": None, "idxs": {"x": [0], "old": [0]}, "vals": {"x": [9.0], "old": [3]}}
    (doc,) = trials.new_trial_docs([0], [None], [{"status": "ok", "loss": 1.0}], [misc])
    trials.insert_trial_docs([{**doc, "state": 2}])
    trials.refresh()
    fmin(square, SPACE, max_evals=25, trials=trials, rstate=0, verbose=False)
    assert trials.experiment.trials[0].point == {"x": 9.0}
    assert trials.trials[0]["misc"]["vals"] == {"x": [9.0], "old": [3]}
    assert len(trials) == 25
    assert is_sound(trials)


def test_a_search_in_mongo_takes_documents_before_it_has_a_space(mongo_store: Store) -> None:
    trials = MongoTrials(mongo_store, exp_key="early")
    trials.insert_trial_docs([document(trials, tid, 0.5, 2, status="ok", loss=1.0) for tid in range(30)])
    other = MongoTrials(mongo_store, exp_key="early")
    assert (len(other), other.argmin) == (30, {"c": 0, "x": 0.5})
    with pytest.raises(hstore.errors.SpaceChanged, match="without its space") as refused:
        fmin(square, SPACE, max_evals=31, rstate=0, trials=other, verbose=False)
    assert 'warm_start="early"' in str(refused.value.hint)


@pytest.mark.covers("base.Trials.assert_valid_trial", "exceptions.InvalidTrial")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda doc: 3, "dict-like 3"),
        (lambda doc: {}, "missing key tid"),
        (lambda doc: {**doc, "misc": {"tid": 0}}, "missing key cmd"),
        (lambda doc: {**doc, "tid": 1}, "mismatch"),
        (lambda doc: {**doc, "exp_key": "other"}, "exp_key"),
        (lambda doc: {**doc, "state": 9}, "state"),
        (lambda doc: {**doc, "result": None}, "result"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"x": [1, 2]}}}, "more than one value of x"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"c": [5]}}}, "c: 5 is out of range, choice"),
        (lambda doc: {**doc, "misc": {**doc["misc"], "vals": {"x": ["a"]}}}, "not a number"),
    ],
)
def test_a_document_that_is_none_of_a_trial_is_refused(change: Any, message: str) -> None:
    trials = Trials()
    trials.history(Domain(square, SPACE).space)
    good = document(trials, 0, 1.0)
    with pytest.raises(InvalidTrial, match=message):
        trials.insert_trial_docs([good, change(good)])
    assert trials._dynamic_trials == []


@pytest.mark.covers("base.Trials.source_trial_docs")
def test_documents_derived_from_others_say_so() -> None:
    trials = Trials()
    fmin(square, SPACE, rand.suggest, 1, trials=trials, rstate=0, verbose=False)
    misc = {"idxs": {"x": [1], "c": [1], "y": []}, "vals": {"x": [0.0], "c": [0], "y": []}}
    docs = trials.source_trial_docs([1], [None], [{"status": "ok", "loss": 0.0}], [misc], trials.trials[:1])
    trials.insert_trial_docs(docs)
    trials.refresh()
    assert trials.trials[1]["misc"]["from_tid"] == 0
    assert trials.trials[1]["state"] == base.JOB_STATE_DONE
    assert trials.argmin == {"x": 0.0, "c": 0}


def test_documents_that_were_put_into_the_inner_list_are_taken_in() -> None:
    trials = Trials()
    trials.history(Domain(square, SPACE).space)
    trials._dynamic_trials.append(document(trials, 0, 1.0, 2, status="ok", loss=1.0))
    trials.refresh()
    assert trials.experiment.state.counts == {"done": 1}
    assert trials.losses() == [1.0]
