"""The expressions that search spaces are written in.

The names are those of hyperopt.pyll.
"""

from hstore.engine.space.evaluation import rec_eval
from hstore.engine.space.expressions import Apply, Literal, as_apply, dfs
from hstore.engine.space.graphs import clone, clone_merge, toposort
from hstore.engine.space.symbols import scope
from hstore.pyll import base, stochastic

__all__ = [
    "Apply",
    "Literal",
    "as_apply",
    "base",
    "clone",
    "clone_merge",
    "dfs",
    "rec_eval",
    "scope",
    "stochastic",
    "toposort",
]
