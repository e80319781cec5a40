"""The algorithms that are known by name: ours and those of plug-ins, and how the log names each."""

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import EntryPoint
from reprlib import repr as short
from types import MappingProxyType, ModuleType
from typing import Any

from hstore.engine.algorithms import entry_points
from hstore.engine.algorithms.algorithm import Algorithm
from hstore.engine.algorithms.repeated import REPLICATES, plain_replicates
from hstore.store.errors import InvalidValue
from hstore.store.values import normalise

CustomAlgorithm = Callable[..., list[dict[str, Any]]]
"""A user's own `suggest(new_ids, domain, trials, seed)`, in hyperopt's shape."""

PLUG_INS = "hstore.algorithms"
"""The group of entry points under which packages offer algorithms."""

FAMILIES = {"optuna": "hstore.engine.optuna.sampler_family"}
"""By what stands before the colon of a name such as "optuna:TPESampler" the module whose `named_algorithm` has it.

It is imported when such a name is first asked for, and needs the package that it is called after."""

_table: dict[str, Algorithm] = {}
ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(_table)


def register(*algorithms: Algorithm) -> None:
    """Let *algorithms* be found by their names."""
    _table.update((algorithm.name, algorithm) for algorithm in algorithms)


def named(name: str) -> Algorithm | CustomAlgorithm:
    """Return the algorithm called *name*, ours or a plug-in's; InvalidValue lists the names there are.

    A plug-in is an entry point of group hstore.algorithms: an Algorithm, a function in hyperopt's shape, or a module
    with one of them as `suggest`. The names of our own cannot be taken.
    """
    if name in ALGORITHMS:
        return ALGORITHMS[name]
    if (family := name.partition(":")[0]) in FAMILIES and family != name:
        member: Algorithm = member_of_family(FAMILIES[family], name, path="algo").named_algorithm(name)
        return member
    offered = entry_points.offered(PLUG_INS)
    for plug_in in offered.select(name=name):
        return _loaded(plug_in)
    known = ", ".join(dict.fromkeys((*ALGORITHMS, *sorted(offered.names))))
    raise InvalidValue(f"no algorithm is called {name!r}; there are: {known}", path="algo")


def member_of_family(module: str, name: str, *, path: str) -> Any:
    """Return *module*, which knows *name*; raises `InvalidValue` if the package that it needs is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        family = name.partition(":")[0]
        raise InvalidValue(
            f"{name!r} needs {family}, which is not installed", hint=f"pip install 'hstore[{family}]'", path=path
        ) from error


def _loaded(plug_in: EntryPoint) -> Algorithm | CustomAlgorithm:
    what = entry_points.whole_name(plug_in)
    hint = "repair or uninstall that package, or choose another algorithm"
    found = entry_points.load(plug_in, hint=hint, path="algo")
    if isinstance(found, ModuleType):
        found = getattr(found, "suggest", found)
    if isinstance(found, Algorithm):
        if found.name != plug_in.name:
            raise InvalidValue(f"{what} is called {found.name!r}: a log could not be replayed", hint=hint, path="algo")
        register(found)
    elif not callable(found):
        raise InvalidValue(f"{what} is not an algorithm: {short(found)}", hint=hint, path="algo")
    return found  # type: ignore[no-any-return]


def resolve(algo: Any) -> tuple[Algorithm | CustomAlgorithm, dict[str, Any]]:
    """Return the algorithm that *algo* stands for, and the settings it was given, as plain data.

    *algo* is an Algorithm, its name, a module with `suggest`, a `functools.partial` of one of them, or what
    `describe_algorithm` made of one. A function of one's own in hyperopt's shape comes back as it is, its arguments
    inside, and so does a mix that has one in it. InvalidValue is raised for anything else, and for settings
    that the algorithm does not have.
    """
    inner: Any = algo
    settings: dict[str, Any] = {}
    while isinstance(inner, partial) and not inner.args:
        settings = inner.keywords | settings
        inner = inner.func
    if isinstance(inner, Mapping) and "name" in inner:
        given = inner.get("settings") or {}
        if not isinstance(given, Mapping):
            raise InvalidValue(f"the settings of an algorithm are {{name: value}}, not {given!r:.60}", path="algo")
        inner, settings = inner["name"], dict(given)
    if isinstance(inner, str):
        inner = named(inner)
        if not isinstance(inner, Algorithm):
            return (partial(inner, **settings) if settings else inner), {}
    if isinstance(inner, ModuleType):
        inner = algo = getattr(inner, "suggest", inner)
    if isinstance(inner, Algorithm):
        is_ours = why_unknown(describe_algorithm(inner, settings)) is None
        return (inner, inner.plain(settings)) if is_ours else (partial(inner, **settings), {})
    if (module := getattr(inner, "__module__", None) or "").partition(".")[0] == "hyperopt" and callable(inner):
        raise InvalidValue(
            f"{module}.{getattr(inner, '__name__', '?')} is hyperopt's, and cannot read a search of hstore's",
            hint=f'from hstore import {module.rpartition(".")[2]}, or name it: "tpe"', path="algo",
        )  # fmt: skip
    if not callable(algo):
        raise InvalidValue(f"{algo!r} is not an algorithm; pass a name, an Algorithm or a function", path="algo")
    return algo, {}


def with_replicates(algo: Any, replicates: Any) -> dict[str, Any]:
    """Return what `resolve` takes as *algo* with the setting `replicates`, which may be given any whole number.

    Raises InvalidValue for anything else, and for a function of the user's own: it chooses all points itself.
    """
    algorithm, settings = resolve(algo)
    if not isinstance(algorithm, Algorithm):
        raise InvalidValue(
            "replicates needs an algorithm that hstore knows; a function of your own can repeat points itself",
            path=REPLICATES,
        )
    return {"name": algorithm.name, "settings": {**settings, REPLICATES: plain_replicates(replicates)}}


def recorded_algorithm(described: Mapping[str, Any]) -> Algorithm:
    """Return the algorithm that a log has as *described*, of which `why_unknown` says that there is one."""
    found = named(described["name"])
    assert isinstance(found, Algorithm)
    return found


def describe_algorithm(algorithm: Algorithm | CustomAlgorithm, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return how *algorithm* is named in the log: name, version (None for a user's own), settings."""
    inner: Any = algorithm
    given: dict[str, Any] = {}
    while isinstance(inner, partial):
        given = inner.keywords | given
        inner = inner.func
    if isinstance(inner, Algorithm):
        name, version, settings = inner.name, inner.version, inner.plain(given | dict(settings))
    else:  # its arguments may be anything, and large
        qualname = getattr(inner, "__qualname__", type(inner).__qualname__)
        name, version = f"{getattr(inner, '__module__', '?')}:{qualname}", None
    plain = normalise(dict(settings), path="settings", replace=lambda value, path, why: short(value))
    return {"name": name, "version": version, "settings": plain}


def why_unknown(described: Mapping[str, Any], *, within: str = "") -> str | None:
    """Return why this program does not have the algorithm that a log has as *described*; None if it has it."""
    name, version = described["name"], described["version"]
    try:
        known = named(name)
    except InvalidValue:
        known = None
    if not isinstance(known, Algorithm):
        return f"{within}{name}, which is not part of this hstore"
    if known.version != version and version not in known.older:
        return f"{within}{name} {version}, this hstore has {name} {known.version}"
    reasons = (why_unknown(part, within=f"{within}{name} with ") for part in known.parts(described["settings"]))
    return next(filter(None, reasons), None)
