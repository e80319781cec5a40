"""The latest events that this process knows of an experiment: a log that has them has not gone back in time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from uuid import UUID

from hstore.store.events import Event
from hstore.store.log import EventIds

MOST_KEPT = 100
"""Of so many experiments at most the latest events are kept once their stores were closed."""
NAMED_SECONDS, MOST_NAMED = 10.0, 500
"""For how long, and in how many appends at most, events are remembered that no look is for. What a worker reported a
few appends before the store went back may be known to it alone: no driver had read it yet."""


class LatestEvents:
    """Remembers a few events of one experiment, whichever part of this process read or appended them. For all threads.

    A store that is put back to an earlier time loses what is latest. The event appended before the last one is kept as
    well: the store may have gone back between the look at what is there and the append that followed it.
    """

    def __init__(self) -> None:
        self.created: UUID | None = None
        """The id of the event that began the experiment."""
        self._appended: deque[tuple[float, Sequence[Event]]] = deque(maxlen=MOST_NAMED)
        self._read: Event | None = None

    @property
    def events(self) -> list[Event]:
        """All that is remembered: an error that says what the store has lost names each of these."""
        events = [event for _, appended in list(self._appended) for event in appended]
        return events if self._read is None else [*events, self._read]

    @property
    def ids(self) -> EventIds:
        """The `_id`, by its place, of each event that a look is for: the last one of each of the last two appends."""
        events = [appended[-1] for _, appended in list(self._appended)[-2:]]
        return {(event.tid, event.ver): event.id for event in (events if self._read is None else [*events, self._read])}

    def appended(self, events: Sequence[Event]) -> None:
        """Remember *events*, which one append has made durable."""
        moment = time.monotonic()
        if events:
            self._appended.append((moment, events))
        self._forget(before=moment - NAMED_SECONDS)

    def read(self, events: Sequence[Event]) -> None:
        """Remember the latest of *events* by the server's clock, if nothing later has been read."""
        for event in events:
            if event.ts is not None and (self._read is None or event.ts >= (self._read.ts or (0, 0))):
                self._read = event

    def closed(self) -> None:
        """Forget what no look is for."""
        self._forget(before=float("inf"))

    def _forget(self, *, before: float) -> None:
        while len(self._appended) > 2 and self._appended[0][0] < before:
            self._appended.popleft()


_CLOSED: dict[tuple[UUID, str], LatestEvents] = {}


def keep(store: UUID, known: Mapping[str, LatestEvents]) -> None:
    """Keep what is *known*, by experiment, of the *store* with that identity, which is closed now."""
    for exp, latest in known.items():
        if latest.created is not None:
            _CLOSED.pop((store, exp), None)
            _CLOSED[store, exp] = latest
            latest.closed()
    for key in [*_CLOSED][: max(0, len(_CLOSED) - MOST_KEPT)]:
        _CLOSED.pop(key, None)


def kept(store: UUID, exp: str) -> LatestEvents | None:
    """Return what was kept of *exp*, and let go of it; None if nothing was."""
    return _CLOSED.pop((store, exp), None)
