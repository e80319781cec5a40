"""hyperopt.atpe: adaptive TPE, by an installed hyperopt."""

from hstore.engine.atpe import suggest

__all__ = ["suggest"]
