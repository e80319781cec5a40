"""Simulated annealing: draw near good trials, ever nearer as the search goes on. `fmin(…, algo=anneal.suggest)`.

The names are those of hyperopt.anneal.
"""

from hstore.engine.algorithms.anneal import AnnealingAlgo, suggest, suggest_batch

__all__ = ["AnnealingAlgo", "suggest", "suggest_batch"]
