"""A Gaussian process and expected improvement, for searches of up to some hundred trials."""

from hstore.engine.algorithms.gp import suggest

__all__ = ["suggest"]
