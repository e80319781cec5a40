"""hyperopt.anneal: simulated annealing."""

from hstore.engine.algorithms.anneal import AnnealingAlgo, suggest, suggest_batch

__all__ = ["AnnealingAlgo", "suggest", "suggest_batch"]
