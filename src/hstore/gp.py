"""A Gaussian process with expected improvement, for searches of up to some hundred trials: `algo=gp.suggest`."""

from hstore.engine.algorithms.gp import suggest

__all__ = ["suggest"]
