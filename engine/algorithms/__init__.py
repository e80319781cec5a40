"""The search algorithms, one pure function each, and the table of their names."""

from hstore.engine.algorithms import anneal, auto, cmaes, gp, grid, mix, mtpe, qmc, rand, tpe
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.exhausted import Exhausted
from hstore.engine.algorithms.known_algorithms import (
    ALGORITHMS,
    CustomAlgorithm,
    describe_algorithm,
    named,
    recorded_algorithm,
    register,
    resolve,
    why_unknown,
)
from hstore.engine.algorithms.recorded_choice import choose_recorded, recorded_densities, recorded_shortfall

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "CustomAlgorithm",
    "Exhausted",
    "choose_recorded",
    "describe_algorithm",
    "named",
    "recorded_algorithm",
    "recorded_densities",
    "recorded_shortfall",
    "resolve",
    "why_unknown",
]

register(rand.suggest, tpe.suggest, anneal.suggest, mix.suggest, mtpe.suggest, qmc.suggest, grid.suggest)
register(cmaes.suggest, gp.suggest, auto.suggest)
