"""hyperopt.rand: draws from the prior."""

from hstore.engine.algorithms.rand import suggest, suggest_batch

__all__ = ["suggest", "suggest_batch"]
