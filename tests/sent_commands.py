"""SentCommands: counts what a store sends to its server, so that tests can guard how many round trips things take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from pymongo import monitoring

from hstore.store.open_store import open_store
from hstore.store.store import Store


class SentCommands(monitoring.CommandListener):
    """Counts commands by name and collection: `counts["insert events"]`."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        self.counts[f"{event.command_name} {event.command.get(event.command_name)}"] += 1

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        """Do nothing."""

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        """Do nothing."""


@contextmanager
def counted_store(url: str) -> Iterator[tuple[Store, SentCommands]]:
    """Open the store at *url*; yield it and the commands that it sends."""
    sent = SentCommands()
    listeners = monitoring._LISTENERS.command_listeners
    listeners.append(sent)
    try:
        store = open_store(url)  # a client asks for its listeners when it is made
    finally:
        listeners.remove(sent)
    with store:
        yield store, sent
