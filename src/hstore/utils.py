"""hyperopt.utils: what hyperopt's users found there."""

from hstore.engine.directories import get_closest_dir, path_split_all, temp_dir, working_dir
from hstore.engine.document_versions import coarse_utcnow, fast_isin, get_most_recent_inds
from hstore.engine.dotted_names import get_obj, import_tokens, json_call, json_lookup, load_tokens
from hstore.engine.literals import use_obj_for_literal_in_memo
from hstore.engine.losses import pmin_sampled

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
