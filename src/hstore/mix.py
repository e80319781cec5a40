"""hyperopt.mix: a mix of algorithms."""

from hstore.engine.algorithms.mix import suggest

__all__ = ["suggest"]
