"""Names that hyperopt's modules expose beside their own: what they import, and loggers. Programs reach through them.

`hyperopt.base.pyll.scope` is one; Ray Tune writes so. They are there under hyperopt's module names alone (see
`import_hook`), and are imported when they are asked for: some are as large as pymongo.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

LOGGER = "logger"
"""Stands for the module's logger, hyperopt.MODULE."""

IS_THERE = True
"""What hyperopt's modules say of pymongo and bson, which it can do without."""


def print_error(msg: object) -> None:
    """Print *msg* to stderr: hyperopt's `ERR`."""
    print(msg, file=sys.stderr)  # noqa: T201 - what it is for


# By module of hyperopt. `name` is a module of that name, `name=module` another one, `name=module:attribute` part of it.
_NAMES = {
    "": "PackageNotFoundError=importlib.metadata:PackageNotFoundError version=importlib.metadata:version "
    "std_out_err_redirect_tqdm=hstore.std_out_err_redirect_tqdm vectorize=hstore.engine.hyperopt.vectorize",
    "algobase": "copy deque=collections:deque miscs_update_idxs_vals=hstore.base:miscs_update_idxs_vals np=numpy "
    "pyll=hstore.pyll",
    "anneal": "SuggestAlgo=hstore.algobase:SuggestAlgo bincount=hstore.pyll.base:bincount logger logging "
    "categorical=hstore.pyll.stochastic:categorical lognormal=hstore.pyll.stochastic:lognormal "
    "loguniform=hstore.pyll.stochastic:loguniform miscs_to_idxs_vals=hstore.base:miscs_to_idxs_vals "
    "normal=hstore.pyll.stochastic:normal np=numpy qlognormal=hstore.pyll.stochastic:qlognormal "
    "qloguniform=hstore.pyll.stochastic:qloguniform qnormal=hstore.pyll.stochastic:qnormal "
    "quniform=hstore.pyll.stochastic:quniform uniform=hstore.pyll.stochastic:uniform",
    "atpe": "contextmanager=contextlib:contextmanager copy datetime functools hp=hstore.hp hyperopt=hyperopt "
    "json math "
    "numpy os random re resources=importlib.resources scipy tempfile",
    "base": "have_bson=hstore.engine.hyperopt.exposed_names:IS_THERE ObjectId=bson.objectid:ObjectId bson "
    "datetime logger logging np=numpy numbers pyll=hstore.pyll sys "
    "recursive_set_rng_kwarg=hstore.pyll.stochastic:recursive_set_rng_kwarg "
    "use_obj_for_literal_in_memo=hstore.utils:use_obj_for_literal_in_memo "
    "VectorizeHelper=hstore.engine.hyperopt.vectorize:VectorizeHelper",
    "criteria": "np=numpy scipy",
    "early_stop": "logger logging",
    "fmin": "base=hstore.base coarse_utcnow=hstore.utils:coarse_utcnow exceptions=hstore.exceptions functools "
    "inspect "
    "logger logging np=numpy os pickler=cloudpickle progress=hstore.progress pyll=hstore.pyll sys time "
    "timer=time:time tpe=hstore.tpe",
    "graph_viz": "expr_to_config=hstore.pyll_utils:expr_to_config io",
    "ipy": "Ctrl=hstore:Ctrl Domain=hstore:Domain Trials=hstore:Trials coarse_utcnow=hstore.utils:coarse_utcnow "
    "np=numpy sleep=time:sleep spec_from_misc=hstore.base:spec_from_misc sys time=time:time",
    "mix": "np=numpy",
    "mongoexp": "_has_mongo=hstore.engine.hyperopt.exposed_names:IS_THERE Ctrl=hstore:Ctrl "
    "InvalidTrial=hstore.exceptions:InvalidTrial SON=bson.son:SON "
    "SONify=hstore.base:SONify Trials=hstore:Trials coarse_utcnow=hstore.utils:coarse_utcnow copy "
    "fast_isin=hstore.utils:fast_isin get_most_recent_inds=hstore.utils:get_most_recent_inds gridfs "
    "json_call=hstore.utils:json_call logger logging numpy optparse os pickler=cloudpickle pymongo signal socket "
    "spec_from_misc=hstore.base:spec_from_misc subprocess sys temp_dir=hstore.utils:temp_dir time urllib warnings "
    "working_dir=hstore.utils:working_dir",
    "plotting": "base=hstore.base miscs_to_idxs_vals=hstore.base:miscs_to_idxs_vals np=numpy pickle",
    "progress": "contextlib std_out_err_redirect_tqdm=hstore.std_out_err_redirect_tqdm:std_out_err_redirect_tqdm "
    "tqdm=tqdm:tqdm",
    "pyll.base": "StringIO=io:StringIO copy deque=collections:deque logger logging np=numpy nx=networkx operator time",
    "pyll.stochastic": "ERR=hstore.engine.hyperopt.exposed_names:print_error np=numpy sys",
    "pyll_utils": "partial=functools:partial wraps=functools:wraps",
    "rand": "logger logging miscs_update_idxs_vals=hstore.base:miscs_update_idxs_vals np=numpy pyll=hstore.pyll",
    "rdists": "mtrand=numpy.random np=numpy rv_continuous=scipy.stats:rv_continuous scipy "
    "scipy_lognorm_gen=scipy.stats._continuous_distns:lognorm_gen",
    "sklearn": "BaseSearchCV=sklearn.model_selection._search:BaseSearchCV "
    "validate_data=sklearn.utils.validation:validate_data Trials=hstore:Trials fmin=hstore:fmin np=numpy "
    "is_classifier=sklearn.base:is_classifier "
    "check_array=sklearn.utils.validation:check_array "
    "check_classification_targets=sklearn.utils.multiclass:check_classification_targets "
    "unique_labels=sklearn.utils.multiclass:unique_labels",
    "spark": "Trials=hstore:Trials base=hstore.base coarse_utcnow=hstore.utils:coarse_utcnow copy fmin=hstore:fmin "
    "logger threading time timeit validate_loss_threshold=hstore.base:validate_loss_threshold "
    "validate_timeout=hstore.base:validate_timeout",
    "std_out_err_redirect_tqdm": "contextlib sys tqdm=tqdm:tqdm",
    "tpe": "implicit_stochastic=hstore.pyll.stochastic:implicit_stochastic logger logging "
    "miscs_to_idxs_vals=hstore.base:miscs_to_idxs_vals miscs_update_idxs_vals=hstore.base:miscs_update_idxs_vals "
    "np=numpy pyll=hstore.pyll rand=hstore.rand scope=hstore.pyll:scope time erf=scipy.special:erf",
    "utils": "contextmanager=contextlib:contextmanager datetime logger logging np=numpy numpy os pickler=cloudpickle "
    "pyll=hstore.pyll shutil sys uuid",
}


def exposed_by(module: str) -> list[str]:
    """Return the names that hyperopt's *module* ("" for hyperopt itself, "pyll.base") exposes beside its own."""
    return [each.partition("=")[0] for each in _NAMES.get(module, "").split()]


def lookup(module: str) -> Callable[[str], Any]:
    """Return the `__getattr__` of hyperopt's *module*: what it exposes by name; raises AttributeError."""
    places = {
        name: place or name for name, _, place in (each.partition("=") for each in _NAMES.get(module, "").split())
    }

    def look_up(name: str) -> Any:
        if name not in places:
            raise AttributeError(f"module 'hyperopt{module and '.'}{module}' has no attribute {name!r}")
        if name == LOGGER:
            return logging.getLogger(f"hyperopt.{module}")
        home, _, attribute = places[name].partition(":")
        try:
            found = import_module(home)
        except ImportError as error:  # networkx, say, which hyperopt needs and hstore does not
            raise AttributeError(f"hyperopt{module and '.'}{module}.{name}: {error}") from error
        return getattr(found, attribute) if attribute else found

    return look_up
