"""Search the parameters of scikit-learn's estimators by cross-validation: `HstoreSearchCV`.

`HyperoptSearchCV` is the same. That name and STATUS_OK are those of hyperopt.sklearn.
"""

from hstore.engine.evaluation.results import STATUS_OK
from hstore.engine.sklearn_search import HstoreSearchCV, HyperoptSearchCV

__all__ = ["STATUS_OK", "HstoreSearchCV", "HyperoptSearchCV"]
