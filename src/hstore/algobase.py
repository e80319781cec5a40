"""hyperopt.algobase: algorithms as classes."""

from hstore.engine.algorithms.label_by_label import SuggestAlgo

__all__ = ["SuggestAlgo"]
