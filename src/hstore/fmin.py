"""Search for the minimum of a function, and what such a search is made of. `hstore.fmin` itself is the function.

The names are those of hyperopt.fmin.
"""

from hstore.engine.fmin import (
    fmin,
    fmin_pass_expr_memo_ctrl,
    generate_trials_to_calculate,
    partial,
    validate_loss_threshold,
    validate_timeout,
)
from hstore.engine.hyperopt.documents import generate_trial
from hstore.engine.hyperopt.fmin_iter import FMinIter
from hstore.engine.space import space_eval

__all__ = [
    "FMinIter",
    "fmin",
    "fmin_pass_expr_memo_ctrl",
    "generate_trial",
    "generate_trials_to_calculate",
    "partial",
    "space_eval",
    "validate_loss_threshold",
    "validate_timeout",
]
