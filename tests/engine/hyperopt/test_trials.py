import copy
import pickle
from typing import Any

import pytest

from hstore import JOB_STATE_DONE, JOB_STATE_ERROR, Trials, fmin, hp
from hstore.store.errors import AllTrialsFailed

SPACE = {
    "x": hp.uniform("x", -2, 2),
    "n": hp.uniformint("n", 1, 9),
    "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}]),
}


@pytest.fixture
def trials() -> Trials:
    trials = Trials()

    def fragile(config: dict[str, Any]) -> float:
        if config["n"] == 5:
            raise ValueError("five")
        return float(config["x"] ** 2)

    fmin(fragile, SPACE, max_evals=30, trials=trials, rstate=1, verbose=False, catch_eval_exceptions=True)
    return trials


def test_documents_have_hyperopts_shape(trials: Trials) -> None:
    doc = trials.trials[0]
    assert set(doc) == {
        "tid",
        "spec",
        "result",
        "misc",
        "params",
        "state",
        "owner",
        "book_time",
        "refresh_time",
        "exp_key",
        "version",
    }
    assert set(doc["misc"]) == {"tid", "cmd", "idxs", "vals", "workdir"}
    assert set(doc["misc"]["vals"]) == {"x", "n", "c", "y"}
    assert doc["misc"]["idxs"]["y"] in ([], [0])
    assert doc["state"] == JOB_STATE_DONE
    assert isinstance(doc["misc"]["vals"]["n"][0], float)


def test_trials_that_raised_are_counted_but_not_seen(trials: Trials) -> None:
    failed = trials.count_by_state_unsynced(JOB_STATE_ERROR)
    assert failed > 0
    assert len(trials) == 30 - failed
    assert trials.count_by_state_synced(JOB_STATE_DONE) == len(trials)
    with pytest.raises(TypeError):
        trials.count_by_state_synced([7])


def test_values_that_were_meant_stand_beside_raw_ones(trials: Trials) -> None:
    params = trials.best_params
    assert isinstance(params["n"], int)
    assert trials.argmin["n"] == float(params["n"])


def test_they_can_be_pickled_and_go_on(trials: Trials) -> None:
    for twin in (pickle.loads(pickle.dumps(trials)), copy.deepcopy(trials)):
        assert twin.vals == trials.vals
        fmin(lambda c: c["x"] ** 2, SPACE, max_evals=40, trials=twin, rstate=1, verbose=False)
        assert len(twin) > len(trials)


def test_without_trials_there_is_no_best() -> None:
    with pytest.raises(AllTrialsFailed):
        _ = Trials().argmin


def test_refresh_looks_only_at_what_is_new(trials: Trials) -> None:
    before = {id(doc) for doc in trials.trials}
    fmin(lambda c: c["x"] ** 2, SPACE, max_evals=31, trials=trials, rstate=1, verbose=False)
    assert before <= {id(doc) for doc in trials.trials}
