"""Search the parameters of scikit-learn's estimators by cross-validation: `HyperoptSearchCV`.

The names are those of hyperopt.sklearn.
"""

from hstore.engine.evaluation.results import STATUS_OK
from hstore.engine.sklearn_search import HyperoptSearchCV

__all__ = ["STATUS_OK", "HyperoptSearchCV"]
