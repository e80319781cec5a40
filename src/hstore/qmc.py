"""Quasi-random search: scrambled Sobol points of the prior."""

from hstore.engine.algorithms.qmc import suggest

__all__ = ["suggest"]
