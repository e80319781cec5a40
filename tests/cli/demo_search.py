"""The search that most tests of the commands look at."""

from typing import Any

import numpy as np

from hstore import fmin, hp, rand

SPACE = {
    "x": hp.uniform("x", -1, 1),
    "c": hp.choice("c", ["a", {"name": "b", "y": hp.normal("y", 0, 1)}]),
}


def objective(config: dict[str, Any]) -> Any:
    if config["x"] > 0.8:
        raise ValueError("too far")
    return {"status": "ok", "loss": config["x"] ** 2, "attachments": {"note": "hello"}}


def search(url: str) -> None:
    fmin(
        objective,
        SPACE,
        algo=rand.suggest,
        max_evals=12,
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment="demo",
        store=url,
        catch_eval_exceptions=True,
    )
