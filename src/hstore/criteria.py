"""Criteria for choosing the next point, such as expected improvement, as functions of a prediction.

The names are those of hyperopt.criteria.
"""

from hstore.engine.hyperopt.criteria import UCB, EI_empirical, EI_gaussian, EI_gaussian_empirical, logEI_gaussian

__all__ = ["UCB", "EI_empirical", "EI_gaussian", "EI_gaussian_empirical", "logEI_gaussian"]
