"""The rules that stop hopeless trials early: `fmin(…, pruner=pruners.asha(min_steps=2))`."""

from hstore.engine.pruners import PRUNERS, Pruner, asha, hyperband, median

__all__ = ["PRUNERS", "Pruner", "asha", "hyperband", "median"]
