"""Quasi-random search: scrambled Sobol points of the prior, spread evenly. `fmin(…, algo=qmc.suggest)`."""

from hstore.engine.algorithms.qmc import suggest

__all__ = ["suggest"]
