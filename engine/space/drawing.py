"""Drawing: how a raw value of each kind of parameter is drawn from the prior, with the same bits on every machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from hstore.engine import portable
from hstore.store.errors import BadSearchSpace

if TYPE_CHECKING:
    from hstore.engine.space.parameter import Parameter, Value


def _unknown(parameter: Parameter, rng: np.random.Generator) -> float:
    raise BadSearchSpace(f"{parameter.label}: what it is drawn from is not known", label=parameter.label)


Draw: TypeAlias = "Callable[[Parameter, np.random.Generator], Value]"


def _uniform(parameter: Parameter, rng: np.random.Generator) -> float:
    return portable.uniform(rng, parameter.low, parameter.high)  # type: ignore[arg-type]


def _normal(parameter: Parameter, rng: np.random.Generator) -> float:
    return portable.normal(rng, parameter.mu, parameter.sigma)  # type: ignore[arg-type]


def _log(draw: Callable[[Parameter, np.random.Generator], float]) -> Draw:
    return lambda parameter, rng: portable.exp(draw(parameter, rng))


def _rounded(draw: Draw) -> Draw:
    # round() halves to even, as numpy's does.
    return lambda parameter, rng: round(draw(parameter, rng) / parameter.q) * parameter.q  # type: ignore[operator]


def _integer(parameter: Parameter, rng: np.random.Generator) -> int:
    assert parameter.low is not None
    assert parameter.high is not None
    return int(rng.integers(int(parameter.low), int(parameter.high)))


def _categorical(parameter: Parameter, rng: np.random.Generator) -> int:
    return int(rng.multinomial(1, parameter.p).argmax())  # type: ignore[arg-type]


DRAWS: dict[str, Draw] = {
    "uniform": _uniform,
    "quniform": _rounded(_uniform),
    "uniformint": _rounded(_uniform),
    "loguniform": _log(_uniform),
    "qloguniform": _rounded(_log(_uniform)),
    "normal": _normal,
    "qnormal": _rounded(_normal),
    "lognormal": _log(_normal),
    "qlognormal": _rounded(_log(_normal)),
    "randint": _integer,
    "choice": _integer,
    "pchoice": _categorical,
    "seen": _unknown,
}
