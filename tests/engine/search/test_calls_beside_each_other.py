"""Several calls of fmin on one experiment: each goes on until a limit of its own."""

import threading
from typing import Any

import pytest

from hstore import Ctrl, MongoTrials, Store, Trials, fmin, hp, rand
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.search import control

SPACE = hp.uniform("x", -5, 5)


def search(fn: Any, max_evals: int, trials: Any, **arguments: Any) -> None:
    fmin(fn, SPACE, algo=rand.suggest, max_evals=max_evals, trials=trials, verbose=False, rstate=0, **arguments)


def is_sound(trials: Trials) -> bool:
    return not check(trials.experiment.store, trials.experiment.name) and derive_again(trials.experiment).is_same


@pytest.mark.parametrize("inner_evals", [2, 3, 9])
def test_an_objective_that_searches_on_the_trials_it_is_of_ends_nothing(trials: Trials, inner_evals: int) -> None:
    calls: list[float] = []

    def objective(x: float) -> float:
        calls.append(x)
        if len(calls) == 1:
            search(lambda x: -x, inner_evals, trials)
        return x**2

    search(objective, 5, trials)
    assert len(trials) == max(5, inner_evals)
    assert {doc["state"] for doc in trials.trials} == {2}
    assert not any(trial.notes for trial in trials.experiment.trials)  # nothing was taken from the outer call
    assert trials.experiment.state.status == "finished"
    assert is_sound(trials)


def test_a_callback_that_searches_on_the_same_trials_ends_nothing(trials: Trials) -> None:
    rounds: list[int] = []

    def callback(seen: Any, *_: Any) -> tuple[bool, list[Any]]:
        rounds.append(len(seen))
        if len(rounds) == 2:
            search(lambda x: x, len(seen) + 1, trials)
        return False, []

    search(lambda x: x, 6, trials, early_stop_fn=callback)
    assert len(trials) == 6
    assert is_sound(trials)


def test_another_process_that_reaches_its_own_number_of_trials_leaves_this_one_going(mongo_store: Store) -> None:
    ours = MongoTrials(mongo_store, exp_key="shared")
    ours.asynchronous = False

    def callback(seen: Any, *_: Any) -> tuple[bool, list[Any]]:
        if len(seen) == 3:  # nothing is under way: what the other call decides is the end of the search
            theirs = MongoTrials(mongo_store, exp_key="shared")
            theirs.asynchronous = False
            search(lambda x: x, 4, theirs)
            assert theirs.experiment.state.why == "max_evals"
        return False, []

    search(lambda x: x, 8, ours, early_stop_fn=callback)
    assert len(ours) == 8
    assert (ours.experiment.state.status, ours.experiment.state.why) == ("finished", "max_evals")
    assert is_sound(ours)


def test_what_a_person_stops_stays_stopped(trials: Trials) -> None:
    def callback(seen: Any, *_: Any) -> tuple[bool, list[Any]]:
        if len(seen) == 3:
            control.stop(trials.experiment, "enough of it")
        return False, []

    search(lambda x: x, 8, trials, early_stop_fn=callback)
    assert len(trials) == 3
    assert trials.experiment.state.why == "enough of it"


def test_a_call_that_is_content_with_the_loss_does_not_go_on(trials: Trials) -> None:
    def callback(seen: Any, *_: Any) -> tuple[bool, list[Any]]:
        search(lambda x: -9.0, len(seen) + 1, trials)
        return False, []

    search(lambda x: x, 20, trials, loss_threshold=-8.0, early_stop_fn=callback)
    assert len(trials) == 2


def test_an_inner_search_takes_what_the_outer_one_has_queued_and_none_is_evaluated_twice(trials: Trials) -> None:
    calls: list[float] = []

    def objective(x: float) -> float:
        calls.append(x)
        if len(calls) == 1:
            search(objective, 4, trials)
        return x**2

    search(objective, 6, trials, max_queue_len=3)
    assert len(trials) == len(calls) == len(set(calls)) == 6
    assert is_sound(trials)


@pytest.mark.parametrize("pair", [(10, 16), (16, 10), (12, 12)])
def test_threads_that_share_trials_each_reach_their_number_of_trials(trials: Trials, pair: tuple[int, int]) -> None:
    failures: list[BaseException] = []
    calls: list[float] = []
    both = threading.Barrier(2, timeout=60)
    met = threading.Event()

    def objective(x: float, ctrl: Ctrl) -> float:
        if not met.is_set():  # the first trial of each thread is under way at the same time
            both.wait()
            met.set()
        calls.append(x)
        ctrl.report(0, x)
        ctrl.attachments["x"] = b"1"
        return x

    def run(max_evals: int) -> None:
        try:
            search(objective, max_evals, trials)
        except BaseException as error:  # noqa: BLE001 - the test tells it
            failures.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in pair]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    trials.refresh()
    assert max(pair) <= len(trials) == len(calls) <= max(pair) + 1
    assert is_sound(trials)
