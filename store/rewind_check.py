"""RewindCheck: how an experiment notices that its store has gone back in time, or lost events of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from hstore.store.chain_digests import chain_name
from hstore.store.errors import ExperimentRemoved, StoreRewound, VerificationFailed
from hstore.store.events import Event, Queued, Reported, Reserved
from hstore.store.held_events import held_events, register, save
from hstore.store.latest_events import kept
from hstore.store.log import EventIds, Place
from hstore.store.messages import Log
from hstore.store.recovery import recover
from hstore.store.rewind import behind_gaps, rewound
from hstore.store.tombstones import latest_removal, removed_error

if TYPE_CHECKING:
    from uuid import UUID

    from hstore.store.store import Store

LOG = Log("rewind")
Result = TypeVar("Result")
CHAINS_A_LOOK = 4
"""Of the chains that may go on, how many each read looks at: others the next time."""
FRESH_SECONDS, REPORT_SECONDS = 0.005, 1.0
"""How old the look that came with a read may be for an append, and any look for a report, to need no other."""
RECENT_SECONDS, BUSY_SECONDS = 0.02, 0.05
"""A serial search that looked twice in the second of these times need not look if it did so in the first. Where two
appends are further apart than the second, each looks just before it: next to such trials a look costs nothing."""


class RewindCheck:
    """Knows which events of *chains*, those of experiment *name* as they were read, the log must still have.

    Each read asks for a few of them beside what is new. An append needs a look of its own, unless the search is a busy
    one and a read came just before: one for each trial of a serial search whose trials take a moment, none for what
    objectives report.
    """

    def __init__(self, store: Store, name: str, chains: Mapping[int | None, Sequence[Event]]) -> None:
        self._store = store
        self._name = name
        self._chains = chains
        _warn_of_loss(store, name)
        self._registered = register(store.latest[name], chains)
        self._turn = 0
        self._last_decided = -1
        self._looked = self._looked_before = float("-inf")
        self._appended = self._appended_before = float("-inf")
        self._is_unused = False

    def ids_to_read(self, chains: Collection[int]) -> EventIds:
        """Return the events that a read is to look at: the latest, the experiment's own last one, the last decision,
        and the ends of some of *chains*.
        """
        if len(chains) > CHAINS_A_LOOK:
            first = self._turn % len(chains)
            self._turn += CHAINS_A_LOOK
            chains = [*islice(chains, first, first + CHAINS_A_LOOK)]
        return self._latest() | self._ends(chains)

    def ids_below(self, events: Sequence[Event]) -> EventIds:
        """Return the events that must be in the log for *events* to be appended: what they follow, and the latest."""
        return self._latest() | self._ends({event.tid for event in events})

    def is_due(self, events: Sequence[Event], *, was_read: bool = False) -> bool:
        """Return whether it has to be looked before *events* are appended. was_read: see `Experiment.append`."""
        moment = time.monotonic()
        age = moment - self._looked
        kinds = {type(event) for event in events}
        if kinds == {Reported}:
            return age > REPORT_SECONDS
        if moment - self._appended_before > BUSY_SECONDS and not (was_read and self._is_unused):
            return True
        if kinds >= {Queued, Reserved} and age < RECENT_SECONDS and moment - self._looked_before < BUSY_SECONDS:
            return False
        return age > FRESH_SECONDS or not self._is_unused

    def read(self, events: Sequence[Event]) -> None:
        """Note that *events* were just read, and that what `ids_to_read` returned was there."""
        self._note_look()
        self._is_unused = True
        self._store.latest[self._name].read(events)
        self._note_decisions(events)

    def appended(self, events: Sequence[Event], *, looked: bool) -> None:
        """Note that *events* are in the log now, by one append. looked: whether it looked for `ids_below` before."""
        if looked:
            self._note_look()
        if not all(isinstance(event, Reported) for event in events):
            self._is_unused = False
            self._appended_before, self._appended = self._appended, time.monotonic()
        self._store.latest[self._name].appended(events)
        self._note_decisions(events)

    def _note_look(self) -> None:
        self._looked_before, self._looked = self._looked, time.monotonic()

    def _note_decisions(self, events: Sequence[Event]) -> None:
        own = self._chains.get(None) or [event for event in events[:1] if event.tid is None]
        if own:
            self._store.latest[self._name].created = own[0].id
        for event in events:
            if event.ver == 0 and event.tid is not None and event.tid > self._last_decided:
                self._last_decided = event.tid

    def guarded(self, action: Callable[[], Result], *, repair: Callable[[], object]) -> Result:
        """Return what *action*, a read or an append, returns. repair: called after events were put back.

        Once the store is found to have lost events, no reader of this process uses the experiment any more: raises
        `StoreRewound`. If the store is opened to recover them, they are put back, and *action* is called again.
        """
        if (known := self._store.rewound.get(self._name)) is not None:
            raise known
        try:
            return action()
        except (StoreRewound, VerificationFailed) as error:
            lost = self._lost()
            if lost is None:
                raise
            self._store.models.forget(self._name)
            if isinstance(lost, ExperimentRemoved):
                raise lost from error
            if not self._store.recovers or lost.moved:
                self._store.rewound[self._name] = lost
                raise lost from error
        try:
            recover(self._store, self._name, held_events(self._store.latest[self._name]))
            repair()
            return action()
        except StoreRewound as error:
            self._store.rewound[self._name] = error
            raise

    def require_nothing_lost(self) -> None:
        """Raise `StoreRewound` if anything that was read here, or appended, is no longer in the log."""
        if (lost := self._lost()) is not None:
            raise lost

    def _latest(self) -> dict[Place, UUID]:
        ids = dict(self._store.latest[self._name].ids) | self._ends([None])
        if chain := self._chains.get(self._last_decided):
            ids[self._last_decided, 0] = chain[0].id
        return ids

    def _ends(self, chains: Collection[int | None]) -> dict[Place, UUID]:
        read = ((tid, self._chains[tid]) for tid in chains if tid in self._chains)
        return {(tid, len(chain) - 1): chain[-1].id for tid, chain in read if chain}

    def _lost(self) -> StoreRewound | None:
        """Return the error that tells of all that was read here, or appended, and is gone; None if nothing is."""
        there = self._store.log.ids(self._name)
        if (removed := self._removed(there)) is not None:
            return removed
        known = held_events(self._store.latest[self._name])
        lost = [place for place, event in known.items() if there.get(place) != event.id]
        if not lost:
            return None
        now = {id: place for place, id in there.items()}
        moved = {place: now[known[place].id] for place in lost if known[place].id in now}
        is_open = not moved and not any(place in there for place in lost)
        is_open = is_open and all(_follows(place) in there or _follows(place) in known for place in lost)
        if is_open and not self._store.recovers and self._store.is_durable:
            save(self._store.uri, self._name, known)
        return rewound(
            self._name, lost, left=len(there), opened=self._store.identity, found=self._store.log.identity(),
            held=len(lost) if is_open else 0, behind=behind_gaps(there), moved=moved,
        )  # fmt: skip

    def _removed(self, there: EventIds) -> ExperimentRemoved | None:
        """Return the error that says who removed the experiment; None if it was not removed."""
        own = self._chains.get(None)
        if not own or there.get((None, 0)) == own[0].id:
            return None
        if (removal := latest_removal(self._store, self._name, own[0].id)) is None:
            return None
        self._store.latest.pop(self._name, None)  # another experiment of that name may begin
        return removed_error(removal)


def _follows(place: Place) -> Place:
    """Return the place of the event behind which one in *place* is put; its own if that is the first of all."""
    tid, ver = place
    if ver:
        return tid, ver - 1
    return (None, 0) if not tid else (tid - 1, 0)


def _warn_of_loss(store: Store, name: str) -> None:
    """Warn if *store* lost events of experiment *name* that this process knew when it had it open before.

    Not if that is gone from its first event on: then a person has begun anew.
    """
    if name in store.latest or store.identity is None or (known := kept(store.identity, name)) is None:
        return
    chains = {tid: [each.get("_id") for each in store.log.chain_documents(name, tid)] for tid, _ in known.ids}
    own = chains.get(None) or [each.get("_id") for each in store.log.chain_documents(name, None)]
    gone = sorted({chain_name(tid) for (tid, _), id in known.ids.items()
                   if id not in chains[tid]})  # fmt: skip
    if gone and known.created in own:
        LOG.warning(
            f"the store has lost events of {name!r} that this process knew ({', '.join(gone)}), or they were removed; "
            "it was probably restored from a backup. This goes on from what the store holds",
            experiment=name,
        )  # fmt: skip
