"""`recommended` of an experiment and of trials, `fmin(replicates=…)`, and the commands that show them."""

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.cli.commands import run

from hstore import Trials, fmin, hp
from hstore.engine.audit.check import check
from hstore.engine.audit.replay import derive_again
from hstore.store.errors import AllTrialsFailed, InvalidValue
from hstore.store.store import Store

SPACE = {"x": hp.uniform("x", -5, 5), "k": hp.choice("k", ["a", "b"])}


def noisy(seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    return lambda c: (c["x"] - 1) ** 2 + (c["k"] == "b") + 0.5 * rng.normal()


def search(store: Store, objective: Any, n: int = 30, **options: Any) -> Any:
    return fmin(objective, SPACE, max_evals=n, experiment="e", store=store, rstate=0, verbose=False, **options)


def test_replicates_are_trials_of_their_own_that_replay_derives_and_a_resumed_search_goes_on_with(
    store: Store,
) -> None:
    objective = noisy()
    for n in (23, 30):
        best = search(store, objective, n, algo="mtpe", replicates=3)
    experiment = store.experiment("e")
    repeats = [t for t in experiment.trials if "replicate_of" in ((t.queued and t.queued.algorithm) or {})]
    assert repeats
    for trial in repeats:
        assert trial.queued is not None
        assert trial.queued.algorithm is not None
        assert dict(experiment.trials[trial.queued.algorithm["replicate_of"]].point) == dict(trial.point)
    assert derive_again(experiment).is_same
    assert not store.is_durable or not check(store, "e")
    found = experiment.recommended
    assert found.is_noisy
    assert best == dict(found.point)
    assert search(store, objective, algo="mtpe", replicates=3, return_recommended=False) == dict(experiment.best.point)
    assert search(store, objective, algo="mtpe", replicates=3, return_argmin=False)["k"] == found.params["k"]


def test_without_noise_the_best_is_recommended_and_nothing_is_repeated() -> None:
    trials = Trials()
    best = fmin(lambda c: c["x"] ** 2, SPACE, max_evals=20, trials=trials, rstate=0, verbose=False)
    found = trials.recommended
    assert (found.point, found.expected, found.is_noisy) == (best, trials.best_trial["result"]["loss"], False)
    shown = fmin(lambda c: c["x"] ** 2, SPACE, max_evals=20, rstate=0, verbose=False, return_recommended=True)
    assert shown == best
    assert len({tuple(sorted(t.point.items())) for t in trials.experiment.trials}) == 20


def test_void_pruned_infeasible_and_failed_trials_are_not_recommended() -> None:
    ends: Iterator[dict[str, Any]] = iter([
        {"loss": 3.0}, {"loss": 0.0}, {"loss": 1.0, "constraints": [1.0]}, {"loss": 0.5, "status": "fail"},
        {"loss": 2.0},
    ])  # fmt: skip
    trials = Trials()
    fmin(lambda _: {"status": "ok", "loss_variance": 0.1, **next(ends)}, SPACE, "rand", 5, trials=trials, rstate=0,
         verbose=False)  # fmt: skip
    trials.experiment.void(1, reason="wrong data")
    found = trials.recommended
    assert (found.tid, found.expected) == (4, 2.0)
    assert found.noise == pytest.approx(0.1**0.5)


def test_of_several_losses_and_of_nothing_there_is_no_recommendation() -> None:
    trials = Trials()
    with pytest.raises(AllTrialsFailed, match="no trial"):
        _ = trials.recommended
    fmin(lambda c: [c["x"], -c["x"]], SPACE, "rand", 4, trials=trials, rstate=0, verbose=False, objectives=2)
    with pytest.raises(AllTrialsFailed) as raised:
        _ = trials.recommended
    assert "several losses, so none is best" in str(raised.value)
    assert "Pareto front" in raised.value.hint
    for options in ({"replicates": 2}, {"return_recommended": True}):
        with pytest.raises(InvalidValue, match="of several losses there is a front"):
            fmin(lambda _: [0, 0], SPACE, "rand", 4, verbose=False, objectives=2, **options)
    with pytest.raises(InvalidValue, match="replicates must be"):
        fmin(lambda _: 0, SPACE, "rand", 4, verbose=False, replicates=0)
    with pytest.raises(InvalidValue, match="a function of your own"):
        fmin(lambda _: 0, SPACE, lambda *_: [], 4, verbose=False, replicates=2)


def test_show_and_best_print_what_is_recommended(mongo_url: str, mongo_store: Store) -> None:
    search(mongo_store, noisy(), replicates=3)
    found = mongo_store.experiment("e").recommended
    shown = run(mongo_url, "show", "e").stdout
    assert f"recommended trial {found.tid}, expected loss {found.expected:.6g} ±" in shown
    answer = json.loads(run(mongo_url, "show", "e", "--json").stdout)["recommended"]
    assert answer == json.loads(run(mongo_url, "best", "e", "--recommended", "--json").stdout)
    assert (answer["tid"], answer["point"], answer["is_noisy"]) == (found.tid, dict(found.point), True)
    assert run(mongo_url, "best", "e", "--recommended").stdout.startswith(f"trial {found.tid}, expected loss")
    last = found.trials[-1]
    assert len(found.trials) == 1 or f"evaluates the point of trial {found.tid} again" in run(
        mongo_url, "show", "e", str(last)
    ).stdout  # fmt: skip
    fmin(lambda c: c["x"], SPACE, "rand", 3, experiment="steady", store=mongo_store, rstate=0, verbose=False)
    assert "recommended" not in run(mongo_url, "show", "steady").stdout
    assert "nothing says that losses are noisy" in run(mongo_url, "best", "steady", "--recommended").stdout
    assert run(mongo_url, "best", "none", "--recommended").exit_code == 3
