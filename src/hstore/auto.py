"""Search by whichever algorithm has earned it, the default: for `algo=auto.suggest`."""

from hstore.engine.algorithms.auto import suggest

__all__ = ["suggest"]
