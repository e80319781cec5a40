"""A search by fmin has hyperopt's own trials: the same seeds, points and losses, in memory and in a real MongoDB."""

import math
import warnings
from functools import cache, partial
from typing import Any

import numpy as np
import pytest

import hstore
from hstore import MongoTrials, Trials, fmin, hp

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import hyperopt

COMMON: dict[str, Any] = {"max_evals": 150, "verbose": False}


def space(library: Any) -> Any:
    return {
        "x": library.uniform("x", -3, 3),
        "lr": library.loguniform("lr", -8, 0),
        "model": library.choice(
            "model",
            [
                {"name": "a"},
                {"name": "b", "depth": library.randint("depth", 3, 9)},
                {"name": "c", "w": library.normal("w", 0, 2), "v": library.lognormal("v", 0, 1)},
            ],
        ),
        "p": library.pchoice("p", [(0.2, 1), (0.5, 2), (0.3, 3)]),
    }


def objective(config: dict[str, Any]) -> Any:
    loss = config["x"] ** 2 + abs(math.log(config["lr"]) + 4) + config["p"] + config["model"].get("w", 0.0) ** 2
    if config["model"].get("depth") == 4:
        return {"status": "fail"}
    return {"status": "ok", "loss": math.nan if config["x"] > 2.8 else loss}


def algorithm(library: Any, name: str) -> Any:
    if name != "mix":
        return getattr(library, name).suggest
    parts = [(0.1, library.rand.suggest), (0.4, library.anneal.suggest), (0.5, library.tpe.suggest)]
    return partial(library.mix.suggest, p_suggest=parts)


@cache
def searched_by_hyperopt(algo: str) -> tuple[Any, dict[str, Any]]:
    """Return hyperopt's trials and best point, searched for once, wherever ours are kept."""
    trials = hyperopt.Trials()
    best = hyperopt.fmin(
        objective,
        space(hyperopt.hp),
        algo=algorithm(hyperopt, algo),
        trials=trials,
        rstate=np.random.default_rng(11),
        show_progressbar=False,
        **COMMON,
    )
    return trials, best


@pytest.mark.parametrize(
    ("algo", "where"),
    [
        pytest.param(algo, where, marks=pytest.mark.long if where == "mongo" and algo != "tpe" else ())
        for algo in ("rand", "tpe", "anneal", "mix")
        for where in ("memory", "mongo")
    ],
)
def test_the_trials_of_fmin_are_hyperopts(algo: str, where: str, request: pytest.FixtureRequest) -> None:
    ours = Trials() if where == "memory" else MongoTrials(request.getfixturevalue("mongo_url"), exp_key="same")
    ours.asynchronous = False
    best = fmin(
        objective,
        space(hp),
        algo=algorithm(hstore, algo),
        trials=ours,
        rstate=np.random.default_rng(11),
        **COMMON,
    )
    theirs, their_best = searched_by_hyperopt(algo)
    assert ours.idxs == theirs.idxs
    for label, values in theirs.vals.items():
        assert ours.vals[label] == pytest.approx([float(v) for v in values], rel=1e-9)
    assert np.allclose(np.array(ours.losses(), float), np.array(theirs.losses(), float), rtol=1e-9, equal_nan=True)
    assert best == pytest.approx(their_best, rel=1e-9)
