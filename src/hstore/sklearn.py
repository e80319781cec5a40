"""hyperopt.sklearn: searching the parameters of scikit-learn's estimators."""

from hstore.engine.sklearn_search import HyperoptSearchCV

__all__ = ["HyperoptSearchCV"]
