"""The distributions of hyperparameters with the interface of scipy.stats.

The names are those of hyperopt.rdists.
"""

from hstore.engine.hyperopt.rdists import (
    lognorm_gen,
    loguniform_gen,
    qlognormal_gen,
    qloguniform_gen,
    qnormal_gen,
    qtable_logpmf,
    qtable_pmf,
    quniform_gen,
    safe_int_cast,
)

__all__ = [
    "lognorm_gen",
    "loguniform_gen",
    "qlognormal_gen",
    "qloguniform_gen",
    "qnormal_gen",
    "qtable_logpmf",
    "qtable_pmf",
    "quniform_gen",
    "safe_int_cast",
]
