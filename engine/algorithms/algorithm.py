"""What an algorithm is: a pure function with a name and a version, which can also be called as hyperopt's are."""

from __future__ import annotations

import contextlib
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np

from hstore.engine.algorithms.densities import Densities
from hstore.engine.algorithms.exhausted import Exhausted
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.recorded_choice import choose_recorded
from hstore.engine.algorithms.repeated import REPLICATES, plain_replicates, without_replicates
from hstore.engine.algorithms.scalarise import How
from hstore.engine.plain_numbers import as_real
from hstore.engine.space import Point, Space
from hstore.engine.space.parameter import Value
from hstore.store.errors import InvalidValue

_ASKED = inspect.Parameter.POSITIONAL_OR_KEYWORD
_ABSENT = object()


@dataclass(frozen=True, repr=False)
class Algorithm:
    """A search algorithm: a pure function that chooses the next point, with the name and version that the log records.

    *choose* takes a space, a history, a seed and settings by keyword. It depends on nothing else and changes none of
    them; it raises `Exhausted` when no point is left. *version* goes up with each change of the points it chooses. A
    portable algorithm chooses the same points, to the bit, on every machine.

    `help` of an algorithm shows the docstring of its *choose*.
    """

    name: str
    version: int
    is_portable: bool
    choose: Callable[..., Point]
    scalarisation: How = "maximin"
    """How several losses become the one that *choose* reads; see `scalarise`."""

    older: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    """Earlier versions whose points this one still chooses, each with the settings that make it do so."""

    shortfall: Callable[..., float | None] | None = None
    """Of an algorithm that is not portable: a function of a space, a history, a point, and by keyword a seed and
    settings. It returns by how much the point is worth less than the best one, as a logarithm, beyond what rounding may
    change; None if *choose* would not propose it, or goes by no such measure. Replay asks it about points that were
    chosen on another kind of machine."""

    densities: Callable[..., list[Densities] | None] | None = None
    """Of an algorithm that compares densities: a function of a space, a history, a point, and by keyword a seed and
    settings. It returns how the point, which *choose* chose, was compared; None if it was not."""

    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """The least and the greatest value of settings that are numbers."""

    words: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The values that settings can have which are words."""

    machine_bound: Mapping[str, Any] = field(default_factory=dict)
    """Values of settings with which a portable algorithm is not: what it chooses depends on the CPU."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "__doc__", _description(self))
        # The signature of `__call__` that editors and `help` show: the settings by name, as hyperopt's functions do.
        asked = (inspect.Parameter(name, _ASKED) for name in ("new_ids", "domain", "trials", "seed"))
        settings = (inspect.Parameter(name, _ASKED, default=value) for name, value in self.defaults.items())
        object.__setattr__(self, "__signature__", inspect.Signature([*asked, *settings]))

    def __repr__(self) -> str:
        return f"<hstore algorithm {self.name} {self.version}>"

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The settings and their default values."""
        parameters = inspect.signature(self.choose).parameters.values()
        return MappingProxyType({p.name: p.default for p in parameters if p.default is not p.empty})

    def check(self, settings: Iterable[str]) -> None:
        """Raise InvalidValue that names the first of *settings* that this algorithm does not have."""
        defaults = self.defaults
        for setting in settings:
            if setting not in defaults and setting != REPLICATES:
                known = ", ".join(defaults) or "none"
                raise InvalidValue(f"{self.name} has no setting {setting!r}; it has: {known}", path=setting)

    def plain(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return *settings*, as a user gives them or as a log has them, as *choose* and a log take them.

        Raises InvalidValue for one that there is not, of another type than its default, or beyond its limits.
        """
        self.check(settings)
        return {setting: self._plain_value(setting, value) for setting, value in settings.items()}

    def _plain_value(self, setting: str, value: Any) -> Any:
        if setting == REPLICATES:
            return plain_replicates(value)
        default = self.defaults[setting]
        if setting in self.words and value not in self.words[setting]:
            known = " or ".join(repr(word) for word in self.words[setting])
            raise InvalidValue(f"{self.name}: {setting} must be {known}, not {value!r:.60}", path=setting)
        if type(default) not in (int, float):
            return value
        low, high = self.limits.get(setting, (-math.inf, math.inf))
        real = as_real(value)
        is_whole = type(default) is int
        is_one = (
            real is not None and math.isfinite(real) and (not is_whole or real == int(real)) and low <= real <= high
        )
        if real is None or not is_one:
            kind = "a whole number" if is_whole else "a number"
            if math.isfinite(high):
                kind += f" between {low:g} and {high:g}"
            elif math.isfinite(low):
                kind += f" of at least {low:g}"
            raise InvalidValue(f"{self.name}: {setting} must be {kind}, not {value!r:.60}", path=setting)
        return int(real) if is_whole else real

    def is_portable_with(self, settings: Mapping[str, Any]) -> bool:
        """Return whether it is portable with plain *settings*: the algorithms that it calls have to be portable too."""
        bound = self.machine_bound
        return self.is_portable and not any(bound.get(setting, _ABSENT) == value for setting, value in settings.items())

    def try_out(self, space: Space, settings: Mapping[str, Any]) -> None:
        """Choose once, to raise whatever error *space* or *settings* cause before anything is written."""
        with contextlib.suppress(Exhausted):
            self.choose(space, History(space), seed=0, **without_replicates(settings))

    def parts(self, settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the algorithms that this one calls, as plain *settings* name them."""
        return ()

    def choose_all(self, space: Space, history: History, n: int, *, seed: int, **settings: Any) -> Sequence[Point]:
        """Return points for the next trials: one, or up to *n* where hyperopt's algorithm of that name returns more."""
        return [self.choose(space, history, seed=seed, **settings)]

    def gather(self, values: Sequence[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return *values*, given in the order of `defaults`, and *settings*; raises InvalidValue as `plain` does."""
        defaults = self.defaults
        if len(values) > len(defaults):
            raise InvalidValue(f"{self.name} has {len(defaults)} settings, not {len(values)}: {', '.join(defaults)}")
        given = {**dict(zip(defaults, values, strict=False)), **settings}
        self.check(given)
        return {setting: self._plain_value(setting, value) for setting, value in given.items()}

    def __call__(
        self, new_ids: Sequence[int], domain: Any, trials: Any, seed: int, *values: Any, **settings: Any
    ) -> list[dict[str, Any]]:
        """Return trial documents of hyperopt's shape for *new_ids*, or the first of them; see `choose_all`.

        Settings may be given by position, as in hyperopt. `domain.space` is a Space. *trials* has
        `history(space)`, or `trials`, a list of hyperopt's documents.
        """
        if not new_ids:
            return []
        settings = self.gather(values, settings)
        space: Space = domain.space
        history = history_of(trials, space).numbered(new_ids[0])
        try:
            chosen = choose_recorded(self, space, history, seed=seed, settings=settings, n=len(new_ids))
        except Exhausted:
            return []
        exp_key = getattr(trials, "exp_key", None)
        return [document(tid, space, point, exp_key) for tid, point in zip(new_ids, chosen.points, strict=False)]


def _description(algorithm: Algorithm) -> str:
    """Return the text that `help` shows of *algorithm*."""
    what = inspect.getdoc(algorithm.choose) or ""
    settings = ", ".join(f"{name}={value!r}" for name, value in algorithm.defaults.items()) or "none"
    name = algorithm.name
    return (
        f"{what}\n\nSettings: {settings}.\n\n"
        f'Search with it by `fmin(..., algo="{name}")`. Settings are passed by `functools.partial` of the algorithm.'
    )


def history_of(trials: Any, space: Space) -> History:
    """Return the history of *trials* over *space*: their own `history(space)`, or one read from their documents."""
    if hasattr(trials, "history"):
        history: History = trials.history(space)
        return history
    return History.from_documents(space, trials.trials)


def document(tid: int, space: Space, point: Point, exp_key: str | None) -> dict[str, Any]:
    """Return hyperopt's document of a new trial at *point*: its values are scalars of numpy's, as hyperopt's are."""
    labels = sorted(space.labels)
    return {
        "state": 0,
        "tid": tid,
        "spec": None,
        "result": {"status": "new"},
        "misc": {
            "tid": tid,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {label: [tid] if label in point else [] for label in labels},
            "vals": {label: [_scalar(point[label])] if label in point else [] for label in labels},
        },
        "exp_key": exp_key,
        "owner": None,
        "version": 0,
        "book_time": None,
        "refresh_time": None,
    }


def _scalar(value: Value) -> np.int64 | np.float64:
    return np.int64(value) if isinstance(value, int) else np.float64(value)
