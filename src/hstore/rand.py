"""hyperopt.rand: draws from the prior."""

from hstore.engine.algorithms.rand import suggest

__all__ = ["suggest"]
