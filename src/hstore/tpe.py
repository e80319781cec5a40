"""hyperopt.tpe: the tree-structured Parzen estimator."""

from hstore.engine.algorithms.tpe import suggest

__all__ = ["suggest"]
