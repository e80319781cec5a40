"""Grid search: try each point of a finite space once. `fmin(…, algo=grid.suggest)`."""

from hstore.engine.algorithms.grid import suggest

__all__ = ["suggest"]
