"""hyperopt.graph_viz: a search space as a picture."""

from hstore.engine.dot import dot_hyperparameters

__all__ = ["dot_hyperparameters"]
