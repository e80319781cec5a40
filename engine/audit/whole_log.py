"""WholeLog: all that a log holds of an experiment, as it is stored, for `check`: gaps, strays and all."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hstore.store.errors import NotFound
from hstore.store.event_documents import from_document, keys_of, place, quarantined, unreadable
from hstore.store.events import Document, Event
from hstore.store.log_chains import quarantined_ids
from hstore.store.state import State
from hstore.store.store import Store
from hstore.store.uncollected import uncollected


@dataclass(slots=True)
class WholeLog:
    """The log as it was read once."""

    exp: str
    events: list[Event] = field(default_factory=list)
    chains: dict[int | None, list[Event]] = field(default_factory=lambda: defaultdict(list))
    """Without what is in a place that was taken before."""
    strays: list[Document] = field(default_factory=list)
    """What has no place in any chain."""
    gone: frozenset[str] = frozenset()
    """What it says is quarantined: see `quarantined_ids`."""
    state: State = field(init=False)

    @property
    def header(self) -> Sequence[Event]:
        """The experiment's own chain."""
        return self.chains.get(None, ())

    @property
    def trials(self) -> Iterator[tuple[int, list[Event]]]:
        """Tid and chain, by tid."""
        for tid in sorted(tid for tid in self.chains if tid is not None):
            yield tid, self.chains[tid]


def read_whole(store: Store, name: str) -> WholeLog:
    """Return the log of experiment *name* as it is now. Raises `NotFound`."""
    log = _read(store, name, frozenset())
    known: frozenset[str] = frozenset()
    while log.gone != known:  # it says only as it is read what of it counts for nothing
        known = log.gone
        log = _read(store, name, known)
    for tid in [tid for tid, chain in log.chains.items() if not chain]:
        del log.chains[tid]
    log.state = State(name)
    with uncollected():
        log.state.take(event for chain in log.chains.values() for event in chain)
    return log


def _read(store: Store, name: str, gone: frozenset[str]) -> WholeLog:
    """Read the log, without what is *gone*, and keep no document longer than it takes to make an event of it."""
    log = WholeLog(name)
    naming: list[Document] = []
    is_there = False
    with uncollected():
        for document in store.log.documents(name):
            is_there = True
            if document.get("type") == "quarantined":
                naming.append(document)
            is_gone = bool(gone) and not gone.isdisjoint(keys_of(document))
            if place(document) is None:
                if not is_gone:
                    log.strays.append(document)
                continue
            event: Event
            if "raw" in document:
                event = unreadable(document, "it is not BSON", document["raw"])
            else:
                event = from_document(document, store.attachments.get)
            chain = log.chains[event.tid]
            if is_gone:
                last = max((tid for tid, chain in log.chains.items() if tid is not None and chain), default=-1)
                if event.ver != len(chain) or (event.tid is not None and event.tid > last + 1):
                    continue  # its chain has not come that far
                event = quarantined(event)
            log.events.append(event)
            if not chain or event.ver > chain[-1].ver:
                chain.append(event)
    if not is_there:
        store.experiment(name)  # raises NotFound, with a similar name as hint
        raise NotFound(f"experiment {name!r} has no events")
    log.gone = frozenset(quarantined_ids(naming))
    return log
