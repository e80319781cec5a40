"""The ctrl of an objective is the same wherever it runs: in fmin's process or in a worker's."""

from collections.abc import Callable
from typing import Any

import pytest

from hstore import Ctrl, MongoTrials, Store, Trials, fmin, hp, rand
from hstore.store.errors import CannotLoad
from hstore.workers.evaluator import RemoteCtrl

MISSING = object()
SPACE = {"x": hp.uniform("x", 0, 1)}


def public(ctrl: Any) -> set[str]:
    return {name for name in dir(ctrl) if not name.startswith("_")}


def here() -> Ctrl:
    trials = Trials()
    fmin(lambda config: config["x"], SPACE, algo=rand.suggest, max_evals=1, trials=trials, rstate=0, verbose=False)
    return Ctrl(trials, trials.trials[0])


def remote(uri: str = "", exp: str = "e", ask: Callable[..., Any] = lambda *_: None) -> RemoteCtrl:
    return RemoteCtrl(ask, {"tid": 0, "uri": uri, "exp": exp})


def test_a_worker_gives_the_objective_every_attribute_that_fmin_does() -> None:
    assert public(remote()) == public(here())
    assert isinstance(remote(), Ctrl)


def test_all_of_them_work_in_a_worker(mongo_store: Store) -> None:
    fmin(lambda config: config["x"], SPACE, algo=rand.suggest, max_evals=1, rstate=0, verbose=False, experiment="e",
         store=mongo_store)  # fmt: skip
    ctrl = remote(mongo_store.uri)
    assert isinstance(ctrl.trials, MongoTrials)
    assert (ctrl.experiment.name, ctrl.experiment.state.ended) == ("e", 1)
    assert ctrl.current_trial["tid"] == ctrl.tid == 0
    assert (ctrl.last_report, ctrl.is_pruned) == (None, False)
    assert all(getattr(ctrl, name, MISSING) is not MISSING for name in public(ctrl))


def test_a_store_that_a_worker_process_cannot_open_is_said_with_what_works_instead() -> None:
    ctrl = remote("mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=50")
    for name in ("trials", "experiment", "current_trial"):
        with pytest.raises(CannotLoad, match=r"ctrl\.experiment .* read from the store") as caught:
            getattr(ctrl, name)
        assert "ctrl.report" in caught.value.hint
