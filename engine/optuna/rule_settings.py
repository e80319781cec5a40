"""Settings of Optuna's samplers and pruners: those that are plain data, which a log can hold and replay can read."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from typing import Any

from optuna.version import __version__

from hstore.store.errors import InvalidValue

FAMILY = "optuna:"
OF_PLAIN_DATA = (bool, int, float, str, type(None))
_REQUIRED = inspect.Parameter.empty


def optuna_version() -> int:
    """Return the version of Optuna as one number, 50203 for 5.2.3: another one may decide otherwise."""
    numbers = [int(part) if part.isdigit() else 0 for part in __version__.split(".")[:3]]
    major, minor, patch = (*numbers, 0, 0)[:3]
    return major * 10_000 + minor * 100 + patch


def member(name: str, known: Collection[str], *, path: str) -> str:
    """Return what Optuna calls *name*, such as "optuna:TPESampler"; raises `InvalidValue` for one not *known*."""
    inner = name.removeprefix(FAMILY)
    if inner not in known:
        offered = ", ".join(FAMILY + each for each in known)
        raise InvalidValue(f"{name!r} is none of Optuna's that hstore can run; there are: {offered}", path=path)
    return inner


def plain_settings(
    kind: type[Any], *, without: Collection[str], required: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the settings of *kind* that plain data can give, and their defaults.

    without: those left out, which take objects or functions, or which hstore gives itself.
    required: the values of those that have no default in Optuna.
    """
    parameters = list(inspect.signature(kind.__init__).parameters.values())[1:]
    defaults = {p.name: (required or {}).get(p.name, p.default) for p in parameters if p.name not in without}
    return {
        name: value for name, value in defaults.items() if value is not _REQUIRED and isinstance(value, OF_PLAIN_DATA)
    }


def signature(required: Collection[str], settings: Mapping[str, Any]) -> inspect.Signature:
    """Return the signature of a rule that takes *required* arguments, and *settings* by keyword."""
    only = inspect.Parameter.KEYWORD_ONLY
    return inspect.Signature([
        *(inspect.Parameter(name, only) for name in required),
        *(inspect.Parameter(name, only, default=value) for name, value in settings.items()),
    ])  # fmt: skip
