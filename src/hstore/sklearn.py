"""hyperopt.sklearn: searching the parameters of scikit-learn's estimators."""

from hstore.engine.evaluation.results import STATUS_OK
from hstore.engine.sklearn_search import HyperoptSearchCV

__all__ = ["STATUS_OK", "HyperoptSearchCV"]
