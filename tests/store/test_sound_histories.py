"""Random histories with strays, forged events, losses, quarantines and seals: what is left always verifies."""

from __future__ import annotations

import datetime as dt
import random
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pytest
from histories import begin, step

from hstore.store.attachments import MemoryAttachments
from hstore.store.errors import ClosedChain, Conflict, NotSigned
from hstore.store.event_documents import to_document
from hstore.store.events import Document, Event, Noted, Queued, Sealed, Unreadable
from hstore.store.experiment import Experiment
from hstore.store.keys import Keys
from hstore.store.link_check import tampered
from hstore.store.log import NO_EVENTS, EventIds, Place, ReadCursor
from hstore.store.memory import MemoryLog
from hstore.store.rewind import rewound
from hstore.store.seals import seal
from hstore.store.set_aside import Separated, separate
from hstore.store.state import fold
from hstore.store.store import Store
from hstore.store.verify import verify

KEYS = Keys(bytes(range(32)))


class LaxLog(MemoryLog):
    """A log into which others insert what they like, as they may into MongoDB: only no place is taken twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stored: list[Event] = []

    def append(self, events: Sequence[Event], *, held: EventIds = NO_EVENTS, is_checked: bool = False) -> None:
        if not is_checked:
            self._require(held)
        for event in events:
            other = next((each for each in self.stored if place(each) == place(event)), None)
            if other is None:
                self.stored.append(event)
            elif other.id != event.id:
                raise Conflict("", event=other, mine=event, exp="e", tid=event.tid, ver=event.ver)

    def look(self, exp: str, known: ReadCursor = ReadCursor()) -> Separated:  # noqa: B008 - frozen
        self._require(known.held)
        return separate([event for event in in_order(self.stored) if not known.has(place(event))], known)

    def _require(self, held: EventIds) -> None:
        there = self.ids("e")
        if gone := [at for at, id in held.items() if there.get(at) != id]:
            raise rewound("e", gone, left=len(there))

    def ids(self, exp: str) -> EventIds:
        return {place(event): event.id for event in self.stored}

    def documents(self, exp: str, *, quick: bool = False) -> Iterator[Document]:
        return map(to_document, in_order(self.stored))


def place(event: Event) -> Place:
    return event.tid, event.ver


def in_order(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: (-1 if event.tid is None else event.tid, event.ver))


def now(store: Store) -> Experiment:
    """Return the experiment as a new process finds it."""
    experiment = Experiment(store, "e")
    experiment.refresh()
    return experiment


class History:
    """What happens to one experiment, by chance. keys: those of the processes that write to it."""

    def __init__(self, seed: int, keys: Keys | None) -> None:
        self.rng = random.Random(seed)
        self.log = LaxLog()
        self.store = Store(self.log, MemoryAttachments(), keys=keys)
        begin(self.store)
        self.witness = Experiment(Store(self.log, MemoryAttachments()), "e")
        """What a process without a key read, as it went along."""

    def go_on(self) -> None:
        """Go on in a new process; it is refused only where something is set aside."""
        experiment = now(self.store)
        for _ in range(self.rng.randrange(1, 12)):
            try:
                experiment.check_signatures()  # before anything of it is observed
                experiment.append(experiment.compose(*step(experiment, self.rng)))
            except Conflict:
                continue  # with a stray, which is behind what was read
            except (ClosedChain, NotSigned):
                assert experiment.set_aside_if_signed()

    def seal(self) -> None:
        try:
            seal(now(self.store))
        except (ClosedChain, NotSigned, Conflict):
            assert now(self.store).set_aside_if_signed()

    def stray(self) -> None:
        """Insert what belongs nowhere; with keys also what would be the next event, were it signed."""
        trials = now(self.store).trials
        more: dict[str, Any] = {"by": "another", "at": dt.datetime(2030, 1, 1, tzinfo=dt.UTC)}
        tid = self.rng.choice([None, *range(len(trials) + 3)])
        there = [event.ver for event in self.log.stored if event.tid == tid]
        gap = self.rng.randrange(0 if self.store.keys else 1, 4)
        ver = max(there, default=-1) + 1 + gap
        if tid is not None and tid >= len(trials) and self.rng.random() < 0.5:
            tid, ver = tid + (0 if self.store.keys else 1), 0
        kinds: list[tuple[type[Event], dict[str, Any]]] = [
            (Noted, {"note": "of a stranger"}),
            (Sealed, {"head": b"?" * 32, "tips": [[None, 1, 0]], "decisions": 0}),
            (Queued, {"point": {}, "params": {}, "observed": []}),
        ]
        kind, data = kinds[2 if ver == 0 else 1 if tid is None and self.rng.random() < 0.5 else 0]
        event = kind(exp="e", tid=tid, ver=ver, id=uuid.UUID(int=self.rng.getrandbits(128)), **more, **data)
        if place(event) not in self.log.ids("e"):
            self.log.stored.append(event)
            self.witness.refresh()

    def lose(self) -> None:
        """Put a backup back under a process that puts back what it held."""
        experiment = now(self.store)
        held = {place(event): event.id for event in experiment.events}
        before = self.log.stored[:]
        del self.log.stored[-self.rng.randrange(1, 8) :]
        lost = [event for event in experiment.events if place(event) not in self.log.ids("e")]
        if place(lost[0] if lost else before[0]) == (None, 0) or any(isinstance(event, Unreadable) for event in lost):
            self.log.stored = before  # what a person had quarantined is not put back
            return
        self.store.recovers = True
        experiment.refresh()
        assert held.items() <= self.log.ids("e").items()
        self.witness = now(self.witness.store)

    def quarantine(self) -> None:
        """Have a person say that what is set aside counts for nothing; then all is well."""
        before = now(self.store)
        before.quarantine("strays", unreadable=True)
        after = now(self.store)
        after.check_signatures()
        assert after.set_aside_if_signed() == []
        report = verify(after.documents())
        assert report.findings == ()
        assert report.head == after.head
        assert after._links.holds(whole=True), "without a look at the whole log"
        assert tampered("e", after.documents(), self.store.attachments.get) is None
        assert fold("e", after.events).trials == after.state.trials
        self.witness.load_trials(range(len(after.trials)))
        assert self.witness.state.trials == after.state.trials
        assert self.witness.head == after.head
        assert self.witness._links.holds(whole=True)
        assert self.witness.seals.has_news() == after.seals.has_news()
        assert self.witness.seals.sealed() == after.seals.sealed()


@pytest.mark.parametrize("keys", [None, KEYS], ids=["without a key", "with a key"])
@pytest.mark.parametrize("seed", [0, 3, 10])
def test_what_is_left_after_strays_losses_and_quarantines_verifies_and_goes_on(seed: int, keys: Keys | None) -> None:
    history = History(seed, keys)
    acts = [history.go_on, history.go_on, history.seal, history.stray, history.stray, history.lose, history.quarantine]
    for _ in range(25):
        history.rng.choice(acts)()
        aside = now(history.store).set_aside
        assert bool(verify(history.log.documents("e")).findings) >= bool(aside)
    history.quarantine()
    events = len(history.log.stored)
    history.go_on()
    assert len(history.log.stored) > events
    assert verify(history.log.documents("e")).findings == ()
