"""Distributions as expressions, and `sample`, which draws a value of an expression.

The names are those of hyperopt.pyll.stochastic.
"""

from hstore.engine.space.evaluation import rec_eval
from hstore.engine.space.expressions import as_apply, dfs
from hstore.engine.space.graphs import clone
from hstore.engine.space.stochastic import (
    categorical,
    choice,
    implicit_stochastic,
    implicit_stochastic_symbols,
    lognormal,
    loguniform,
    normal,
    one_of,
    qlognormal,
    qloguniform,
    qnormal,
    quniform,
    randint,
    randint_via_categorical,
    recursive_set_rng_kwarg,
    rng_from_seed,
    sample,
    uniform,
)
from hstore.engine.space.symbols import scope

__all__ = [
    "as_apply",
    "categorical",
    "choice",
    "clone",
    "dfs",
    "implicit_stochastic",
    "implicit_stochastic_symbols",
    "lognormal",
    "loguniform",
    "normal",
    "one_of",
    "qlognormal",
    "qloguniform",
    "qnormal",
    "quniform",
    "randint",
    "randint_via_categorical",
    "rec_eval",
    "recursive_set_rng_kwarg",
    "rng_from_seed",
    "sample",
    "scope",
    "uniform",
]
