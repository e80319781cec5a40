"""Portfolio: a Gaussian process by default, others when it stalls. The default algorithm of `fmin`."""

from hstore.engine.algorithms.auto import suggest

__all__ = ["suggest"]
