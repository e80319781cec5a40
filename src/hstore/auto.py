"""The default algorithm of `fmin`: a Gaussian process, and other algorithms while that finds nothing better."""

from hstore.engine.algorithms.auto import suggest

__all__ = ["suggest"]
