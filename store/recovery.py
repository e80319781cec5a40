"""Recovery: a process that still holds events which its store has lost puts them back.

An event is put back as it was: with its id and place, so that several processes may put back the same one. What the
store holds decides: nothing is put back where another process has gone on.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from hstore.store.errors import Conflict, StoreRewound
from hstore.store.events import Event, Unreadable
from hstore.store.held_events import forget_saved, save, saved
from hstore.store.log import EventIds, EventLog, Place
from hstore.store.messages import Log
from hstore.store.rewind import name_places

if TYPE_CHECKING:
    from hstore.store.store import Store

LOG = Log("store")
AT_ONCE = 500
"""Events that one append puts back."""
PATIENCE, PAUSE = 60.0, 0.1
"""Seconds that other processes get to put back what comes before the events held here, and between two looks."""


def recover(store: Store, exp: str, held: Mapping[Place, Event], *, patience: float = PATIENCE) -> int:
    """Put back those events of *exp* that are *held* here and missing in *store*; return how many these were.

    patience: seconds to wait for other processes that hold what must be put back before.
    Raises `StoreRewound` if another process has gone on without them, if what comes before them is still missing then,
    or if the store is another one.
    """
    _require_same_store(store, exp, held)
    before = store.log.ids(exp)
    deadline = time.monotonic() + patience
    while waiting := put_back(store.log, exp, held):
        if time.monotonic() > deadline:
            save(store.uri, exp, held)
            raise StoreRewound(
                f"the store lost events of {exp!r}, and this process cannot put back all that it holds: what comes "
                f"before those of {name_places(waiting)} is held by others, or lost",
                hint="start the other processes with --recover as well, or continue from what the store holds",
                exp=exp, lost=waiting,
            )  # fmt: skip
        time.sleep(PAUSE)
    lost = [place for place in held if place not in before]
    store.rewound.pop(exp, None)
    forget_saved(store.uri, exp)
    if lost:
        n = "1 event" if len(lost) == 1 else f"{len(lost)} events"
        LOG.warning(f"the store had lost {n} of {exp!r}, and has them again: {name_places(lost)}", experiment=exp)
    return len(lost)


def recover_saved(store: Store, exp: str) -> int:
    """Put back what earlier calls in this process found to be lost of *exp*; return how many events these were."""
    if not (events := saved(store.uri, exp)):
        return 0
    return recover(store, exp, events)


def put_back(log: EventLog, exp: str, held: Mapping[Place, Event]) -> list[Place]:
    """Append to *log* what is missing of the events *held* of *exp*; return the places of those that have to wait.

    An event waits if what it follows is neither in the log nor held. Raises `StoreRewound` if another event has the
    place of one that is held.
    """
    there = log.ids(exp)
    for place, event in held.items():
        if there.get(place, event.id) != event.id:
            raise _refusal(exp, place)
    ready, waiting = _ready(held, there)
    try:
        for first in range(0, len(ready), AT_ONCE):
            log.append(ready[first : first + AT_ONCE])
    except Conflict as conflict:
        raise _refusal(exp, (conflict.mine.tid, conflict.mine.ver)) from conflict
    return waiting


def _ready(held: Mapping[Place, Event], there: EventIds) -> tuple[list[Event], list[Place]]:
    """Return the missing events, each after all that it builds on, and the places of those that build on others."""
    lengths: defaultdict[int | None, int] = defaultdict(int)
    known = set(there)

    def note(place: Place) -> None:
        known.add(place)
        while (place[0], lengths[place[0]]) in known:
            lengths[place[0]] += 1

    for place in there:
        note(place)
    ready: list[Event] = []
    waiting: list[Place] = []
    for event in _in_order(held):
        place = event.tid, event.ver
        if place in known:
            continue
        before = None if not event.tid else event.tid - 1
        is_begun = event.ver > 0 or event.tid is None or lengths[before] > 0
        if isinstance(event, Unreadable) or lengths[event.tid] != event.ver or not is_begun:
            waiting.append(place)
            continue
        if any(lengths[tid] <= ver for tid, ver in _observed(event)):
            waiting.append(place)
            continue
        ready.append(event)
        note(place)
    return ready, waiting


def _in_order(held: Mapping[Place, Event]) -> Iterator[Event]:
    """Yield the events that are *held*: decisions by number, each after what it observed, then the rest."""
    chains: defaultdict[int | None, list[Event]] = defaultdict(list)
    for _, event in sorted(held.items(), key=lambda item: item[0][1]):
        chains[event.tid].append(event)
    at: dict[int | None, int] = dict.fromkeys(chains, 0)

    def up_to(tid: int | None, ver: float) -> Iterator[Event]:
        chain = chains.get(tid, [])
        while (place := at.get(tid, 0)) < len(chain) and chain[place].ver <= ver:
            at[tid] = place + 1
            for other, seen in _observed(chain[place]):
                yield from up_to(other, seen)
            yield chain[place]

    yield from up_to(None, 0)
    tids = sorted(tid for tid in chains if tid is not None)
    for tid in tids:
        yield from up_to(tid, 0)
    for tid in tids:
        yield from up_to(tid, float("inf"))
    yield from up_to(None, float("inf"))


def _observed(event: Event) -> Iterable[tuple[int | None, int]]:
    """Return the last places of the chains that *event* says it observed."""
    return [(tid, ver) for tid, ver, _ in getattr(event, "observed", None) or ()]


def _refusal(exp: str, place: Place) -> StoreRewound:
    return StoreRewound(
        f"the store lost events of {exp!r}, and another process has gone on from what it held: they are not put back",
        hint="start a new process, which continues from what the store holds", exp=exp, lost=[place],
    )  # fmt: skip


def _require_same_store(store: Store, exp: str, held: Mapping[Place, Event]) -> None:
    """Raise `StoreRewound` if *store* is not the one that *exp* was in; give an emptied database its collections."""
    database = store.database
    if database is None:
        return
    from importlib.metadata import version

    from hstore import migrations
    from hstore.store.place_index import has_place_index

    found = store.log.identity()
    if found is None:
        migrations.apply(database, by_version=version("hstore"))
        store.identity = store.log.identity()
    elif found != store.identity and store.log.experiments():
        begun = held.get((None, 0))
        if begun is None or store.log.ids(exp).get((None, 0)) != begun.id:
            raise StoreRewound(
                f"the store at {store.url} is another one now, with experiments of its own: "
                f"the events of {exp!r} are not put back",
                hint="bring back the store that it was, or start the search in this one", exp=exp, lost=[],
            )  # fmt: skip
    if not has_place_index(database):
        raise StoreRewound(
            f"the collection `events` of {store.url} has lost its unique index: nothing is put back without it",
            hint="restore the database with its indexes", exp=exp, lost=[],
        )  # fmt: skip
