"""The latest events that this process knows of an experiment: a log that has them has not gone back in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from hstore.store.events import Event
from hstore.store.log import EventIds


class LatestEvents:
    """Remembers a few events of one experiment, whoever of this process read or appended them. For all threads.

    A store that is put back to an earlier time loses what is latest. The event appended before the last one is kept as
    well: the store may have gone back between the look at what is there and the append that followed it.
    """

    def __init__(self) -> None:
        self._appended: deque[Sequence[Event]] = deque(maxlen=2)
        self._read: Event | None = None

    @property
    def events(self) -> list[Event]:
        """What is remembered: for what has been lost to be told in full, all events of the last two appends."""
        events = [event for appended in self._appended for event in appended]
        return events if self._read is None else [*events, self._read]

    @property
    def ids(self) -> EventIds:
        """The `_id`, by its place, of each event that a look is for: of an append, the last one."""
        events = [appended[-1] for appended in self._appended]
        return {(event.tid, event.ver): event.id for event in (events if self._read is None else [*events, self._read])}

    def appended(self, events: Sequence[Event]) -> None:
        """Remember *events*, which one append has made durable."""
        if events:
            self._appended.append(events)

    def read(self, events: Sequence[Event]) -> None:
        """Remember the latest of *events* by the server's clock, if nothing later has been read."""
        for event in events:
            if event.ts is not None and (self._read is None or event.ts >= (self._read.ts or (0, 0))):
                self._read = event
