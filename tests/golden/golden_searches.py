"""The searches whose logs are kept as golden files: a space, an objective, an algorithm and what people do.

`make.py` runs them with the version whose logs are wanted, `test_golden.py` continues them with today's version. So
they use nothing but names that every version has.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from hstore import hp

MIXED = {
    "x": hp.uniform("x", -3, 3),
    "rate": hp.loguniform("rate", -7, 0),
    "model": hp.choice(
        "model",
        [{"w": hp.lognormal("w", 0, 1)}, {"depth": hp.randint("depth", 3, 9), "q": hp.quniform("q", 0, 1, 0.25)}],
    ),
}
CORNER = {"a": hp.uniform("a", 0, 1), "b": hp.quniform("b", 0, 10, 1), "c": hp.normal("c", 0, 1)}
LINE = {"q": hp.qnormal("q", 0, 1, 1)}
NUMBERS = {"x": hp.uniform("x", -3, 3), "y": hp.uniform("y", -3, 3)}
LARGE = 300_000
"""Bytes of an attachment that is kept in more than one chunk."""


def mixed(config: Any) -> float:
    """Return a loss with a minimum in each branch."""
    model = config["model"]
    own = (math.log(model["w"]) - 0.5) ** 2 if "w" in model else 0.2 + abs(model["depth"] - 6) / 4 + model["q"] / 5
    return float((config["x"] - 1) ** 2 + (math.log(config["rate"]) + 4) ** 2 / 6 + own)


def corner(config: Any) -> float:
    """Return a loss whose minimum is in a corner of the bounded labels, where a search comes again and again."""
    return float(config["a"] + config["b"] + max(abs(config["c"]) - 1.0, 0.0))


def rounded(config: Any) -> float:
    """Return the distance of the only label from 0."""
    return float(abs(config["q"]))


def bowl(config: Any) -> float:
    """Return a loss of two numbers, best at (0.5, -1)."""
    return float((config["x"] - 0.5) ** 2 + 3 * (config["y"] + 1) ** 2 + math.sin(3 * config["x"]))


def trained(config: Any, ctrl: Any) -> Any:
    """Report nine steps of a curve that ends at the bowl's loss, and stop when told."""
    final = bowl(config)
    for step in range(1, 10):
        ctrl.report(step, final + 8.0 / step)
        if ctrl.should_stop():
            break
    return final


def two_losses(config: Any) -> Any:
    """Return two losses that disagree, and a constraint that half of the points keep."""
    x, y = config["x"], config["y"]
    return {"status": "ok", "losses": [x**2 + y**2, (x - 2) ** 2 + y**2], "constraints": [y - x]}


def failing(config: Any) -> Any:
    """Raise, report a failure or return NaN on parts of the space."""
    if config["x"] > 2:
        raise ArithmeticError("too far")
    if config["x"] < -2.5:
        return {"status": "fail"}
    return math.nan if config["y"] > 2.5 else bowl(config)


def attaching(config: Any, ctrl: Any) -> Any:
    """Attach a short and a long text, and return a loss."""
    ctrl.attachments["note"] = f"x is {config['x']}".encode()
    if config["x"] > 1:
        ctrl.attachments["long"] = b"0123456789" * (LARGE // 10)
    return {"status": "ok", "loss": bowl(config), "attachments": {"curve": b"1 2 3"}}


@dataclass(frozen=True)
class Search:
    """One search, as `fmin` is called for it."""

    space: Any
    fn: Callable[..., Any]
    algo: Any
    """The algorithm's name."""
    max_evals: int
    seed: int = 7
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """Other arguments of fmin."""
    commands: tuple[tuple[str, ...], ...] = ()
    """What a person types afterwards, each time before the search goes on for *more* trials; EXP is the experiment."""
    more: int = 0


TAUGHT = {"points_to_evaluate": [{"x": 0.25, "y": -1.5}, {"x": 2.0, "y": 2.0}]}
BEARS_ERRORS = {"catch_eval_exceptions": True}

SEARCHES: Mapping[str, Search] = {
    "serial-rand": Search(MIXED, mixed, "rand", 12),
    "serial-tpe": Search(MIXED, mixed, "tpe", 35),
    "serial-anneal": Search(MIXED, mixed, "anneal", 25),
    "serial-mtpe": Search(MIXED, mixed, "mtpe", 30),
    "serial-qmc": Search(MIXED, mixed, "qmc", 16),
    "serial-auto": Search(MIXED, mixed, "auto", 40),
    "serial-gp": Search(MIXED, mixed, "gp", 20),
    "serial-cmaes": Search(NUMBERS, bowl, "cmaes", 25),
    "corner-auto": Search(CORNER, corner, "auto", 40),
    "corner-mtpe": Search(LINE, rounded, "mtpe", 40),
    "corner-qmc": Search(LINE, rounded, "qmc", 16),
    "workers-auto": Search(NUMBERS, bowl, "auto", 24, arguments={"workers": 2}),
    "workers-tpe": Search(MIXED, mixed, "tpe", 30, arguments={"workers": 2, "max_queue_len": 3}),
    "pruned-asha": Search(NUMBERS, trained, "auto", 24, arguments={"pruner": "asha"}),
    "pruned-workers": Search(NUMBERS, trained, "mtpe", 20, arguments={"pruner": "asha", "workers": 2}),
    "losses-auto": Search(NUMBERS, two_losses, "auto", 20, arguments={"objectives": 2}),
    "losses-tpe": Search(NUMBERS, two_losses, "tpe", 30, arguments={"objectives": 2}),
    "enqueued": Search(
        NUMBERS, bowl, "auto", 12, arguments=TAUGHT, commands=(("enqueue", "EXP", '{"x": -1, "y": 0.5}'),), more=4
    ),
    "failed-retried": Search(
        NUMBERS, failing, "auto", 20, arguments=BEARS_ERRORS, commands=(("retry", "EXP", "--failed"),), more=3
    ),
    "attachments": Search(NUMBERS, attaching, "rand", 8),
    "paused-resumed": Search(
        NUMBERS, bowl, "auto", 10, commands=(("resume", "EXP"), ("pause", "EXP"), ("resume", "EXP")), more=5
    ),
}  # fmt: skip
