"""hyperopt.hp: the distributions of hyperparameters, and `log`, `int` and `float`, which take bounds as values."""

from hstore.engine.space.hp import (
    choice,
    lognormal,
    loguniform,
    normal,
    pchoice,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    uniform,
    uniformint,
)
from hstore.engine.space.natural_bounds import float as float  # not in __all__: `import *` would hide built-ins
from hstore.engine.space.natural_bounds import int as int
from hstore.engine.space.natural_bounds import log as log

__all__ = [
    "choice",
    "lognormal",
    "loguniform",
    "normal",
    "pchoice",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "uniform",
    "uniformint",
]
