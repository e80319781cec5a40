"""A fork tries next what its source tried next, unless it is told to go on differently."""

from __future__ import annotations

from typing import Any

import pytest
from tests.workers.serving import worker_here

from hstore import fmin, hp
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.engine.search.forked_search import fork_search
from hstore.engine.space import compile_space
from hstore.store.errors import InvalidValue, NotFound
from hstore.store.experiment import Experiment
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -1, 1), "c": hp.choice("c", [0, {"y": hp.lognormal("y", 0, 1)}])}
NARROW = {"x": hp.uniform("x", -1, 0), "z": hp.uniform("z", 0, 1)}


def objective(config: dict[str, Any]) -> float:
    return abs(float(config["x"]))


def search(store: Store, name: str, n: int, algo: Any = "rand", **more: Any) -> Experiment:
    fmin(
        more.pop("fn", objective),
        more.pop("space", SPACE),
        algo,
        n,
        verbose=False,
        experiment=name,
        store=store,
        **more,
    )
    return store.experiment(name)


def never(config: dict[str, Any]) -> float:
    raise AssertionError("nothing is evaluated again")


@pytest.mark.parametrize("algo", ["rand", "tpe", "auto"])
def test_the_next_trials_of_a_fork_are_those_that_its_source_tried_next(algo: str, mongo_store: Store) -> None:
    source = search(mongo_store, "a", 24, algo, rstate=3)
    made = search(mongo_store, "b", 24, algo, rstate=3, fork_from="a", at=21)
    assert [trial.point for trial in made.trials] == [trial.point for trial in source.trials]
    assert made.digest(20, 0) == source.digest(20, 0)
    again = search(mongo_store, "b", 24, algo, rstate=3, fork_from="a", at=21, fn=never)
    assert len(again.trials) == 24
    assert derive_again(made).is_same
    assert check(mongo_store, "b") == []


@pytest.mark.long
def test_a_fork_of_a_search_with_workers_decides_first_what_its_source_decided(
    mongo_url: str, mongo_store: Store
) -> None:
    with worker_here(mongo_url, slots=2):
        source = search(mongo_store, "a", 16, "tpe", rstate=3, workers=0, max_queue_len=4)
    unlike = []
    for at in (1, 4, 7, 11, 15):  # some of them in the middle of decisions that were made together
        made = search(mongo_store, f"b{at}", 16, None, fork_from="a", at=at)
        unlike += [at] if made.trials[at].point != source.trials[at].point else []
        assert len(made.trials) == 16
        assert derive_again(made).is_same
        assert check(mongo_store, made.name) == []
    assert unlike == []


def test_a_fork_of_a_search_that_goes_on_leaves_it_alone_and_evaluates_what_was_under_way(mongo_store: Store) -> None:
    forked: list[Experiment] = []

    def objective(config: dict[str, Any]) -> float:
        if not forked and len(mongo_store.experiment("a").trials) == 4:
            forked.append(mongo_store.fork("a", "b"))
        return float(config["x"])

    source = search(mongo_store, "a", 6, fn=objective, rstate=3)
    assert [trial.state for trial in forked[0].trials] == ["done", "done", "done", "queued"]
    made = search(mongo_store, "b", 6, None, rstate=3)
    assert [trial.point for trial in made.trials] == [trial.point for trial in source.trials]
    assert check(mongo_store, "a") == check(mongo_store, "b") == []
    assert derive_again(made).is_same


def test_a_fork_may_go_on_with_another_algorithm_and_other_seeds(mongo_store: Store) -> None:
    source = search(mongo_store, "a", 8, "rand", rstate=3)
    fork_search(mongo_store, "a", "b", at=5, algo="tpe", seed=4)
    made = search(mongo_store, "b", 8, None)
    assert made.state.algorithm["name"] == "tpe"
    assert [trial.point for trial in made.trials[:5]] == [trial.point for trial in source.trials[:5]]
    assert made.trials[5].point != source.trials[5].point
    assert derive_again(made).is_same
    with pytest.raises(InvalidValue, match="no algorithm is called"):
        fork_search(mongo_store, "a", "c", algo="nope")
    assert mongo_store.experiments() == ["a", "b"]


def test_in_another_space_a_fork_knows_the_trials_that_fit(mongo_store: Store, messages: list[str]) -> None:
    source = search(mongo_store, "a", 12, "rand", rstate=3)
    fit = [trial for trial in source.trials[:10] if trial.params["x"] <= 0]
    space = compile_space(NARROW)
    made = fork_search(mongo_store, "a", "b", at=10, space=space)
    assert made.state.forked is not None
    assert made.state.forked.left_out == 10 - len(fit)
    assert [(trial.params["x"], trial.loss) for trial in made.trials] == [(t.params["x"], t.loss) for t in fit]
    with pytest.raises(InvalidValue, match="already"):
        fork_search(mongo_store, "a", "b", at=10, space=space)
    for n in (3, 5):  # on top of those that it knows, by the same call and by itself
        forked = search(mongo_store, "c", n, "tpe", space=NARROW, fork_from="a", at=10)
        assert len(forked.trials) == len(fit) + n
        assert check(mongo_store, "c") == []
    assert any("do not fit the space" in message for message in messages)
    assert derive_again(forked).is_same


def stopped_early(config: dict[str, Any], ctrl: Any) -> float:
    for step in range(1, 5):
        ctrl.report(step, abs(config["x"]) + 1 / step)
        if ctrl.should_stop():
            break
    return abs(float(config["x"]))


def test_a_fork_knows_which_trials_were_stopped_early_and_stops_those_that_its_source_stopped(
    mongo_store: Store,
) -> None:
    pruned = {"fn": stopped_early, "pruner": {"name": "median", "settings": {"startup_trials": 3}}, "rstate": 3}
    source = search(mongo_store, "a", 14, "tpe", **pruned)
    stopped = [trial.tid for trial in source.trials if trial.is_pruned]
    assert len([tid for tid in stopped if tid < 9]) > 1
    assert any(tid > 9 for tid in stopped)
    made = fork_search(mongo_store, "a", "b", at=9)
    assert [(t.is_pruned, t.loss, t.last_report) for t in made.trials] == [
        (t.is_pruned, t.loss, t.last_report) for t in source.trials[:9]
    ]
    made = search(mongo_store, "b", 14, "tpe", **pruned)
    assert [trial.tid for trial in made.trials if trial.is_pruned] == stopped
    assert [trial.point for trial in made.trials] == [trial.point for trial in source.trials]
    assert derive_again(made).is_same
    assert check(mongo_store, "b") == []
    other = fork_search(mongo_store, "a", "c", at=9, space=compile_space(NARROW))
    assert not any(trial.is_pruned for trial in other.trials)  # they have no result
    assert check(mongo_store, "c") == []


def test_fork_from_asks_for_a_new_name_and_refuses_another_experiment_of_it(mongo_store: Store) -> None:
    search(mongo_store, "a", 4, rstate=3)
    search(mongo_store, "other", 1)
    for name, more, why in (
        ("other", {"fork_from": "a"}, "it is no fork"),
        ("a", {"fork_from": "a"}, "it is no fork"),
        ("b", {"at": 3}, "add fork_from"),
        ("b", {"fork_from": "a", "at": "noon"}, "no moment"),
    ):
        with pytest.raises(InvalidValue, match=why):
            search(mongo_store, name, 5, **more)
    with pytest.raises(InvalidValue, match="name of the new experiment"):
        fmin(objective, SPACE, "rand", 5, verbose=False, fork_from="a")
    with pytest.raises(NotFound, match="no decision 9"):
        search(mongo_store, "b", 5, fork_from="a", at=9)
    assert mongo_store.experiments() == ["a", "other"]
    search(mongo_store, "b", 5, fork_from="a", at=3)
    with pytest.raises(InvalidValue, match="a fork of 'a' at 3"):
        search(mongo_store, "b", 5, fork_from="a", at=2)
