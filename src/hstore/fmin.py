"""hyperopt.fmin: searching, and what is handed to it. `hstore.fmin` itself is the function."""

from hstore.engine.fmin import fmin, generate_trials_to_calculate
from hstore.engine.space import space_eval

__all__ = ["fmin", "generate_trials_to_calculate", "space_eval"]
