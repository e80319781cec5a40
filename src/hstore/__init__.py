"""hstore: a persistence-first experiment store and hyperparameter search. A search is a log; the rest follows."""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any

# The public names by the module that defines them. A module is imported when one of its names is first asked for, so
# `import hstore` costs next to nothing. Type checkers read `__init__.pyi`, which tests/test_layout.py compares to this.
_NAMES = {
    "engine.analysis.importance": "importance",
    "engine.audit.explanation": "explain",
    "engine.ask_tell": "Search search",
    "engine.asked_trial": "AskedTrial",
    "engine.evaluation.domain": "Pruned",
    "engine.evaluation.results":
        "STATUS_FAIL STATUS_NEW STATUS_OK STATUS_RUNNING STATUS_STRINGS STATUS_SUSPENDED",
    "engine.fmin": "fmin fmin_pass_expr_memo_ctrl generate_trials_to_calculate partial",
    "engine.hyperopt.ctrl": "Ctrl",
    "engine.hyperopt.documents":
        "JOB_STATES JOB_STATE_CANCEL JOB_STATE_DONE JOB_STATE_ERROR JOB_STATE_NEW JOB_STATE_RUNNING",
    "engine.hyperopt.domain": "Domain",
    "engine.hyperopt.fmin_iter": "FMinIter",
    "engine.hyperopt.mongo_trials": "MongoTrials",
    "engine.hyperopt.trials": "Trials trials_from_docs",
    "engine.space": "Space space_eval",
    "store.errors": "AllTrialsFailed",
    "store.experiment": "Experiment",
    "store.open_store": "open=open_store",
    "store.store": "Store",
    "workers.spark_trials": "SparkTrials",
}  # fmt: skip
_MODULES = (
    "algobase anneal atpe auto base cmaes compat criteria early_stop errors=store.errors exceptions gp graph_viz grid "
    "hp mix mtpe plot plotting progress pruners pyll pyll_utils qmc rand rdists spark tpe utils"
)


def _places() -> dict[str, tuple[str, str]]:
    """Return for each public name its module and what it is called there; "" for the module itself."""
    places = {}
    for module, names in _NAMES.items():
        for name, _, inner in (each.partition("=") for each in names.split()):
            places[name] = module, inner or name
    for name, _, module in (each.partition("=") for each in _MODULES.split()):
        places[name] = module or name, ""
    return places


def _kind(name: str) -> tuple[int, str]:
    """Sort constants before classes, and these before functions and modules."""
    return 0 if name.isupper() else 1 if name[0].isupper() else 2, name


_PLACES = _places()
__all__ = sorted(_PLACES, key=_kind)


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("hstore")
    if name not in _PLACES:
        raise AttributeError(f"module 'hstore' has no attribute {name!r}")
    place, attribute = _PLACES[name]
    module = import_module(f"hstore.{place}")
    value = getattr(module, attribute) if attribute else module
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


class _Package(ModuleType):
    """This package: `hstore.fmin` stays the function after `import hstore.fmin`, the module, as in hyperopt."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value.fmin if name == "fmin" and isinstance(value, ModuleType) else value)


sys.modules[__name__].__class__ = _Package
