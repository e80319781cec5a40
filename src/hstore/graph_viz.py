"""hyperopt.graph_viz: a search space as a picture."""

from hstore.engine.hyperopt.graph_viz import dot_hyperparameters

__all__ = ["dot_hyperparameters"]
