"""Small functions that programs import from hyperopt.utils."""

from hstore.engine.hyperopt.losses import pmin_sampled
from hstore.engine.hyperopt.utils import (
    coarse_utcnow,
    fast_isin,
    get_closest_dir,
    get_most_recent_inds,
    get_obj,
    import_tokens,
    json_call,
    json_lookup,
    load_tokens,
    path_split_all,
    temp_dir,
    use_obj_for_literal_in_memo,
    working_dir,
)

__all__ = [
    "coarse_utcnow",
    "fast_isin",
    "get_closest_dir",
    "get_most_recent_inds",
    "get_obj",
    "import_tokens",
    "json_call",
    "json_lookup",
    "load_tokens",
    "path_split_all",
    "pmin_sampled",
    "temp_dir",
    "use_obj_for_literal_in_memo",
    "working_dir",
]
