"""hstore: a persistence-first experiment store and hyperparameter search. A search is a log; the rest follows."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore import (
        algobase,
        anneal,
        atpe,
        auto,
        base,
        cmaes,
        compat,
        criteria,
        early_stop,
        exceptions,
        gp,
        graph_viz,
        grid,
        hp,
        mix,
        mtpe,
        plotting,
        progress,
        pruners,
        pyll,
        pyll_utils,
        qmc,
        rand,
        rdists,
        spark,
        tpe,
        utils,
    )
    from hstore.engine.evaluation.domain import Pruned
    from hstore.engine.evaluation.results import (
        STATUS_FAIL,
        STATUS_NEW,
        STATUS_OK,
        STATUS_RUNNING,
        STATUS_STRINGS,
        STATUS_SUSPENDED,
    )
    from hstore.engine.fmin import fmin, fmin_pass_expr_memo_ctrl, generate_trials_to_calculate, partial
    from hstore.engine.hyperopt.ctrl import Ctrl
    from hstore.engine.hyperopt.documents import (
        JOB_STATE_CANCEL,
        JOB_STATE_DONE,
        JOB_STATE_ERROR,
        JOB_STATE_NEW,
        JOB_STATE_RUNNING,
        JOB_STATES,
    )
    from hstore.engine.hyperopt.domain import Domain
    from hstore.engine.hyperopt.fmin_iter import FMinIter
    from hstore.engine.hyperopt.mongo_trials import MongoTrials
    from hstore.engine.hyperopt.trials import Trials, trials_from_docs
    from hstore.engine.space import Space, space_eval
    from hstore.store import errors
    from hstore.store.open_store import open_store as open
    from hstore.store.store import Experiment, Store
    from hstore.workers.spark_trials import SparkTrials


# Where each public name lives. They are imported when first asked for: `import hstore` costs next to nothing.
_PLACES = {
    "Ctrl": "engine.hyperopt.ctrl:Ctrl",
    "Domain": "engine.hyperopt.domain:Domain",
    "Experiment": "store.store:Experiment",
    "FMinIter": "engine.hyperopt.fmin_iter:FMinIter",
    "JOB_STATES": "engine.hyperopt.documents:JOB_STATES",
    "JOB_STATE_CANCEL": "engine.hyperopt.documents:JOB_STATE_CANCEL",
    "JOB_STATE_DONE": "engine.hyperopt.documents:JOB_STATE_DONE",
    "JOB_STATE_ERROR": "engine.hyperopt.documents:JOB_STATE_ERROR",
    "JOB_STATE_NEW": "engine.hyperopt.documents:JOB_STATE_NEW",
    "JOB_STATE_RUNNING": "engine.hyperopt.documents:JOB_STATE_RUNNING",
    "MongoTrials": "engine.hyperopt.mongo_trials:MongoTrials",
    "Pruned": "engine.evaluation.domain:Pruned",
    "STATUS_FAIL": "engine.evaluation.results:STATUS_FAIL",
    "STATUS_NEW": "engine.evaluation.results:STATUS_NEW",
    "STATUS_OK": "engine.evaluation.results:STATUS_OK",
    "STATUS_RUNNING": "engine.evaluation.results:STATUS_RUNNING",
    "STATUS_STRINGS": "engine.evaluation.results:STATUS_STRINGS",
    "STATUS_SUSPENDED": "engine.evaluation.results:STATUS_SUSPENDED",
    "Space": "engine.space:Space",
    "SparkTrials": "workers.spark_trials:SparkTrials",
    "Store": "store.store:Store",
    "Trials": "engine.hyperopt.trials:Trials",
    "algobase": "algobase",
    "anneal": "anneal",
    "atpe": "atpe",
    "auto": "auto",
    "base": "base",
    "cmaes": "cmaes",
    "compat": "compat",
    "criteria": "criteria",
    "early_stop": "early_stop",
    "errors": "store.errors",
    "exceptions": "exceptions",
    "fmin": "engine.fmin:fmin",
    "fmin_pass_expr_memo_ctrl": "engine.fmin:fmin_pass_expr_memo_ctrl",
    "generate_trials_to_calculate": "engine.fmin:generate_trials_to_calculate",
    "gp": "gp",
    "graph_viz": "graph_viz",
    "grid": "grid",
    "hp": "hp",
    "mix": "mix",
    "mtpe": "mtpe",
    "open": "store.open_store:open_store",
    "partial": "engine.fmin:partial",
    "plotting": "plotting",
    "progress": "progress",
    "pruners": "pruners",
    "pyll": "pyll",
    "pyll_utils": "pyll_utils",
    "qmc": "qmc",
    "rand": "rand",
    "rdists": "rdists",
    "space_eval": "engine.space:space_eval",
    "spark": "spark",
    "tpe": "tpe",
    "trials_from_docs": "engine.hyperopt.trials:trials_from_docs",
    "utils": "utils",
}
__all__ = [
    "JOB_STATES",
    "JOB_STATE_CANCEL",
    "JOB_STATE_DONE",
    "JOB_STATE_ERROR",
    "JOB_STATE_NEW",
    "JOB_STATE_RUNNING",
    "STATUS_FAIL",
    "STATUS_NEW",
    "STATUS_OK",
    "STATUS_RUNNING",
    "STATUS_STRINGS",
    "STATUS_SUSPENDED",
    "Ctrl",
    "Domain",
    "Experiment",
    "FMinIter",
    "MongoTrials",
    "Pruned",
    "Space",
    "SparkTrials",
    "Store",
    "Trials",
    "algobase",
    "anneal",
    "atpe",
    "auto",
    "base",
    "cmaes",
    "compat",
    "criteria",
    "early_stop",
    "errors",
    "exceptions",
    "fmin",
    "fmin_pass_expr_memo_ctrl",
    "generate_trials_to_calculate",
    "gp",
    "graph_viz",
    "grid",
    "hp",
    "mix",
    "mtpe",
    "open",
    "partial",
    "plotting",
    "progress",
    "pruners",
    "pyll",
    "pyll_utils",
    "qmc",
    "rand",
    "rdists",
    "space_eval",
    "spark",
    "tpe",
    "trials_from_docs",
    "utils",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("hstore")
    if name not in _PLACES:
        raise AttributeError(f"module 'hstore' has no attribute {name!r}")
    place, _, attribute = _PLACES[name].partition(":")
    module = import_module(f"hstore.{place}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package: `hstore.fmin` stays the function when somebody imports the module of that name, as in hyperopt."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value.fmin if name == "fmin" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package
