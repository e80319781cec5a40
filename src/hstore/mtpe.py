"""A tree-structured Parzen estimator over all parameters at once: `fmin(…, algo=mtpe.suggest)`."""

from hstore.engine.algorithms.mtpe import suggest

__all__ = ["suggest"]
