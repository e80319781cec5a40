"""What a type checker says to users: `make check` reads this file, `make wheel-test` does so with the wheel alone.

Each `type: ignore` stands where a checker has to complain; mypy reports one that is not needed.
"""

from typing import Any, assert_type

import hstore
from hstore import Experiment, Store, Trials, fmin, hp, tpe

SPACE = {"x": hp.uniform("x", -1, 1)}


def objective(config: dict[str, Any]) -> float:
    return float(config["x"]) ** 2


def suggest(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    return []


def search_as_documented() -> None:
    fmin(objective, SPACE, max_evals=10)
    fmin(objective, SPACE, algo="tpe", max_evals=10)
    fmin(objective, SPACE, algo=tpe.suggest, max_evals=10, trials=Trials())
    fmin(objective, SPACE, algo=hstore.partial(tpe.suggest, gamma=0.3), max_evals=10)
    fmin(objective, SPACE, algo=suggest, max_evals=10, experiment="mine", workers=4)
    hstore.fmin(objective, SPACE, hstore.rand.suggest, 10)


def search_with_mistakes() -> None:
    fmin(objective, SPACE, algo="tpee", max_evals=10)  # type: ignore[arg-type]
    fmin(objective, SPACE, algo=3, max_evals=10)  # type: ignore[arg-type]
    fmin(objective, SPACE, max_eval=10)  # type: ignore[call-arg]
    fmin(objective, SPACE, max_evals="10")  # type: ignore[arg-type]
    fmin(objective)  # type: ignore[call-arg]
    fmin(SPACE, objective)  # type: ignore[arg-type]
    hstore.fmin(objective, SPACE, algo="tpee", max_evals=10)  # type: ignore[arg-type]


def look_at_a_search() -> None:
    with hstore.open() as store:
        assert_type(store, Store)
        assert_type(store.experiment("mine"), Experiment)
        store.experiment(3)  # type: ignore[arg-type]


def catch_an_error() -> None:
    try:
        look_at_a_search()
    except hstore.errors.NotFound as error:
        assert_type(error, hstore.errors.NotFound)
        raise hstore.errors.NotHere from error  # type: ignore[attr-defined]
