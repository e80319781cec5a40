"""hyperopt.criteria: what a point is worth trying."""

from hstore.engine.hyperopt.criteria import UCB, EI_empirical, EI_gaussian, EI_gaussian_empirical, logEI_gaussian

__all__ = ["UCB", "EI_empirical", "EI_gaussian", "EI_gaussian_empirical", "logEI_gaussian"]
