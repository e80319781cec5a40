"""Draw a search space as a graph, in the language of Graphviz.

The names are those of hyperopt.graph_viz.
"""

from hstore.engine.hyperopt.graph_viz import dot_hyperparameters

__all__ = ["dot_hyperparameters"]
