"""What a pruner is: a pure rule that decides, from the values that trials have reported, whether to stop one."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from hstore.engine.plain_numbers import as_real, as_whole
from hstore.engine.pruners.curves import Curve
from hstore.store.errors import InvalidValue
from hstore.store.values import normalise


@dataclass(frozen=True, repr=False)
class Pruner:
    """A rule with settings, and what the log records of it. Called with settings it returns itself with those.

    Both functions take all settings by keyword, look at nothing else and change nothing. *version* goes up with each
    change of their decisions. Raises `InvalidValue` if they cannot be called so.
    """

    name: str
    version: int
    due: Callable[..., bool]
    """`due(curve, **settings)`: whether the latest report of a trial, of which there is one, calls for a decision."""
    decide: Callable[..., bool]
    """`decide(tid, curve, others, **settings)`: whether trial *tid* is to be stopped, given the curves of others.

    *others* are by tid. The settings are plain data, and their defaults those of this function.
    """
    check: Callable[..., None] = lambda **_: None
    """Raises `InvalidValue` for settings out of range."""
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InvalidValue(f"a pruner's name must be a text, not {self.name!r:.60}", path="name")
        if isinstance(self.version, bool) or not isinstance(self.version, int):
            raise InvalidValue(
                f"{self.name}: the version must be a whole number, not {self.version!r:.60}", path="version"
            )
        for name, arguments in (("decide", ("tid", "curve", "others")), ("due", ("curve",))):
            try:
                inspect.signature(getattr(self, name)).bind(*arguments, **{**self.defaults, **self.settings})
            except TypeError as error:
                wanted = ", ".join((*arguments, *self.defaults))
                raise InvalidValue(
                    f"{self.name}: {name} cannot be called as {name}({wanted}): {error}",
                    hint="decide has a default for each setting, and due takes all of them by keyword too", path=name,
                ) from error  # fmt: skip

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
        changed = {**self.settings, **{name: _plain(value) for name, value in settings.items()}}
        self.check(**{**defaults, **changed})
        return replace(self, settings=changed)

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The settings and their default values."""
        parameters = inspect.signature(self.decide).parameters.values()
        return MappingProxyType({p.name: p.default for p in parameters if p.default is not p.empty})

    def describe(self) -> dict[str, Any]:
        """Return how the log names it: name, version, all settings."""
        settings = normalise({**self.defaults, **self.settings}, path="settings")
        return {"name": self.name, "version": self.version, "settings": settings}

    def is_due(self, curve: Curve) -> bool:
        """Return whether the latest report of *curve* calls for a decision; raises `InvalidValue` if the rule fails."""
        return self._answer(self.due, curve)

    def stops(self, tid: int, curve: Curve, others: Mapping[int, Curve]) -> bool:
        """Return whether trial *tid*, of which *curve* is known, is to be stopped; raises as `is_due` does."""
        return self._answer(self.decide, tid, curve, others)

    def _answer(self, function: Callable[..., bool], *arguments: Any) -> bool:
        try:
            return bool(function(*arguments, **{**self.defaults, **self.settings}))
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise InvalidValue(f"the pruner {self.name} failed: {reason:.300}", path="pruner") from error

    def is_rule_of(self, other: Pruner) -> bool:
        """Return whether this is *other*, but for its settings."""
        return (self.version, self.due, self.decide) == (other.version, other.due, other.decide)

    def try_out(self) -> None:
        """Raise `InvalidValue` if it fails at the first report of a first trial: before anything is written."""
        first = Curve()
        first.add(1, 1.0)
        if self.is_due(first):
            self.stops(0, first, {})


def _plain(value: Any) -> Any:
    """Return *value*, of a setting, as an int or a float if it is a number of any kind."""
    real = as_real(value)
    if real is None:
        return value
    return int(real) if not isinstance(value, float) and real == as_whole(value) else real


def check_steps(**settings: Any) -> None:
    """Raise `InvalidValue` unless *settings*, those of them that count something, are whole and not too small."""
    least = {"reduction": 2, "min_steps": 0, "max_steps": 1, "startup_trials": 0}
    for name, value in settings.items():
        if value is None and name == "max_steps":
            continue
        if isinstance(value, bool) or not isinstance(value, int) or value < least[name]:
            raise InvalidValue(f"{name} must be a whole number of at least {least[name]}, not {value!r}", path=name)
