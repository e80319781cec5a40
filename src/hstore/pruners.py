"""Rules that stop hopeless trials early: `fmin(…, pruner=pruners.asha(min_steps=2))`."""

from hstore.engine.pruners import PRUNERS, Curve, Pruner, asha, auto, hyperband, median

__all__ = ["PRUNERS", "Curve", "Pruner", "asha", "auto", "hyperband", "median"]
