"""Grid search: each point of a finite space once."""

from hstore.engine.algorithms.grid import suggest

__all__ = ["suggest"]
