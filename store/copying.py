"""Copying: a whole experiment into another store, or under another name, with every digest and signature as it was.

An event under another name keeps the name and the id that it was written with, as its `origin`, and its digest is of
those. So what is copied verifies as before. Behind it a note of the copy says where it came from, with the head of what
was copied: `lineage` checks that.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

import bson

from hstore.store.arrival import events_as_they_arrived
from hstore.store.digest import digest_event
from hstore.store.errors import Conflict, InvalidEvent, InvalidValue, NotFound, VerificationFailed
from hstore.store.event_documents import from_document, place, to_document
from hstore.store.events import CODEC, Document, Event, Noted, Unreadable
from hstore.store.idle import require_idle
from hstore.store.person import person as who_is_there
from hstore.store.values import check_name

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

BATCH = 500
"""Events that are appended at once."""
Progress = Callable[[int], object]


def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """The outcome of a copy."""

    experiment: Experiment
    """The copy."""
    new: int
    """How many events were new there."""
    missing: tuple[bytes, ...]
    """The SHA-256 of attachments that events name and that the store of the original has lost."""


def copy_experiment(
    experiment: Experiment, *, store: Store | None = None, name: str | None = None, person: str | None = None,
    force: bool = False, on_progress: Progress = _ignore,
) -> Copied:  # fmt: skip
    """Copy *experiment*, all of which is read, to *store* (default: its own), there called *name* (default: the same).

    force: also while workers hold trials; their claims are copied, and workers there requeue them. on_progress: called
    with the number of events that were appended just now. Can be killed and repeated. Under the same name a copy that
    is there already gets what is new. Raises `InvalidValue` if *name* is taken there, `InvalidEvent` for a log with
    events that cannot be read or are part of no chain, `InUse`.
    """
    there, new_name = store or experiment.store, check_name(experiment.name if name is None else name)
    experiment.refresh()
    if not force:
        require_idle(experiment.state, "copied")
    if new_name == experiment.name and _is_same_store(there, experiment.store):
        raise InvalidValue(f"{new_name!r} would be copied onto itself", hint="give another name, or another store")
    if experiment.state.unreadable or experiment.set_aside:
        raise InvalidEvent(
            f"{experiment.name!r} has events that cannot be read, or that are part of no chain",
            hint=f"see `hstore check {experiment.name}`",
        )
    fetch = experiment.store.attachments.get
    arrived = events_as_they_arrived(experiment.events)  # so that heads are found again which were published before
    events = [readable(event, fetch) for event in arrived]
    is_renamed = new_name != experiment.name
    if is_renamed:
        events = [renamed(event, new_name) for event in events]
    _require_free(there, new_name, events, is_renamed=is_renamed)
    missing = _copy_attachments(events, experiment.store, there)
    try:
        new = append_all(there, new_name, events, on_progress)
    except Conflict as conflict:
        raise InvalidValue(
            f"{new_name!r} in {there.url} has gone on by itself: {conflict}",
            hint="copy under another name: URL#NAME", name=new_name,
        ) from conflict  # fmt: skip
    copy = there.experiment(new_name)
    if is_renamed:
        origin = {
            "exp": experiment.name, "store": experiment.store.url, "head": experiment.head, "events": len(events),
        }  # fmt: skip
        note: dict[str, Any] = {"copied": origin, "person": person or who_is_there()}
        if experiment.state.is_archived:
            note["archived"] = False
        copy.append_unchecked(Noted, note)
    copy.repair()
    return Copied(experiment=copy, new=new, missing=missing)


def _is_same_store(one: Store, other: Store) -> bool:
    return one is other or (one.identity is not None and one.identity == other.identity)


def _require_free(store: Store, name: str, events: Sequence[Event], *, is_renamed: bool) -> None:
    """Raise `InvalidValue` if *store* has another experiment *name* than the one that begins with *events*."""
    first = next(iter(store.log.chain_documents(name, None)), None)
    if first is None:
        return
    hint = "choose another name" if is_renamed else "copy under another name: URL#NAME"
    if first.get("_id") != events[0].id:
        raise InvalidValue(f"there is another experiment {name!r} in {store.url}", hint=hint, name=name)
    if is_renamed and any("copied" in each.get("data", {}) for each in _of_copy(store, name)):
        raise InvalidValue(f"{name!r} in {store.url} is a copy of it already", hint=hint, name=name)


def _of_copy(store: Store, name: str) -> Iterator[dict[str, Any]]:
    """Yield what was written to the own chain of a copy after it was made."""
    return (each for each in store.log.chain_documents(name, None) if "origin" not in each.get("data", {}))


# -- what is copied -------------------------------------------------------------------------------------------


def append_all(store: Store, name: str, events: Iterable[Event], on_progress: Progress = _ignore) -> int:
    """Append *events*, all of experiment *name*, as they are; return how many were not there before."""
    there, new = store.log.ids(name), 0
    missing = (event for event in events if there.get((event.tid, event.ver)) != event.id)
    while batch := list(islice(missing, BATCH)):
        store.log.append(batch)
        new += len(batch)
        on_progress(len(batch))
    return new


def readable(event: Event, fetch: Callable[[bytes], bytes]) -> Event:
    """Return *event* as it was written, if it stands for one that was quarantined and this program can read that."""
    if not isinstance(event, Unreadable) or "raw" in (document := event.stored()):
        return event
    return from_document(document, fetch)


def renamed(event: Event, name: str) -> Event:
    """Return *event* as that of experiment *name*; it keeps its digest. The same call returns the same.

    Raises `InvalidEvent` for one that was quarantined and has not the shape of an event.
    """
    origin = event.origin or {"exp": event.exp, "id": event.id}
    copy = replace(event, exp=name, id=uuid.uuid5(origin["id"], name), origin=origin, ts=None)
    if not isinstance(copy, Unreadable):
        return copy
    document = copy.stored()
    if isinstance(data := document.get("data"), Mapping):
        there = document | {"_id": copy.id, "exp": name, "data": {**data, "origin": origin}}
        copy = replace(copy, raw=bson.encode(there, codec_options=CODEC))
        if digest_event(copy) == digest_event(event):
            return copy
    raise InvalidEvent(
        f"{_place_of(event)} was quarantined and cannot be read: {copy.why}",
        hint="copy the experiment to another store under the same name", exp=event.exp,
    )  # fmt: skip


def _place_of(event: Event) -> str:
    return f"event {event.ver} of {'its own chain' if event.tid is None else f'trial {event.tid}'}"


def hashes_in(value: Any) -> Iterator[bytes]:
    """Yield each SHA-256 that *value*, the document of an event, names."""
    if isinstance(value, Mapping):
        if isinstance(sha256 := value.get("sha256"), bytes) and len(sha256) == hashlib.sha256().digest_size:
            yield bytes(sha256)
        value = list(value.values())
    if isinstance(value, list):
        for each in value:
            if isinstance(each, (Mapping, list)):
                yield from hashes_in(each)


def named_in(document: Document, fetch: Callable[[bytes], bytes]) -> set[bytes]:
    """Return each SHA-256 that the stored *document* of an event names, also in data that was moved out of it."""
    named = set(hashes_in(document))
    data = document.get("data")
    if isinstance(data, Mapping) and "spilled" in data and place(document) is not None:
        event = from_document(document, fetch)
        named |= set() if isinstance(event, Unreadable) else set(hashes_in(to_document(event)))
    return named


def _copy_attachments(events: Sequence[Event], source: Store, there: Store) -> tuple[bytes, ...]:
    """Put what *events* name into the store where they go; return what the *source* has lost."""
    missing = []
    if _is_same_store(source, there):
        return ()
    for sha256 in sorted({sha256 for event in events for sha256 in hashes_in(to_document(event))}):
        try:
            there.attachments.put(source.attachments.get(sha256))
        except (NotFound, VerificationFailed):
            missing.append(sha256)
    return tuple(missing)
