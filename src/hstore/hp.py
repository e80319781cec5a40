"""The distributions of hyperparameters, to write a search space with: `{"lr": hp.loguniform("lr", -9, 0)}`.

The names are those of hyperopt.hp.
"""

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
