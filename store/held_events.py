"""The events that this process holds: what its readers have read or appended, wherever in the process they are."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary, ref

from hstore.store.events import Event
from hstore.store.latest_events import LatestEvents
from hstore.store.log import Place

Chains = Mapping[int | None, Sequence[Event]]


class ReadChains:
    """The chains of one reader. Kept as long as the reader lives; another thread may look at them meanwhile."""

    def __init__(self, chains: Chains) -> None:
        self.chains = chains


_READERS: WeakKeyDictionary[LatestEvents, list[ref[ReadChains]]] = WeakKeyDictionary()
_SAVED: defaultdict[tuple[str, str], dict[Place, Event]] = defaultdict(dict)
_GATE = threading.Lock()


def register(latest: LatestEvents, chains: Chains) -> ReadChains:
    """Count *chains* among those of the experiment whose latest events are *latest*; return what keeps them there."""
    read = ReadChains(chains)
    with _GATE:
        _READERS[latest] = [*(known for known in _READERS.get(latest, ()) if known() is not None), ref(read)]
    return read


def held_events(latest: LatestEvents) -> dict[Place, Event]:
    """Return by its place each event of an experiment that this process holds."""
    with _GATE:
        readers = [read for known in _READERS.get(latest, ()) if (read := known()) is not None]
    held = {(event.tid, event.ver): event for event in latest.events}
    for read in readers:
        for chain in list(read.chains.values()):
            held |= {(event.tid, event.ver): event for event in list(chain)}
    return held


def save(uri: str, exp: str, events: Mapping[Place, Event]) -> None:
    """Keep *events* of *exp*, which the store at *uri* has lost, as long as this process lives."""
    with _GATE:
        _SAVED[uri, exp] |= events


def saved(uri: str, exp: str) -> Mapping[Place, Event]:
    """Return what was saved of *exp*."""
    with _GATE:
        return dict(_SAVED.get((uri, exp), {}))


def forget_saved(uri: str, exp: str) -> None:
    """Forget what was saved of *exp*: it is in the store again."""
    with _GATE:
        _SAVED.pop((uri, exp), None)
