"""The rules that stop hopeless trials early, one pure module each, and the table of their names."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from hstore.engine.pruners.asha import asha
from hstore.engine.pruners.curves import Curve, Curves
from hstore.engine.pruners.hyperband import hyperband
from hstore.engine.pruners.median import median
from hstore.engine.pruners.pruner import Pruner
from hstore.store.errors import InvalidValue

__all__ = ["PRUNERS", "Curve", "Curves", "Pruner", "asha", "hyperband", "median", "resolve", "why_unknown"]

PRUNERS: Mapping[str, Pruner] = MappingProxyType({pruner.name: pruner for pruner in (asha, hyperband, median)})


def resolve(pruner: Any) -> Pruner:
    """Return the pruner that *pruner* stands for: a `Pruner`, its name, or what `Pruner.describe` made of one.

    Raises `InvalidValue` for anything else.
    """
    if isinstance(pruner, Pruner):
        pruner = pruner.describe()
    name, settings = (pruner.get("name"), pruner.get("settings", {})) if isinstance(pruner, Mapping) else (pruner, {})
    if not isinstance(name, str) or name not in PRUNERS:
        raise InvalidValue(f"no pruner is called {name!r}; there are: {', '.join(PRUNERS)}", path="pruner")
    return PRUNERS[name](**settings)


def why_unknown(described: Mapping[str, Any]) -> str | None:
    """Return why this program does not have the pruner that a log has as *described*; None if it has it."""
    name, version = described.get("name"), described.get("version")
    known = PRUNERS.get(str(name))
    if known is None:
        return f"{name}, which is not part of this hstore"
    return None if known.version == version else f"{name} {version}, this hstore has {name} {known.version}"
