"""The order of arrival: in which order the server received events, by their `ts`. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from typing import Any

import bson

from hstore.store.event_documents import place
from hstore.store.events import Document, Event

LAST = (2**32, 0)
"""Sorts after every timestamp."""
DISORDER = 50
"""So many places at most, those who insert at the same time may have their documents stored in another order."""


def arrival(document: Document) -> tuple[int, int]:
    """Return the key by which *document* is sorted in the order of arrival; those without a timestamp come last."""
    ts = document.get("ts")
    return (ts.time, ts.inc) if isinstance(ts, bson.Timestamp) else LAST


def in_order_of_arrival(documents: Iterable[Document]) -> Iterator[Document]:
    """Yield *documents*, which come in the order of `EventLog.read`, in the order of arrival.

    No event of a trial, or of one after it, arrived before the decision that began it. So each decision lets all go
    that arrived before it: what is kept meanwhile is the experiment's own chain, and what happened to trials after
    later ones were decided.
    """
    waiting: list[tuple[tuple[int, int], int, Document]] = []
    for number, document in enumerate(documents):
        at = place(document)
        if at is not None and at[0] is not None and at[1] == 0:
            decided = arrival(document)
            while decided != LAST and waiting and waiting[0][0] < decided:
                yield heappop(waiting)[2]
        heappush(waiting, (arrival(document), number, document))
    while waiting:
        yield heappop(waiting)[2]


def events_as_they_arrived(events: Iterable[Event]) -> Iterator[Event]:
    """Yield *events*, which come in the order of `EventLog.read`, in the order in which the store received them.

    If it does not say so of the first, in the order in which they were written. Each comes after those that it follows.
    As little is kept meanwhile as by `in_order_of_arrival`.
    """
    waiting: list[tuple[Any, int, Event]] = []
    has_ts = False
    latest: Any = None
    begun: Any = None
    for number, event in enumerate(events):
        if number == 0:
            has_ts = event.ts is not None
        if event.ver == 0 and begun is not None:
            latest = begun  # the next trial was queued after this one
        when: Any = event.ts if has_ts else event.at
        latest = when if latest is None or (when is not None and when > latest) else latest
        if event.ver == 0:
            begun = latest
            while waiting and waiting[0][0] <= latest:
                yield heappop(waiting)[2]
        heappush(waiting, (latest, number, event))
    while waiting:
        yield heappop(waiting)[2]


def are_newest_first(documents: Sequence[Document]) -> bool:
    """Return whether *documents*, but for a small disorder, come in the reverse order of arrival."""
    ordered = sorted(range(len(documents)), key=lambda n: arrival(documents[n]), reverse=True)
    return all(abs(n - place) <= DISORDER for place, n in enumerate(ordered))
