"""Adaptive TPE: trained models choose TPE's settings, by an installed hyperopt. `fmin(…, algo=atpe.suggest)`.

The names are those of hyperopt.atpe.
"""

from hstore.engine.hyperopt.atpe import suggest

__all__ = ["suggest"]
