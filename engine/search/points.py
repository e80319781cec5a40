"""Points that users give: read against the space, compared with those that were queued before, and queued."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from hstore.engine.search import control
from hstore.engine.space import Point, Space
from hstore.engine.space.reading import Ints, PointReader
from hstore.store.errors import InvalidPoint, NotFound
from hstore.store.events import Data
from hstore.store.experiment import Experiment
from hstore.store.state import State

ENQUEUED = "enqueued"
"""The `source` of a trial whose point the user gave."""


def read(
    space: Space, given: Sequence[Any], *, names: Iterable[str], ints: Ints = "index", takes_outside: bool = False
) -> list[Point]:
    """Return the raw values of the points *given*; see `PointReader`. An `InvalidPoint` says which, by *names*.

    takes_outside: take numbers out of range, as hyperopt does, and warn of each.
    """
    points = []
    for name, one in zip(names, given, strict=False):
        reader = PointReader(space, ints=ints, outside=partial(_warn, name) if takes_outside else None)
        try:
            points.append(reader.read(one))
        except InvalidPoint as error:
            raise InvalidPoint(f"{name}: {error}", hint=error.hint, **error.values) from None
    return points


def _warn(name: str, why: str) -> None:
    warnings.warn(f"{name}: {why}. It is evaluated all the same", UserWarning, stacklevel=2)


def decision(space: Space, point: Point) -> dict[str, Any]:
    """Return the data of the `Queued` of *point*."""
    return {"point": point, "params": space.params(point), "source": ENQUEUED}


def not_queued(state: State, points: Iterable[Point]) -> list[Point]:
    """Return those of *points* that the search of *state* has not; of equal points as many as it lacks."""
    given = (trial.queued for trial in state.unlike_most())
    there = Counter(_key(queued.point) for queued in given if queued is not None and queued.source == ENQUEUED)
    left = []
    for point in points:
        if there[_key(point)] > 0:
            there[_key(point)] -= 1
        else:
            left.append(point)
    return left


def _key(point: Data) -> frozenset[tuple[str, Any]]:
    return frozenset(point.items())


def enqueue(
    experiment: Experiment,
    given: Sequence[Mapping[str, Any]],
    *,
    names: Iterable[str] | None = None,
    ints: Ints = "index",
    why: str = ENQUEUED,
) -> control.Outcome:
    """Queue a trial for each of the points *given*, which are as `PointReader` takes them; see `control.enqueue`.

    names: what an error calls each of them. Nothing is queued if one of them is not of the space: `InvalidPoint`.
    Raises `NotFound` for an experiment without a beginning.
    """
    created = experiment.state.created
    if created is None:
        raise NotFound(
            f"experiment {experiment.name!r} has no space yet",
            hint="fmin begins it; its points_to_evaluate are queued first",
        )
    space = Space.from_data(experiment.state.space)
    points = read(space, given, names=names or _numbered(len(given)), ints=ints)
    return control.enqueue(experiment, [decision(space, point) for point in points], why)


def _numbered(n: int) -> list[str]:
    return ["the point"] if n == 1 else [f"point {i}" for i in range(n)]
