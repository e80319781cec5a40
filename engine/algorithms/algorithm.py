"""What an algorithm is: a pure function with a name and a version, callable in hyperopt's shape too."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from hstore.engine.algorithms.scalarise import How
from hstore.engine.history import History
from hstore.engine.space import Point, Space
from hstore.store.errors import InvalidValue


@dataclass(frozen=True, repr=False)
class Algorithm:
    """A way to choose the next point, and what the log records of it.

    *choose* takes a space, a history, a seed and settings by keyword, looks at nothing else and changes none
    of them. *version* goes up with each change of its numbers. A portable algorithm gives the same bits on
    every machine.
    """

    name: str
    version: int
    is_portable: bool
    choose: Callable[..., Point]
    scalarisation: How = "maximin"
    """How several losses become the one that *choose* reads; see `scalarise`."""

    def __repr__(self) -> str:
        return f"<hstore algorithm {self.name} {self.version}>"

    @property
    def defaults(self) -> Mapping[str, Any]:
        """The settings there are, with the values they have unless told otherwise."""
        parameters = inspect.signature(self.choose).parameters.values()
        return MappingProxyType({p.name: p.default for p in parameters if p.default is not p.empty})

    def check(self, settings: Iterable[str]) -> None:
        """Raise InvalidValue that names the first of *settings* that this algorithm does not have."""
        defaults = self.defaults
        for setting in settings:
            if setting not in defaults:
                known = ", ".join(defaults) or "none"
                raise InvalidValue(f"{self.name} has no setting {setting!r}; it has: {known}", path=setting)

    def plain(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return *settings*, as a user gives them or as a log has them, as *choose* and a log take them."""
        self.check(settings)
        return dict(settings)

    def parts(self, settings: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """Return the algorithms that this one leaves its choice to, as plain *settings* have them."""
        return ()

    def gather(self, values: Sequence[Any], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return *values*, given in the order of `defaults`, and *settings*; raises InvalidValue as `check` does."""
        defaults = self.defaults
        if len(values) > len(defaults):
            raise InvalidValue(f"{self.name} has {len(defaults)} settings, not {len(values)}: {', '.join(defaults)}")
        self.check(settings)
        return {**dict(zip(defaults, values, strict=False)), **settings}

    def __call__(
        self, new_ids: Sequence[int], domain: Any, trials: Any, seed: int, *values: Any, **settings: Any
    ) -> list[dict[str, Any]]:
        """Return one trial document of hyperopt's shape, for the first of *new_ids*.

        Settings may be given by position, as in hyperopt. `domain.space` is a Space. *trials* has
        `history(space)`, or `trials`, a list of hyperopt's documents.
        """
        if not new_ids:
            return []
        settings = self.gather(values, settings)
        space: Space = domain.space
        if hasattr(trials, "history"):
            history = trials.history(space)
        else:
            history = History.from_documents(space, trials.trials)
        point = self.choose(space, history.numbered(new_ids[0]), seed=seed, **settings)
        return [_document(new_ids[0], space, point, getattr(trials, "exp_key", None))]


def _document(tid: int, space: Space, point: Point, exp_key: str | None) -> dict[str, Any]:
    return {
        "tid": tid,
        "state": 0,
        "spec": None,
        "result": {"status": "new"},
        "misc": {
            "tid": tid,
            "cmd": ("domain_attachment", "FMinIter_Domain"),
            "workdir": None,
            "idxs": {label: [tid] if label in point else [] for label in space.labels},
            "vals": {label: [point[label]] if label in point else [] for label in space.labels},
        },
        "exp_key": exp_key,
        "owner": None,
        "version": 0,
        "book_time": None,
        "refresh_time": None,
    }
