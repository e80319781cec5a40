"""Search by a Gaussian process: for `algo=gp.suggest`."""

from hstore.engine.algorithms.gp import suggest

__all__ = ["suggest"]
