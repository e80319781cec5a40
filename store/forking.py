"""Forking: a new experiment that begins with the first decisions of another one, and with what these knew.

Its log begins with copies of their events. A copy says which event it is of (`origin`), and has the digest and the
signature of the original: so the new experiment stands alone, and can be compared with the old one by one hash. Behind
the copies, `forked` says of which experiment they are and how far they go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from hstore.store.arrival import events_as_they_arrived
from hstore.store.as_of import ends_at
from hstore.store.chain_digests import chain_name
from hstore.store.copying import append_all, renamed
from hstore.store.errors import Conflict, InvalidValue, NotFound, NotSigned
from hstore.store.event_documents import as_written
from hstore.store.events import Changed, Event, Forked, Requeued, Resumed, Unreadable
from hstore.store.experiment import Experiment, PendingEvent
from hstore.store.fork_cut import Cut, cut_of
from hstore.store.head import HeadTree, runs
from hstore.store.originals import readable
from hstore.store.person import person
from hstore.store.read_ahead import ChainsAhead
from hstore.store.rebuilding import rebuild
from hstore.store.set_aside import named
from hstore.store.settled_reading import settled_experiment
from hstore.store.values import check_name

if TYPE_CHECKING:
    import datetime as dt

    from hstore.store.state import State
    from hstore.store.store import Store

WHY = "forked"


def taken(source: Experiment, at: int | dt.datetime | None) -> Cut:
    """Return by chain the events of *source* that a fork at *at* begins with: those of all of it for None.

    Raises `NotFound` as `as_of.events_at` does, `InvalidValue` if some of them are unreadable, or are quarantined by an
    event that is not among them.
    """
    chains, n = ChainsAhead(source), len(source.state.trials)
    if at in (None, n) and source.state.settled is not None:  # nothing is left out, and what was read was verified
        cut = Cut(chains, dict(ends_at(source, n, chains)))
    else:
        cut = cut_of(ends_at(source, n if at is None else at, chains), chains)
    gone = {*named(cut[None])}
    for event in unreadable_in(source, cut):
        if gone.isdisjoint({repr(event.id), repr(as_written(event).id)}):
            raise InvalidValue(
                f"{source.name!r} cannot be forked there: event {event.ver} of {chain_name(event.tid)}: {event.why}",
                hint="fork it at an earlier decision, or begin a new search with warm_start", path="at",
            )  # fmt: skip
    return cut


def unreadable_in(source: Experiment, cut: Cut) -> Iterator[Unreadable]:
    """Yield the events in *cut* of *source* that this program cannot read; a settled trial has none."""
    settled = source.state.settled
    for tid in cut:
        if settled is None or tid not in settled:
            yield from (event for event in cut[tid] if isinstance(event, Unreadable))


def lineage(source: Experiment, cut: Cut, **more: Any) -> dict[str, Any]:
    """Return the data of the `Forked` of an experiment that begins with *cut* of *source*."""
    ends = [*cut.ends.items()]
    tree = HeadTree(source.digest)
    tree.move(ends)
    return {
        "source": source.name, "until": len(cut) - 1, "head": tree.head, "cut": runs(ends), "person": person(), **more,
    }  # fmt: skip


def fork(
    source: Experiment,
    name: str,
    *,
    at: int | dt.datetime | None = None,
    changes: Callable[[State], Mapping[str, Any]] = lambda _: {},
    on_progress: Callable[[int], object] = lambda _: None,
) -> Experiment:
    """Begin the experiment *name*, in the store of *source*, with what that was at *at*; return it.

    Neither is kept as a whole if *source* was read by `settled_reading`, which has to have verified it.
    at: the number of a decision, which is the next one of the new experiment, or a time; None: all that there is.
    changes: returns the data of a `Changed` from which the new one goes on, given its state; nothing: it goes on as
    *source* did. Trials that were being evaluated are queued again there.
    on_progress is called with the number of events that were copied. A fork that was killed goes on when it is called
    again. Raises `InvalidValue` if there is an experiment of that name, and as `taken` does; `NotSigned` if *source* is
    not signed and has to be.
    """
    check_name(name)
    store = source.store
    require_sound(source)
    cut = taken(source, at)
    fetch = store.attachments.get
    for event in unreadable_in(source, cut):
        renamed(readable(event, fetch), name)  # raises `InvalidEvent` before anything is written
    require_room(store, name, cut)
    events = events_as_they_arrived(event for tid in cut for event in cut[tid])
    copies = (renamed(readable(event, fetch), name) for event in events)
    try:
        append_all(store, name, _signed(copies, source, cut), on_progress)  # but for those of a fork that was killed
    except Conflict as conflict:
        raise exists(name) from conflict
    experiment = settled_experiment(store, name)
    forked = lineage(source, cut)
    experiment.append_decided(lambda: _ending(experiment, forked, changes(experiment.state)))
    if store.is_durable:
        rebuild(store, name)
    return experiment


def require_sound(source: Experiment) -> None:
    """Raise `Tampered` or `NotSigned` if nothing may be built on what was read of *source*."""
    source.check_signatures()
    source.check_links()
    keys, created = source.store.keys, source.chain(None)[0]
    if keys is not None and created.id in keys.unsigned:
        raise NotSigned(
            f"experiment {source.name!r} was begun without a key, and is not signed",
            hint=f"`hstore sign {source.name}` signs it if you trust it; then fork it", exp=source.name,
        )  # fmt: skip


def require_room(store: Store, name: str, cut: Cut) -> None:
    """Raise `InvalidValue` if there is an experiment *name*, and it is not a part of the copies of *cut*."""
    try:
        there = store.experiment(name)
    except NotFound:
        return
    own = there.chain(None)
    is_part = own[-1].origin is not None and all(
        tid in cut and len(there.chain(tid)) <= cut.ends[tid] + 1 for tid in (None, *there.state.trials)
    )
    if not is_part:
        raise exists(name)


def exists(name: str) -> InvalidValue:
    """Return the error that there is an experiment of that *name*."""
    return InvalidValue(f"there is an experiment {name!r} already", hint="give the fork another name", path="name")


def is_fork_at(experiment: Experiment, source: str, until: int | None) -> bool:
    """Return whether *experiment* is a fork of *source*, at decision *until* if that is a number."""
    forked = experiment.state.forked
    return forked is not None and forked.source == source and until in (None, forked.until)


def _signed(copies: Iterable[Event], source: Experiment, cut: Cut) -> Iterable[Event]:
    """Return *copies* with the last of each chain signed, if there is a key, and another key or a note signs it.

    What signs the original may come after the cut.
    """
    keys = source.store.keys
    if keys is None:
        return copies
    identity = as_written(cut[None][0]).id

    def signed(copy: Event) -> Event:
        if copy.ver < cut.ends[copy.tid]:
            return copy
        digest = source.digest(copy.tid, copy.ver)
        return copy if not keys.why_not(copy.mac, identity, digest) else replace(copy, mac=keys.sign(identity, digest))

    return map(signed, copies)


def _ending(experiment: Experiment, forked: Mapping[str, Any], changed: Mapping[str, Any]) -> list[PendingEvent]:
    """Return what ends the copies; nothing if another process has just written it."""
    state = experiment.state
    if experiment.chain(None)[-1].origin is None:
        return []
    ending: list[PendingEvent] = [(Forked, None, forked)]
    if state.status != "open":
        ending.append((Resumed, None, {"why": WHY}))
    if changed:
        ending.append((Changed, None, changed))
    under_way = [tid for tid in sorted(state.open) if state.trials[tid].state != "queued"]
    why = f"it was under way when {forked['source']!r} was forked"
    return ending + [(Requeued, tid, {"why": why}) for tid in under_way]


def describe_fork(experiment: Experiment) -> str:
    """Return in a sentence what *experiment*, a fork, begins with."""
    forked, state = experiment.state.forked, experiment.state
    assert forked is not None
    if forked.left_out is not None:
        n = forked.until - forked.left_out
        return (
            f"{state.exp!r} knows {n} of the first {forked.until} trials of {forked.source!r}; "
            f"{forked.left_out} have no result, or do not fit its space"
        )
    n = len(state.open)
    again = f"; {n} of them had not ended, and {'is' if n == 1 else 'are'} queued" if n else ""
    return f"{state.exp!r} begins with the first {forked.until} trials of {forked.source!r}{again}"
