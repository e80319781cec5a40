"""Calls of fmin as the tests of it make them."""

from functools import partial
from typing import Any

from hstore import MongoTrials, fmin, hp

SPACE = {"x": hp.uniform("x", -2, 2), "c": hp.choice("c", ["a", {"deep": hp.normal("y", 0, 1)}])}


def square(config: dict[str, Any]) -> float:
    return float(config["x"] ** 2)


def serial(trials: MongoTrials) -> MongoTrials:
    """Have fmin evaluate *trials* itself."""
    trials.asynchronous = False
    return trials


quiet = partial(fmin, verbose=False)
