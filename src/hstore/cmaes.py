"""CMA-ES on the numerical parameters, random draws for the others: `fmin(…, algo=cmaes.suggest)`."""

from hstore.engine.algorithms.cmaes import suggest

__all__ = ["suggest"]
