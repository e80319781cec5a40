"""FollowedLog: the new events of an experiment as they come, for a reader that has not folded it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from hstore.store.arrival import LAST
from hstore.store.events import Cancelled, Done, Event, Failed
from hstore.store.log import EventLog, ReadCursor

WAIT_SECONDS = 5.0


def follow(log: EventLog, exp: str, cursor: ReadCursor) -> Iterator[Event]:
    """Yield the events of *exp* that are not known to *cursor*, in the order of arrival, then new ones; never ends.

    Chains that have ended are not followed any further.
    """
    while True:
        found = log.look(exp, cursor)
        yield from sorted(found.sound, key=lambda event: event.ts or LAST)
        aside = cursor.aside | {each.id for each in found.aside}
        cursor = replace(_behind(cursor, found.sound), aside=aside)
        while not log.wait(exp, cursor, WAIT_SECONDS):
            pass


def _behind(cursor: ReadCursor, events: Sequence[Event]) -> ReadCursor:
    """Return the cursor behind *events*, which are the next ones after *cursor*."""
    header, last, open_ = cursor.header, cursor.last, dict(cursor.open)
    for event in events:
        if event.tid is None:
            header = event.ver
            continue
        last = max(last, event.tid)
        is_end = isinstance(event, Done | Cancelled) or (isinstance(event, Failed) and event.final)
        if is_end:
            open_.pop(event.tid, None)
        else:
            open_[event.tid] = event.ver
    return replace(cursor, header=header, last=last, open=open_)
