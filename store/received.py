"""Received: the events of an experiment in the order in which this process read them, without a second copy of them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import overload

from hstore.store.events import Event

OWN_CHAIN = -1
"""Stands for the experiment's own chain, which has no tid."""


def _none(tids: Sequence[int]) -> Mapping[int | None, Sequence[Event]]:
    return {}


class Received(Sequence[Event]):
    """A sequence over *chains*, to which each event is added before it is added here. read: returns those of settled
    trials, by tid, which are not among them.

    Only the order of chains is kept, in four bytes an event: the last mention of a chain is its last event, the one
    before that the event before, and so on. So `received[n:]`, what is new since there were *n*, takes time for what is
    new alone.
    """

    def __init__(
        self,
        chains: Mapping[int | None, Sequence[Event]],
        read: Callable[[Sequence[int]], Mapping[int | None, Sequence[Event]]] = _none,
    ) -> None:
        self._chains = chains
        self._read = read
        self._order = array("i")

    def extend(self, events: Iterable[Event]) -> None:
        """Add *events*, which are in their chains already."""
        self._order.extend(OWN_CHAIN if event.tid is None else event.tid for event in events)

    def __iter__(self) -> Iterator[Event]:
        return iter(self[:])

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Event: ...
    @overload
    def __getitem__(self, index: slice) -> list[Event]: ...
    def __getitem__(self, index: int | slice) -> Event | list[Event]:
        places = range(len(self))[index]
        if isinstance(places, int):
            return self._since(places)[0]
        if not places:
            return []
        first = min(places[0], places[-1])
        since = self._since(first)
        return [since[place - first] for place in places]

    def _since(self, first: int) -> list[Event]:
        """Return the events from place *first* on."""
        left: dict[int, int] = {}
        events: list[Event] = []
        order = self._order[first:]
        settled = self._read(sorted(tid for tid in {*order} if tid != OWN_CHAIN and tid not in self._chains))
        for tid in reversed(order):
            chain = settled[tid] if tid in settled else self._chains[None if tid == OWN_CHAIN else tid]
            place = left[tid] = left.get(tid, len(chain)) - 1
            events.append(chain[place])
        events.reverse()
        return events
