"""MongoTrials: the experiments of one store, each in views of its own."""

import gc
import weakref
from typing import Any

import pytest

from hstore import MongoTrials, Store, fmin, hp
from hstore.store.open_store import open_store


def square(x: float) -> float:
    return x**2


def searched(store: Any, exp_key: str | None, n: int) -> MongoTrials:
    trials = MongoTrials(store, exp_key=exp_key)
    trials.asynchronous = False
    fmin(square, hp.uniform("x", -2, 2), max_evals=n, trials=trials, rstate=0, verbose=False)
    return trials


@pytest.mark.covers(
    "mongoexp.MongoTrials",
    "mongoexp.MongoTrials.asynchronous",
    "mongoexp.MongoTrials.view",
    "mongoexp.MongoTrials.refresh_tids",
)
def test_each_exp_key_is_an_experiment_with_a_numbering_of_its_own(mongo_url: str) -> None:
    here = MongoTrials(mongo_url, exp_key="a")
    assert here.asynchronous
    store = here.experiment.store
    searched(store, "a", 3)
    there = here.view(exp_key="b")
    searched(store, "b", 2)
    here.refresh_tids([0, 1])
    there.refresh()
    assert (here.tids, there.tids) == ([0, 1, 2], [0, 1])
    assert here.view().trials[0] is here.trials[0]
    assert [doc["exp_key"] for doc in there.trials] == ["b", "b"]
    del here
    gc.collect()
    there.refresh()  # the store was opened for the one, and is open as long as the other needs it
    assert there.new_trial_ids(2) == [2, 3]


def test_without_an_exp_key_it_is_the_experiment_called_default(mongo_store: Store) -> None:
    trials = searched(mongo_store, None, 2)
    assert mongo_store.experiments() == ["default"]
    assert [doc["exp_key"] for doc in trials.trials] == [None, None]
    assert len(MongoTrials(mongo_store, exp_key="default")) == 2


@pytest.mark.covers(
    "mongoexp.MongoTrials.refresh", "mongoexp.MongoTrials.count_by_state_unsynced",
    "mongoexp.MongoTrials.new_trial_ids", "mongoexp.MongoTrials.attachments", "mongoexp.MongoTrials.trial_attachments",
)  # fmt: skip
def test_what_one_process_writes_another_sees_after_a_refresh(mongo_url: str) -> None:
    with open_store(mongo_url) as other:
        mine, theirs = MongoTrials(mongo_url, exp_key="shared"), MongoTrials(other, exp_key="shared")
        searched(other, "shared", 3)
        assert len(mine) == 0
        assert mine.count_by_state_unsynced(2) == 3
        mine.refresh()
        mine.attachments["notes"] = "text"
        mine.trial_attachments(mine.trials[1])["model"] = b"bytes"
        theirs.refresh()
        assert theirs.attachments["notes"] == b"text"
        assert dict(theirs.trial_attachments(theirs.trials[1])) == {"model": b"bytes"}
        assert theirs.losses() == mine.losses()


def test_its_handle_is_hyperopts_view_of_the_store(mongo_store: Store) -> None:
    trials = searched(mongo_store, "a", 3)
    assert len(trials.handle) == 3
    assert MongoTrials(trials.handle, exp_key="a").losses() == trials.losses()


@pytest.mark.parametrize("pruner", [None, "asha"])
def test_a_search_that_is_over_keeps_nothing_alive(mongo_url: str, pruner: str | None) -> None:
    def objective(config: Any, ctrl: Any) -> float:
        ctrl.report(1, config["x"])
        return float(config["x"])

    def search() -> weakref.ref[Any]:
        trials = MongoTrials(mongo_url, exp_key="over")
        trials.asynchronous = False
        fmin(objective, {"x": hp.uniform("x", 0, 1)}, algo="rand", max_evals=2, rstate=0, trials=trials, pruner=pruner,
             verbose=False)  # fmt: skip
        return weakref.ref(trials.experiment.store)

    gc.collect()
    gc.disable()  # references that go round in a circle would keep the connection open until the next collection
    try:
        assert search()() is None
    finally:
        gc.enable()
