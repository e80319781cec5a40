"""Choose a point as the log records it: the one place where a history is scalarised and handed to an algorithm.

The driver decides through it, `hstore replay` decides again through it, and an algorithm that is called as hyperopt's
are goes through it too. So what is recorded and what is derived again come from the same code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from hstore.engine.algorithms.exhausted import Exhausted
from hstore.engine.algorithms.history import History
from hstore.engine.algorithms.repeated import REPLICATES, point_of, to_repeat, without_replicates
from hstore.engine.algorithms.scalarise import describe, is_needed, scalarise
from hstore.engine.space import Point, Space

if TYPE_CHECKING:
    from hstore.engine.algorithms.algorithm import Algorithm
    from hstore.engine.algorithms.densities import Densities


class RecordedChoice(NamedTuple):
    """What an algorithm chose, and what the log has to say of the way in which it read the history."""

    points: Sequence[Point]
    """At least one, at most as many as were wanted."""
    scalarised: str | None
    """The scalarisation and its version, such as "maximin 1"; None if the algorithm read the history as it is."""
    replicate_of: int | None = None
    """The first trial at the point, which is evaluated again; None if the algorithm chose the point."""

    def described(self, algorithm: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the field `algorithm` of the decision, *algorithm* being what `describe_algorithm` returned."""
        more = {"scalarised": self.scalarised, "replicate_of": self.replicate_of}
        more = {name: value for name, value in more.items() if value is not None}
        return {**algorithm, **more} if more else algorithm


def choose_recorded(
    algorithm: Algorithm,
    space: Space,
    history: History,
    *,
    seed: int,
    settings: Mapping[str, Any],
    n: int | None = None,
    recorded: Mapping[str, Any] | None = None,
) -> RecordedChoice:
    """Return what *algorithm* chooses after *history*, by the seed of the decision, and how the log names that.

    A history of several losses or with constraints is scalarised first, as suits the algorithm. With the setting
    `replicates` the best point is evaluated again instead, as long as `to_repeat` says so, also when the algorithm has
    no point left.

    seed: of the decision, as the log records it; the algorithm gets the one that `scalarise` makes of it.
    settings: plain ones, see `Algorithm.plain`.
    n: up to how many points are wanted by one seed, as hyperopt asks; None for one point, by `Algorithm.choose`.
    recorded: the field `algorithm` of a decision that is made again. The history is then scalarised as it was for
    that decision, and the point chosen as the version did that made it: see `Algorithm.older`.
    Raises `Exhausted` if the algorithm has no point left.
    """
    if recorded is not None:
        settings = as_recorded(algorithm, settings, recorded)
    if (tid := to_repeat(space, history, settings.get(REPLICATES, 1))) is not None:
        return RecordedChoice([point_of(space, history, tid)], None, tid)
    scalarised = _scalarisation(algorithm, history) if recorded is None else recorded.get("scalarised")
    read, own_seed = _scalarised(history, scalarised, seed)
    own_settings = without_replicates(settings)
    try:
        if n is None:
            return RecordedChoice([algorithm.choose(space, read, seed=own_seed, **own_settings)], scalarised)
        return RecordedChoice(algorithm.choose_all(space, read, n, seed=own_seed, **own_settings), scalarised)
    except Exhausted:
        tid = to_repeat(space, history, settings.get(REPLICATES, 1), is_exhausted=True)
        if tid is None:
            raise
        return RecordedChoice([point_of(space, history, tid)], None, tid)


def recorded_shortfall(
    algorithm: Algorithm,
    space: Space,
    history: History,
    point: Point,
    *,
    seed: int,
    settings: Mapping[str, Any],
    recorded: Mapping[str, Any],
) -> float | None:
    """Return how far the *point* of a decision falls short of what *algorithm* seeks; see `Algorithm.shortfall`.

    None if the algorithm would not propose the point, or cannot say. The arguments are those of `choose_recorded`.
    """
    if algorithm.shortfall is None:
        return None
    history, seed = _scalarised(history, recorded.get("scalarised"), seed)
    settings = without_replicates(as_recorded(algorithm, settings, recorded))
    return algorithm.shortfall(space, history, point, seed=seed, **settings)


def recorded_densities(
    algorithm: Algorithm,
    space: Space,
    history: History,
    point: Point,
    *,
    seed: int,
    settings: Mapping[str, Any],
    recorded: Mapping[str, Any],
) -> list[Densities] | None:
    """Return how the *point* of a decision was compared with others; see `Algorithm.densities`.

    None if *algorithm* compares no densities, or did not yet. The arguments are those of `choose_recorded`.
    """
    if algorithm.densities is None:
        return None
    history, seed = _scalarised(history, recorded.get("scalarised"), seed)
    settings = without_replicates(as_recorded(algorithm, settings, recorded))
    return algorithm.densities(space, history, point, seed=seed, **settings)


def _scalarised(history: History, how: str | None, seed: int) -> tuple[History, int]:
    return (history, seed) if how is None else scalarise(history, how.split()[0], seed=seed)


def as_recorded(algorithm: Algorithm, settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """Return *settings* with those that make *algorithm* choose as the version did that is recorded."""
    return {**algorithm.older.get(recorded.get("version", algorithm.version), {}), **settings}


def _scalarisation(algorithm: Algorithm, history: History) -> str | None:
    return describe(algorithm.scalarisation) if is_needed(history) else None
