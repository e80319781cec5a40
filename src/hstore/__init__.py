"""hstore: a persistence-first experiment store and hyperparameter search. A search is a log; the rest follows."""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hstore import anneal, base, hp, mix, pruners, pyll, rand, tpe
    from hstore.engine.fmin import fmin, generate_trials_to_calculate
    from hstore.engine.objective import (
        STATUS_FAIL,
        STATUS_NEW,
        STATUS_OK,
        STATUS_RUNNING,
        STATUS_STRINGS,
        STATUS_SUSPENDED,
        Ctrl,
        Domain,
        Pruned,
    )
    from hstore.engine.space import Space, space_eval
    from hstore.engine.trials import (
        JOB_STATE_CANCEL,
        JOB_STATE_DONE,
        JOB_STATE_ERROR,
        JOB_STATE_NEW,
        JOB_STATE_RUNNING,
        JOB_STATES,
        MongoTrials,
        Trials,
    )
    from hstore.store.opening import open_store as open
    from hstore.store.store import Experiment, Store

# Where each public name lives. They are imported when first asked for: `import hstore` costs next to nothing.
_PLACES = {
    "Ctrl": "engine.objective:Ctrl",
    "Domain": "engine.objective:Domain",
    "Experiment": "store.store:Experiment",
    "JOB_STATES": "engine.trials:JOB_STATES",
    "JOB_STATE_CANCEL": "engine.trials:JOB_STATE_CANCEL",
    "JOB_STATE_DONE": "engine.trials:JOB_STATE_DONE",
    "JOB_STATE_ERROR": "engine.trials:JOB_STATE_ERROR",
    "JOB_STATE_NEW": "engine.trials:JOB_STATE_NEW",
    "JOB_STATE_RUNNING": "engine.trials:JOB_STATE_RUNNING",
    "MongoTrials": "engine.trials:MongoTrials",
    "STATUS_FAIL": "engine.objective:STATUS_FAIL",
    "STATUS_NEW": "engine.objective:STATUS_NEW",
    "STATUS_OK": "engine.objective:STATUS_OK",
    "STATUS_RUNNING": "engine.objective:STATUS_RUNNING",
    "STATUS_STRINGS": "engine.objective:STATUS_STRINGS",
    "STATUS_SUSPENDED": "engine.objective:STATUS_SUSPENDED",
    "Pruned": "engine.objective:Pruned",
    "Space": "engine.space:Space",
    "Store": "store.store:Store",
    "Trials": "engine.trials:Trials",
    "anneal": "anneal",
    "base": "base",
    "errors": "store.errors",
    "fmin": "engine.fmin:fmin",
    "generate_trials_to_calculate": "engine.fmin:generate_trials_to_calculate",
    "hp": "hp",
    "mix": "mix",
    "open": "store.opening:open_store",
    "pruners": "pruners",
    "pyll": "pyll",
    "rand": "rand",
    "space_eval": "engine.space:space_eval",
    "tpe": "tpe",
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
    "MongoTrials",
    "Pruned",
    "Space",
    "Store",
    "Trials",
    "anneal",
    "base",
    "errors",
    "fmin",
    "generate_trials_to_calculate",
    "hp",
    "mix",
    "open",
    "pruners",
    "pyll",
    "rand",
    "space_eval",
    "tpe",
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
