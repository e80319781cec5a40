"""Build hyperparameters from expressions, and find the conditions under which they are drawn.

The names are those of hyperopt.pyll_utils.
"""

from hstore.engine.hyperopt.conditions import EQ, Cond, expr_to_config
from hstore.engine.space.expressions import Apply, Literal, MissingArgument, as_apply
from hstore.engine.space.functions import hyperopt_param
from hstore.engine.space.hp import choice as hp_choice
from hstore.engine.space.hp import lognormal as hp_lognormal
from hstore.engine.space.hp import loguniform as hp_loguniform
from hstore.engine.space.hp import normal as hp_normal
from hstore.engine.space.hp import pchoice as hp_pchoice
from hstore.engine.space.hp import qlognormal as hp_qlognormal
from hstore.engine.space.hp import qloguniform as hp_qloguniform
from hstore.engine.space.hp import qnormal as hp_qnormal
from hstore.engine.space.hp import quniform as hp_quniform
from hstore.engine.space.hp import randint as hp_randint
from hstore.engine.space.hp import uniform as hp_uniform
from hstore.engine.space.hp import uniformint as hp_uniformint
from hstore.engine.space.hp import validate_distribution_range, validate_label
from hstore.engine.space.symbols import scope
from hstore.store.errors import DuplicateLabel

__all__ = [
    "EQ",
    "Apply",
    "Cond",
    "DuplicateLabel",
    "Literal",
    "MissingArgument",
    "as_apply",
    "expr_to_config",
    "hp_choice",
    "hp_lognormal",
    "hp_loguniform",
    "hp_normal",
    "hp_pchoice",
    "hp_qlognormal",
    "hp_qloguniform",
    "hp_qnormal",
    "hp_quniform",
    "hp_randint",
    "hp_uniform",
    "hp_uniformint",
    "hyperopt_param",
    "scope",
    "validate_distribution_range",
    "validate_label",
]
