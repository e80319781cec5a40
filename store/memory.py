"""MemoryLog: the log of a search that needs no server. Picklable, lost with its process."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from hstore.store.digest import digest_event
from hstore.store.errors import Conflict, InvalidEvent
from hstore.store.event_documents import signed, to_document
from hstore.store.events import Document, Event
from hstore.store.log import EVERY_TRIAL, NO_EVENTS, EventIds, ReadCursor, ReportRow, report_row
from hstore.store.rewind import rewound
from hstore.store.set_aside import Separated


class MemoryLog:
    """See `EventLog`. Events are kept as they are, so that results may be any object."""

    is_on_disk = False

    def __init__(self) -> None:
        self._chains: dict[str, dict[int | None, list[Event]]] = {}
        self._changed = threading.Condition()

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        """See `EventLog.append`."""
        with self._changed:
            if held and events and not is_checked:
                self._refuse_loss(events[0].exp, held)
            try:
                for event in events:
                    self._append(event)
            finally:
                self._changed.notify_all()  # of those before a conflict as well

    def _of(self, exp: str) -> dict[int | None, list[Event]]:
        """Return the chains of *exp*."""
        return self._chains.get(exp, {})

    def _append(self, event: Event) -> None:
        chains = self._chains.setdefault(event.exp, {})
        chain = chains.setdefault(event.tid, [])
        if event.ver < len(chain):
            other = chain[event.ver]
            if other.id == event.id:
                if other is not event and digest_event(other) != digest_event(event):
                    raise InvalidEvent(f"the id {event.id} was given to two different events", path="id")
                return
            raise Conflict(
                f"{event.exp!r} trial {event.tid}: place {event.ver} is taken by {other.type}",
                event=other, mine=event, exp=event.exp, tid=event.tid, ver=event.ver,
            )  # fmt: skip
        if event.ver > len(chain) or (event.tid and not chains.get(event.tid - 1)):
            raise InvalidEvent(f"{event.exp!r} trial {event.tid}: place {event.ver} would leave a gap")
        chain.append(event)

    def read(self, exp: str, known: ReadCursor = ReadCursor()) -> list[Event]:  # noqa: B008 - frozen
        """See `EventLog.read`."""
        return self.look(exp, known).sound

    def look(self, exp: str, known: ReadCursor = ReadCursor()) -> Separated:  # noqa: B008 - frozen
        """See `EventLog.look`: an append refuses what leaves a gap, so nothing is set aside."""
        with self._changed:
            self._refuse_loss(exp, known.held)
            return Separated(list(self._news(exp, known)), [])

    def _refuse_loss(self, exp: str, held: EventIds) -> None:
        chains = self._of(exp)
        gone = [
            (tid, ver)
            for (tid, ver), id in held.items()
            if not any(event.id == id for event in chains.get(tid, ())[ver : ver + 1])
        ]
        if gone:
            raise rewound(exp, gone, left=sum(map(len, chains.values())))

    def identity(self) -> None:
        """See `EventLog.identity`."""

    def ids(self, exp: str) -> EventIds:
        """See `EventLog.ids`."""
        return {(event.tid, event.ver): event.id for event in self.read(exp)}

    def _news(self, exp: str, known: ReadCursor) -> Iterator[Event]:
        chains = self._of(exp)
        yield from chains.get(None, ())[known.header + 1 :]
        for tid in sorted(known.open):
            yield from chains.get(tid, ())[known.open[tid] + 1 :]
        tid = known.last + 1
        while chain := chains.get(tid):
            yield from chain
            tid += 1

    def count(self, exp: str, below: int) -> int:
        """See `EventLog.count`."""
        return sum(self.lengths(exp, below).values())

    def lengths(self, exp: str, below: int) -> dict[int, int]:
        """See `EventLog.lengths`."""
        with self._changed:
            chains = self._of(exp)
            return {tid: len(chain) for tid, chain in chains.items() if tid is not None and tid < below}

    def report_rows(self, exp: str, known: ReadCursor) -> list[ReportRow]:
        """See `EventLog.report_rows`."""
        known = replace(known, header=EVERY_TRIAL)
        news = self.read(exp, known)
        return [report_row(event.tid, event) for event in news if event.tid is not None and event.ver > 0]

    def documents(self, exp: str, *, quick: bool = False) -> Iterator[Document]:
        """See `EventLog.documents`."""
        for event in self.read(exp):
            yield _stored(event)

    def chain_documents(self, exp: str, tid: int | None) -> Iterator[Document]:
        """See `EventLog.chain_documents`."""
        with self._changed:
            chain = [*self._of(exp).get(tid, ())]
        return map(_stored, chain)

    def latest_documents(self, exp: str, n: int) -> list[Document]:
        """See `EventLog.latest_documents`: by the clocks of the writers, since there is no server."""
        events = sorted(self.read(exp), key=lambda event: event.at)
        return [_stored(event) for event in events[-n:]]

    def last_trial(self, exp: str) -> int:
        """See `EventLog.last_trial`."""
        with self._changed:
            return max((tid for tid in self._of(exp) if tid is not None), default=-1)

    def last_inserted(self) -> object:
        """See `EventLog.last_inserted`."""
        return None

    def remove(self, exp: str) -> int:
        """See `EventLog.remove`."""
        with self._changed:
            return sum(map(len, self._chains.pop(exp, {}).values()))

    def experiments(self) -> list[str]:
        """See `EventLog.experiments`."""
        with self._changed:
            return sorted(exp for exp, chains in self._chains.items() if chains.get(None))

    def wait(self, exp: str, known: ReadCursor, timeout: float) -> bool:
        """See `EventLog.wait`."""
        with self._changed:
            return self._changed.wait_for(lambda: next(self._news(exp, known), None) is not None, timeout)

    def __getstate__(self) -> dict[str, Any]:
        with self._changed:
            return {"_chains": {e: {t: list(c) for t, c in cs.items()} for e, cs in self._chains.items()}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._changed = threading.Condition()


def _stored(event: Event) -> Document:
    return signed(to_document(event), event.mac)
