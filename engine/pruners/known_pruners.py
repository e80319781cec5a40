"""The pruners that are known by name: ours and those of plug-ins."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, EntryPoints
from reprlib import repr as short
from types import MappingProxyType
from typing import Any

from hstore.engine.pruners.asha import asha
from hstore.engine.pruners.extrapolated import auto
from hstore.engine.pruners.hyperband import hyperband
from hstore.engine.pruners.median import median
from hstore.engine.pruners.pruner import Pruner
from hstore.store.errors import InvalidValue

PRUNERS: Mapping[str, Pruner] = MappingProxyType({pruner.name: pruner for pruner in (asha, auto, hyperband, median)})

FAMILIES = {"optuna": "hstore.engine.optuna.pruner_family"}
"""By what stands before the colon of a name such as "optuna:MedianPruner" the module whose `named_pruner` has it."""

PLUG_INS = "hstore.pruners"
"""The group of entry points under which packages offer pruners."""


def named(name: str) -> Pruner:
    """Return the pruner called *name*, ours or a plug-in's; InvalidValue lists the names there are.

    A plug-in is an entry point of group hstore.pruners: a `Pruner` of the same name. Those of our own cannot be taken.
    """
    pruner = _found(name)
    if pruner is None:
        known = ", ".join(dict.fromkeys((*PRUNERS, *sorted(_plug_ins().names))))
        raise InvalidValue(f"no pruner is called {name!r}; there are: {known}", path="pruner")
    return pruner


def _found(name: str) -> Pruner | None:
    if name in PRUNERS:
        return PRUNERS[name]
    if (family := name.partition(":")[0]) in FAMILIES and family != name:
        from hstore.engine.algorithms.known_algorithms import member_of_family

        found: Pruner = member_of_family(FAMILIES[family], name, path="pruner").named_pruner(name)
        return found
    return next(map(_loaded, _plug_ins().select(name=name)), None)


def _plug_ins() -> EntryPoints:
    from hstore.engine.algorithms import entry_points  # here, for the algorithms come with it: most workers need none

    return entry_points.offered(PLUG_INS)


def _loaded(plug_in: EntryPoint) -> Pruner:
    from hstore.engine.algorithms import entry_points

    what, hint = entry_points.whole_name(plug_in), "repair or uninstall that package, or choose another pruner"
    found = entry_points.load(plug_in, hint=hint, path="pruner")
    if not isinstance(found, Pruner):
        raise InvalidValue(f"{what} is not a pruner: {short(found)}", hint=hint, path="pruner")
    if found.name != plug_in.name:
        raise InvalidValue(f"{what} is called {found.name!r}: a log could not be replayed", hint=hint, path="pruner")
    return found


def resolve(pruner: Any) -> Pruner:
    """Return the pruner that *pruner* stands for: a `Pruner`, its name, or what `Pruner.describe` made of one.

    A pruner of one's own need not have a name that others know; see `check_name`. Raises `InvalidValue` for anything
    else, for settings that it does not have, and for a pruner of one's own that has another's name or cannot do what
    it is for.
    """
    if isinstance(pruner, Pruner):
        known = _found(pruner.name)
        if known is None or not pruner.is_rule_of(known):
            pruner.try_out()
        if known is not None and not pruner.is_rule_of(known):
            raise InvalidValue(
                f"another pruner than the one given is called {pruner.name!r}, and replay would go by that",
                hint="give yours a name of its own", path="pruner",
            )  # fmt: skip
        return pruner(**pruner.settings)
    name, settings = (pruner.get("name"), pruner.get("settings", {})) if isinstance(pruner, Mapping) else (pruner, {})
    if not isinstance(name, str):
        raise InvalidValue(f"no pruner is called {name!r}; there are: {', '.join(PRUNERS)}", path="pruner")
    return named(name)(**settings)


def check_name(pruner: Pruner) -> None:
    """Raise `InvalidValue` unless other processes find *pruner* by its name."""
    if _found(pruner.name) is None:
        raise InvalidValue(
            f"workers could not find the pruner {pruner.name!r}: no installed package offers it",
            hint=f"offer it there as an entry point {pruner.name} of group {PLUG_INS}, or search without workers",
            path="pruner",
        )


def why_unknown(described: Mapping[str, Any]) -> str | None:
    """Return why this program does not have the pruner that a log has as *described*; None if it has it."""
    name, version = str(described.get("name")), described.get("version")
    try:
        known = _found(name)
        if known is None:
            return f"{name}, which is not installed here"
        if known.version != version:
            return f"{name} {version}, this hstore has {name} {known.version}"
        known(**described.get("settings", {}))
    except InvalidValue as error:
        return f"{name}, which does not work here: {error}"
    return None
