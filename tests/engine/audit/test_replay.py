"""What a search chose follows from its log again, whichever algorithm it was that chose."""

import math
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from hstore import MongoTrials, Store, Trials, anneal, fmin, gp, hp, mix, rand, tpe
from hstore.engine.algorithms import ALGORITHMS
from hstore.engine.algorithms.known_algorithms import _table
from hstore.engine.audit.replay import derive_again
from hstore.engine.search.fingerprint import fingerprint
from hstore.store.events import Changed

SPACE = {
    "x": hp.uniform("x", -3, 3),
    "model": hp.choice("model", [{"w": hp.lognormal("w", 0, 1)}, {"depth": hp.randint("depth", 3, 9)}]),
}
SPACES = {  # for those that cannot search everything
    "grid": {
        "x": hp.quniform("x", -3, 3, 0.25),
        "model": hp.choice("model", [{"w": hp.quniform("w", 1, 3, 1)}, {"depth": hp.randint("depth", 3, 9)}]),
    },
    "cmaes": {"x": hp.uniform("x", -3, 3), "model": {"w": hp.lognormal("w", 0, 1)}},
}
MIXED = partial(mix.suggest, p_suggest=[(0.2, rand.suggest), (0.4, anneal), (0.4, partial(tpe.suggest, gamma=0.5))])


def rugged(config: dict[str, Any]) -> Any:
    if config["x"] > 2.5:
        raise ArithmeticError("too far")
    if config["model"].get("depth") == 4:
        return {"status": "fail"}
    return math.nan if config["x"] < -2.8 else config["x"] ** 2 + config["model"].get("w", 1.0)


def search(trials: Trials, algo: Any, *, max_evals: int = 60, max_queue_len: int = 1) -> None:
    trials.asynchronous = False
    space = SPACES.get(algo, SPACE) if isinstance(algo, str) else SPACE
    fmin(
        rugged, space, algo=algo, max_evals=max_evals, max_queue_len=max_queue_len, trials=trials, rstate=7,
        verbose=False, catch_eval_exceptions=True,
    )  # fmt: skip


COSTLY = ("auto", "gp", "cmaes")


@pytest.mark.parametrize(
    ("algo", "max_queue_len"),
    [
        pytest.param(
            algo, n, id=f"{algo if isinstance(algo, str) else 'a mix of modules and partials'}-{n}",
            marks=pytest.mark.long if algo in COSTLY and (algo, n) != ("auto", 4) else (),
        )
        for algo in (*ALGORITHMS, MIXED) for n in (1, 4)
    ],
)  # fmt: skip
def test_every_suggestion_of_every_algorithm_is_derived_again(algo: Any, max_queue_len: int) -> None:
    trials = Trials()
    search(trials, algo, max_queue_len=max_queue_len)
    came = derive_again(trials.experiment)
    assert (came.suggested, came.skipped, came.differences) == (60, (), ())


def test_a_mix_is_derived_again_from_what_a_database_holds_of_it(mongo_store: Store) -> None:
    search(MongoTrials(mongo_store, exp_key="mixed"), MIXED, max_evals=40, max_queue_len=3)
    again = mongo_store.experiment("mixed")
    assert derive_again(again).suggested == 40
    assert derive_again(again).is_same
    # Going on is no change of algorithm: what the log holds is what the call means.
    search(MongoTrials(mongo_store, exp_key="mixed"), MIXED, max_evals=45)
    again.refresh()
    changes = [event for event in again.chain(None) if isinstance(event, Changed)]
    assert [(change.limits is None, change.algorithm) for change in changes] == [(False, None)]
    assert derive_again(again).suggested == 45
    assert derive_again(again).is_same


def test_a_mix_with_a_function_of_ones_own_searches_and_says_what_cannot_be_derived() -> None:
    asked: list[int] = []

    def own(new_ids: Any, domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
        asked.append(seed)
        return rand.suggest(new_ids, domain, trials, seed)

    trials = Trials()
    search(trials, partial(mix.suggest, p_suggest=[(0.5, own), (0.5, tpe.suggest)]), max_evals=30)
    assert len(trials.experiment.state.trials) == 30
    assert 0 < len(asked) < 30
    came = derive_again(trials.experiment)
    assert (came.suggested, len(came.skipped)) == (0, 30)
    assert "chosen by mix with" in came.skipped[0][1]
    assert "own, which is not part of this hstore" in came.skipped[0][1]


def test_anneal_may_queue_several_trials_at_once() -> None:
    trials = Trials()
    search(trials, anneal.suggest, max_evals=12, max_queue_len=4)
    queued = [trial.queued for trial in trials.experiment.state.trials.values()]
    assert [decision.batch for decision in queued if decision is not None][:4] == [[0, 4]] * 4
    assert len({tuple(decision.point.items()) for decision in queued if decision is not None}) == 12


def on_another_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hstore.engine.audit.replay.fingerprint", lambda: fingerprint() | {"cpu": ["ABACUS"]})


def nudged(choose: Any, by: float) -> Any:
    return lambda *args, **settings: {
        label: value + by if label == "x" else value for label, value in choose(*args, **settings).items()
    }


@pytest.mark.parametrize(
    ("by", "least", "most"),
    [(0.0, 0, 0), (6e-4, 0, 0), (0.06, 14, 15), pytest.param(0.3, 15, 15, marks=pytest.mark.long)],
)
def test_what_another_kind_of_machine_chose_is_compared_within_a_tolerance(
    by: float, least: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trials = Trials()
    with monkeypatch.context() as there:
        there.setitem(_table, "gp", replace(gp.suggest, choose=nudged(gp.suggest.choose, by)))
        search(trials, "gp", max_evals=15)
    on_another_machine(monkeypatch)
    came = derive_again(trials.experiment)
    assert (came.suggested, came.approximate) == (15, 15)
    assert least <= len(came.differences) <= most  # a point moved by a hundredth of its range may be worth as much
    assert len(came.differences) + came.equivalent == most
    assert all(difference.is_explained for difference in came.differences)


def test_a_point_worth_as_much_is_equivalent_on_another_kind_of_machine_and_different_on_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials = Trials()
    search(trials, "gp", max_evals=15)
    monkeypatch.setitem(_table, "gp", replace(gp.suggest, choose=nudged(gp.suggest.choose, 0.06)))
    assert len(derive_again(trials.experiment).differences) == 15
    on_another_machine(monkeypatch)
    came = derive_again(trials.experiment)
    assert came.equivalent + len(came.differences) == 15
    assert came.equivalent >= 14  # the points in the log are the best; those found here are not
    assert came.is_same == (came.equivalent == 15)


def test_a_replay_names_what_differs_between_the_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    trials = Trials()
    search(trials, "gp", max_evals=3)
    assert derive_again(trials.experiment).machines == ()
    ours = fingerprint()
    features = [*ours["cpu"][1:], "ABACUS"]
    other = {**ours, "numpy": "99.1", "scipy": "98.2", "cpu": features, "battery": "0", "hstore": "9", "python": "4"}
    monkeypatch.setattr("hstore.engine.audit.replay.fingerprint", lambda: other)
    assert derive_again(trials.experiment).machines == (
        f"hstore {ours['hstore']}, here 9", f"python {ours['python']}, here 4",
        f"numpy {ours['numpy']}, here 99.1", f"scipy {ours['scipy']}, here 98.2",
        f"CPU features only there: {ours['cpu'][0]}", "CPU features only here: ABACUS",
        "BLAS or the processor rounds differently",
    )  # fmt: skip


def test_bits_count_on_a_machine_of_the_same_kind_and_of_portable_algorithms_anywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trials, portable = Trials(), Trials()
    search(trials, "gp", max_evals=3)
    search(portable, "rand", max_evals=3)
    monkeypatch.setitem(_table, "gp", replace(gp.suggest, choose=nudged(gp.suggest.choose, 1e-9)))
    monkeypatch.setitem(_table, "rand", replace(rand.suggest, choose=nudged(rand.suggest.choose, 1e-9)))
    assert len(derive_again(trials.experiment).differences) == 3
    on_another_machine(monkeypatch)
    came = derive_again(portable.experiment)
    assert (came.approximate, len(came.differences)) == (0, 3)
    assert not came.differences[0].is_explained
