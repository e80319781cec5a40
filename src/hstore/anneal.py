"""hyperopt.anneal: simulated annealing."""

from hstore.engine.algorithms.anneal import suggest

__all__ = ["suggest"]
