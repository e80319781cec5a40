"""A mix of algorithms: each suggestion comes from one of several, drawn by given probabilities.

The names are those of hyperopt.mix.
"""

from hstore.engine.algorithms.mix import suggest

__all__ = ["suggest"]
