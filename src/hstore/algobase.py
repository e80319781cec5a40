"""Algorithms as classes, for programs that subclass hyperopt's.

The names are those of hyperopt.algobase.
"""

from hstore.engine.algorithms.label_by_label import SuggestAlgo

__all__ = ["SuggestAlgo"]
