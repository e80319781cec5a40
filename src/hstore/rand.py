"""Random search: each point is drawn from the prior. `fmin(…, algo=rand.suggest)`.

The names are those of hyperopt.rand.
"""

from hstore.engine.algorithms.rand import suggest, suggest_batch

__all__ = ["suggest", "suggest_batch"]
