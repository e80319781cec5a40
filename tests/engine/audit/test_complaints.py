"""What users of other search libraries ask for: a test for each complaint."""

from __future__ import annotations

from typing import Any

import pytest

from hstore import fmin, hp, tpe
from hstore.engine.audit.explanation import explain
from hstore.engine.audit.replay import derive_again
from hstore.store.store import Store
from hstore.store.verify import verify

SPACE = {"x": hp.uniform("x", -1, 1)}


class Killed(BaseException):
    """In the place of a kill: nothing is recorded of it."""


def search(store: Store, n: int, name: str = "digits", fn: Any = lambda p: p["x"] ** 2) -> None:
    fmin(fn, SPACE, tpe.suggest, n, rstate=1, verbose=False, experiment=name, store=store)


def test_optuna_685_a_trial_that_must_not_count_is_taken_out_and_can_be_put_back(mongo_store: Store) -> None:
    search(mongo_store, 25)
    experiment = mongo_store.experiment("digits")
    wrong = experiment.best.tid
    experiment.void(wrong, reason="trained on the test set")
    assert experiment.best.tid != wrong
    search(mongo_store, 27)  # the algorithm does not see it any more, and says so
    experiment = mongo_store.experiment("digits")
    assert explain(experiment, 26).known.get("void") == 1
    assert experiment.trials[wrong].result is not None  # nothing is lost
    assert derive_again(experiment).is_same
    experiment.unvoid(wrong, reason="it was not")
    assert not experiment.trials[wrong].is_void
    assert verify(experiment.documents()).findings == ()


def test_optuna_5605_a_wrong_value_is_corrected_and_the_earlier_one_stays_visible(mongo_store: Store) -> None:
    search(mongo_store, 22)
    experiment = mongo_store.experiment("digits")
    reported = experiment.trials[3].loss
    experiment.amend(3, loss=-1.0, reason="measured in the wrong unit")
    search(mongo_store, 24)
    experiment = mongo_store.experiment("digits")
    trial = experiment.trials[3]
    assert (experiment.best.tid, trial.loss) == (3, -1.0)
    assert trial.returned is not None
    assert trial.returned.loss == reported == mongo_store.experiment("digits", at=21).trials[3].loss
    assert derive_again(experiment).is_same  # the decisions before it knew the earlier value, those after it this one


def test_a_sweep_that_was_killed_is_resumed_by_the_same_call_at_the_points_of_an_undisturbed_one(
    mongo_store: Store,
) -> None:
    calls = []

    def dies_at_the_eighth(config: dict[str, float]) -> float:
        calls.append(config["x"])
        if len(calls) == 8:
            raise Killed
        return config["x"] ** 2

    with pytest.raises(Killed):
        search(mongo_store, 24, "killed", dies_at_the_eighth)
    search(mongo_store, 24, "killed", dies_at_the_eighth)
    search(mongo_store, 24, "undisturbed")
    killed, undisturbed = (mongo_store.experiment(name) for name in ("killed", "undisturbed"))
    assert [trial.point for trial in killed.trials] == [trial.point for trial in undisturbed.trials]
    assert len(calls) == 25  # the one that was interrupted is evaluated again, the others are not


def test_a_sweep_is_taken_up_again_from_an_earlier_point_without_evaluating_anything_twice(mongo_store: Store) -> None:
    search(mongo_store, 24)
    calls = []

    def objective(config: dict[str, float]) -> float:
        calls.append(config["x"])
        return config["x"] ** 2

    fmin(objective, SPACE, tpe.suggest, 24, rstate=1, verbose=False, experiment="again", store=mongo_store,
         fork_from="digits", at=20)  # fmt: skip
    first, again = mongo_store.experiment("digits"), mongo_store.experiment("again")
    assert len(calls) == 4
    assert [trial.point for trial in again.trials] == [trial.point for trial in first.trials]


def test_which_data_did_it_know_is_answered_for_each_decision_and_proven(mongo_store: Store) -> None:
    search(mongo_store, 24)
    experiment = mongo_store.experiment("digits")
    experiment.amend(2, loss=9.0, reason="later")
    why = explain(experiment, 21)
    assert why.known == {"ok": 21}
    known = mongo_store.experiment("digits", at=21)
    assert [trial.loss for trial in known.trials] == [trial.point["x"] ** 2 for trial in experiment.trials[:21]]
    assert derive_again(experiment, until=21).is_same  # from these losses, and no others, follows that point
