"""The search algorithms, one pure function each, and the table of their names."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType, ModuleType
from typing import Any

from hstore.engine.algorithms import anneal, rand, tpe
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.store.errors import InvalidValue

__all__ = ["ALGORITHMS", "Algorithm", "named", "resolve"]

ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType({a.name: a for a in (rand.suggest, tpe.suggest, anneal.suggest)})


def named(name: str) -> Algorithm:
    """Return the algorithm called *name*; InvalidValue lists the names there are."""
    try:
        return ALGORITHMS[name]
    except KeyError:
        known = ", ".join(ALGORITHMS)
        raise InvalidValue(f"no algorithm is called {name!r}; there are: {known}", path="algo") from None


def resolve(algo: Any) -> tuple[Algorithm | Callable[..., Any], dict[str, Any]]:
    """Return the algorithm that *algo* stands for, and the settings it was given.

    *algo* is an Algorithm, its name, a module with `suggest`, or a `functools.partial` of an Algorithm. A
    function of one's own in hyperopt's shape comes back as it is, its arguments inside. InvalidValue is
    raised for anything else, and for settings that the algorithm does not have.
    """
    inner: Any = algo
    settings: dict[str, Any] = {}
    while isinstance(inner, partial) and not inner.args:
        settings = inner.keywords | settings
        inner = inner.func
    if isinstance(inner, str):
        inner = named(inner)
    if isinstance(inner, ModuleType):
        inner = algo = getattr(inner, "suggest", inner)
    if isinstance(inner, Algorithm):
        inner.check(settings)
        return inner, settings
    if not callable(algo):
        raise InvalidValue(f"{algo!r} is no algorithm: give a name, an Algorithm or a function", path="algo")
    return algo, {}
