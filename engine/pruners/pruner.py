"""What a pruner is: a pure rule that says, from what trials have reported so far, whether one is to be stopped."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from hstore.engine.pruners.curves import Curve
from hstore.store.errors import InvalidValue


@dataclass(frozen=True, repr=False)
class Pruner:
    """A rule with settings, and what the log records of it. Called with settings it returns itself with those.

    Both functions take settings by keyword, look at nothing else and change nothing. *version* goes up with each change
    of what they say.
    """

    name: str
    version: int
    due: Callable[..., bool]
    """`due(curve, **settings)`: whether the latest report of a trial calls for a decision at all."""
    decide: Callable[..., bool]
    """`decide(tid, curve, others, **settings)`: whether trial *tid* is to be stopped, given the curves of others."""
    check: Callable[..., None] = lambda **_: None
    """Raises `InvalidValue` for settings that cannot be meant."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<hstore pruner {self.name} {self.version}>"

    def __call__(self, **settings: Any) -> Pruner:
        """Return this pruner with *settings* in the place of its own; raises `InvalidValue` for others than it has."""
        defaults = self.defaults
        for setting in settings:
            if setting not in defaults:
                raise InvalidValue(
                    f"{self.name} has no setting {setting!r}; it has: {', '.join(defaults)}", path=setting
                )
        changed = {**self.settings, **settings}
        self.check(**{**defaults, **changed})
        return replace(self, settings=changed)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The settings there are, with the values they have unless told otherwise."""
        parameters = inspect.signature(self.decide).parameters.values()
        return MappingProxyType({p.name: p.default for p in parameters if p.default is not p.empty})

    def describe(self) -> dict[str, Any]:
        """Return how the log names it: name, version, all settings."""
        return {"name": self.name, "version": self.version, "settings": {**self.defaults, **self.settings}}

    def is_due(self, curve: Curve) -> bool:
        """Return whether the latest report of *curve* calls for a decision."""
        return self.due(curve, **{**self.defaults, **self.settings})

    def stops(self, tid: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Return whether trial *tid*, of which *curve* is known, is to be stopped."""
        return self.decide(tid, curve, others, **{**self.defaults, **self.settings})


def check_steps(**settings: Any) -> None:
    """Raise `InvalidValue` unless *settings*, those of them that count something, are whole and not too small."""
    least = {"reduction": 2, "min_steps": 0, "max_steps": 1, "startup_trials": 0}
    for name, value in settings.items():
        if value is None and name == "max_steps":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least[name]:
            raise InvalidValue(f"{name} must be a whole number of at least {least[name]}, not {value!r}", path=name)
