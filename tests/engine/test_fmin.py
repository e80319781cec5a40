"""fmin in memory and on a real MongoDB alike: `where` is what makes the one or the other."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engine.fmin_calls import SPACE, quiet, serial, square

import hstore
from hstore import MongoTrials, Trials, fmin, hp, rand, tpe
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import (
    InvalidName,
    InvalidValue,
    SpaceChanged,
)


def test_it_returns_the_raw_values_of_the_best_trial(trials: Trials) -> None:
    best = quiet(square, SPACE, max_evals=25, trials=trials, rstate=np.random.default_rng(0))
    assert best == trials.argmin
    assert set(best) >= {"x", "c"}
    assert isinstance(best["c"], int)
    assert trials.best_trial["result"]["loss"] == min(x for x in trials.losses() if x is not None)


def test_it_returns_the_point_itself_without_return_argmin(trials: Trials) -> None:
    best = quiet(square, SPACE, max_evals=5, trials=trials, rstate=0, return_argmin=False)
    assert best["x"] == trials.argmin["x"]
    assert best["c"] == "a" or "deep" in best["c"]


def test_memory_and_mongo_hold_the_same_trials_at_the_same_seed(mongo_url: str) -> None:
    here, there = Trials(), serial(MongoTrials(mongo_url, exp_key="same"))
    for trials in (here, there):
        quiet(square, SPACE, max_evals=30, trials=trials, rstate=np.random.default_rng(7))
    assert here.vals == there.vals
    assert here.losses() == there.losses()


def test_max_evals_counts_the_trials_of_earlier_calls(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=3, trials=trials, rstate=0)
    quiet(square, SPACE, max_evals=5, trials=trials, rstate=0)
    quiet(square, SPACE, max_evals=5, trials=trials, rstate=0)
    assert trials.tids == [0, 1, 2, 3, 4]


def test_fifteen_and_fifteen_trials_are_thirty_trials(trials: Trials) -> None:
    at_once = Trials()
    quiet(square, SPACE, max_evals=30, trials=at_once, rstate=np.random.default_rng(1))
    for n in (15, 30):
        quiet(square, SPACE, max_evals=n, trials=trials, rstate=np.random.default_rng(1))
    assert trials.vals == at_once.vals
    assert derive_again(trials.experiment).is_same


def test_the_callers_generator_is_left_where_hyperopt_leaves_it(trials: Trials) -> None:
    rng, twin = np.random.default_rng(5), np.random.default_rng(5)
    quiet(square, SPACE, max_evals=4, trials=trials, rstate=rng)
    twin.integers(2**31 - 1, size=4)
    assert rng.integers(1000) == twin.integers(1000)


@pytest.mark.parametrize("rstate", [3, np.random.RandomState(3), None])
def test_an_int_or_a_random_state_will_do_as_rstate(rstate: Any) -> None:
    assert set(quiet(square, SPACE, max_evals=3, rstate=rstate)) >= {"x", "c"}


def test_it_stops_below_the_loss_threshold(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=500, loss_threshold=0.5, trials=trials, rstate=0)
    assert trials.experiment.state.why == "loss_threshold"
    assert min(x for x in trials.losses() if x is not None) < 0.5
    n = len(trials)
    quiet(square, SPACE, max_evals=500, loss_threshold=0.5, trials=trials, rstate=0)
    assert len(trials) == n


def test_it_stops_when_the_time_is_over(trials: Trials) -> None:
    for seconds in (0.2, 2.0, 20.0):  # a busy machine may not come to a trial in a moment
        quiet(square, SPACE, timeout=seconds, trials=trials, rstate=0, return_argmin=False)
        assert trials.experiment.state.why == "timeout"
        if len(trials):
            return
    pytest.fail("20 s were too short for a trial")


def test_it_stops_when_the_early_stop_function_says_so(trials: Trials) -> None:
    def stop(seen: Trials, count: int = 0) -> tuple[bool, list[int]]:
        assert len(seen) == count + 1
        return count + 1 >= 4, [count + 1]

    quiet(square, SPACE, max_evals=100, early_stop_fn=stop, trials=trials, rstate=0)
    assert len(trials) == 4
    assert trials.experiment.state.why == "early_stop"


def test_points_to_evaluate_come_first_and_on_top(trials: Trials) -> None:
    points = [{"x": 1.0, "c": 1, "y": 0.25}, {"x": 0.0, "c": 0}]
    for _ in range(2):
        quiet(square, SPACE, max_evals=3, points_to_evaluate=points, trials=trials, rstate=0)
    assert len(trials) == 5
    assert trials.miscs[0]["vals"] == {"x": [1.0], "c": [1], "y": [0.25]}
    assert trials.argmin == {"x": 0.0, "c": 0}
    report = derive_again(trials.experiment)
    assert (report.given, report.suggested, report.is_same) == (2, 3, True)


def test_several_can_be_queued_at_once(trials: Trials) -> None:
    quiet(
        square,
        SPACE,
        max_evals=10,
        max_queue_len=4,
        trials=trials,
        rstate=0,
        algo=partial(tpe.suggest, n_startup_jobs=3),
    )
    assert trials.tids == list(range(10))
    assert derive_again(trials.experiment).is_same


def test_an_algorithm_of_ones_own_is_asked_in_hyperopts_shape(trials: Trials) -> None:
    def middle(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        if len(trials) >= 3:
            return []
        return [{"tid": new_ids[0], "misc": {"vals": {"x": [0.25 * len(trials)], "c": [0], "y": []}}}]

    quiet(square, SPACE, algo=middle, max_evals=10, trials=trials, rstate=0)
    assert trials.vals["x"] == [0.0, 0.25, 0.5]
    assert trials.experiment.state.why == "exhausted"
    report = derive_again(trials.experiment)
    assert report.is_same
    assert "middle" in report.skipped[0][1]


def test_ctrl_c_leaves_a_search_that_the_same_call_continues(trials: Trials) -> None:
    undisturbed = Trials()
    quiet(square, SPACE, max_evals=12, trials=undisturbed, rstate=2)
    calls = 0

    def interrupted(config: dict[str, Any]) -> float:
        nonlocal calls
        calls += 1
        if calls in (3, 7):
            raise KeyboardInterrupt
        return square(config)

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            quiet(interrupted, SPACE, max_evals=12, trials=trials, rstate=2)
    quiet(interrupted, SPACE, max_evals=12, trials=trials, rstate=2)
    assert trials.vals == undisturbed.vals
    kinds = [event.type for event in trials.experiment.chain(2)]
    assert kinds == ["queued", "reserved", "running", "requeued", "reserved", "running", "done"]


def test_another_space_is_refused_with_the_difference_and_the_call_that_goes_on(mongo_url: str) -> None:
    trials = serial(MongoTrials(mongo_url, exp_key="searched"))
    quiet(square, {"x": hp.uniform("x", -2, 2)}, max_evals=2, trials=trials, rstate=0)
    with pytest.raises(SpaceChanged, match=r"x: .*uniform.*3") as refused:
        quiet(square, {"x": hp.uniform("x", -3, 3)}, max_evals=4, trials=trials, rstate=0)
    assert len(trials.experiment.trials) == 2
    assert 'fmin(…, experiment="new", warm_start="searched")' in refused.value.hint


def test_a_change_of_algorithm_or_limits_is_an_event(trials: Trials) -> None:
    quiet(square, SPACE, max_evals=2, trials=trials, rstate=0, algo=rand.suggest)
    quiet(square, SPACE, max_evals=4, trials=trials, rstate=0, algo=tpe.suggest)
    kinds = [event.type for event in trials.experiment.chain(None)]
    assert kinds == ["created", "finished", "resumed", "changed", "finished"]
    assert trials.experiment.state.algorithm["name"] == "tpe"
    assert derive_again(trials.experiment).is_same


def test_users_stdout_stays_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    def talk(config: dict[str, Any]) -> float:
        print("one line")
        return square(config)

    fmin(talk, SPACE, max_evals=3, rstate=0)
    said = capsys.readouterr()
    assert said.out == "one line\n" * 3
    assert "3/3" in said.err
    assert "best loss" in said.err


def test_the_bar_of_a_search_that_goes_on_knows_the_best(capsys: pytest.CaptureFixture[str]) -> None:
    trials = Trials()
    quiet(square, SPACE, max_evals=3, rstate=0, trials=trials)
    fmin(square, SPACE, max_evals=3, rstate=0, trials=trials)
    assert f"3/3 [00:00<?, ?trial/s, best loss: {trials.best_trial['result']['loss']}]" in capsys.readouterr().err


def test_a_file_of_trials_is_saved_and_continued(tmp_path: Path) -> None:
    file = tmp_path / "trials.pkl"
    quiet(square, SPACE, max_evals=3, rstate=0, trials_save_file=str(file))
    quiet(square, SPACE, max_evals=5, rstate=0, trials_save_file=str(file))
    at_once = Trials()
    quiet(square, SPACE, max_evals=5, rstate=0, trials=at_once)
    import cloudpickle

    assert cloudpickle.loads(file.read_bytes()).vals == at_once.vals


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"timeout": -1}, "timeout"),
        ({"timeout": True}, "timeout"),
        ({"loss_threshold": "1"}, "loss_threshold"),
        ({"max_evals": 1.5}, "max_evals"),
        ({"max_evals": -1}, "max_evals"),
        ({"algo": "tpo"}, "tpo"),
        ({"rstate": "x"}, "rstate"),
        ({"points_to_evaluate": {"x": 1}}, "points_to_evaluate"),
        ({"max_queue_len": 0}, "max_queue_len"),
        ({"trials": []}, "trials"),
        ({"store": "mongodb://localhost/x"}, "experiment"),
        ({"algo": partial(tpe.suggest, gama=1)}, "gama"),
        ({"points_to_evaluate": [{"x": 0.5}]}, "c"),
    ],
)
def test_a_bad_argument_is_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidValue, hstore.errors.BadSearchSpace), match=message):
        quiet(square, SPACE, **{"max_evals": 2, **arguments})


@pytest.mark.parametrize("name", ["", "  ", "a$b", "nul\0", "x" * 1_000_000, "two\nlines"])
def test_a_name_that_no_store_can_hold_is_refused(name: str, mongo_url: str) -> None:
    with pytest.raises(InvalidName, match="name"):
        quiet(square, SPACE, max_evals=1, experiment=name, store=mongo_url)


def test_a_search_ends_when_its_algorithm_has_no_point_left() -> None:
    space = {"n": hp.uniformint("n", 1, 3), "c": hp.choice("c", [0, {"m": hp.quniform("m", 0, 1, 1)}])}
    for algo in ("grid", "mtpe", "qmc"):
        trials = Trials()
        fmin(lambda x: x["n"], space, algo=algo, max_evals=50, rstate=0, trials=trials, verbose=False)
        assert len(trials) == 3 * 3
        assert trials.experiment.state.why == "exhausted"


def test_the_environment_may_name_the_algorithm(monkeypatch: pytest.MonkeyPatch) -> None:
    def chosen(**arguments: Any) -> str:
        trials = Trials()
        fmin(abs, hp.uniform("x", 0, 1), max_evals=1, trials=trials, verbose=False, **arguments)
        return str(trials.experiment.state.algorithm["name"])

    monkeypatch.setenv("HSTORE_ALGO", "qmc")
    assert chosen() == "qmc"
    assert chosen(algo="rand") == "rand"
    monkeypatch.setenv("HSTORE_ALGO", "tpee")
    with pytest.raises(InvalidValue, match=r"\$HSTORE_ALGO: no algorithm is called 'tpee'; there are: rand"):
        chosen()


@pytest.mark.parametrize("algo", ["grid", partial(tpe.suggest, gamma=-1), partial(tpe.suggest, gama=1)], ids=str)
def test_what_an_algorithm_cannot_do_is_said_before_anything_is_written(algo: Any, trials: Trials) -> None:
    with pytest.raises(InvalidValue, match=r"finite space, but x is uniform|gamma must be a number|no setting 'gama'"):
        fmin(abs, hp.uniform("x", 0, 1), algo=algo, max_evals=1, trials=trials, verbose=False)
    assert trials.experiment.state.created is None
