"""The search algorithms, one pure function each, and the table of their names."""

from hstore.engine.algorithms import anneal, auto, gp, mix, mtpe, rand, tpe
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.names import (
    ALGORITHMS,
    CustomAlgorithm,
    describe_algorithm,
    is_portable,
    named,
    register,
    resolve,
    why_unknown,
)

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "CustomAlgorithm",
    "describe_algorithm",
    "is_portable",
    "named",
    "resolve",
    "why_unknown",
]

register(rand.suggest, tpe.suggest, anneal.suggest, mix.suggest, mtpe.suggest, gp.suggest, auto.suggest)
