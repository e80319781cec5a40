"""CMA-ES on numerical labels."""

from hstore.engine.algorithms.cmaes import suggest

__all__ = ["suggest"]
