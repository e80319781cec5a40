"""The modern tree-structured Parzen estimator."""

from hstore.engine.algorithms.mtpe import suggest

__all__ = ["suggest"]
