"""hyperopt.atpe: adaptive TPE, by an installed hyperopt."""

from hstore.engine.hyperopt.atpe import suggest

__all__ = ["suggest"]
