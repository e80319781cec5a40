"""Copying: a whole experiment into another store, or under another name, with every digest and signature as it was.

An event under another name keeps the name and the id that it was written with, as its `origin`, and its digest is of
those. So what is copied verifies as before. Behind it a note of the copy says where it came from, with the head of what
was copied: `lineage` checks that.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import bson

from hstore.store.chain_digests import chain_name
from hstore.store.digest import digest_event
from hstore.store.errors import Conflict, InvalidEvent, InvalidValue, NotFound, VerificationFailed
from hstore.store.events import CODEC, Event, Noted, Unreadable
from hstore.store.idle import require_idle
from hstore.store.originals import Original, original_of
from hstore.store.person import person as who_is_there
from hstore.store.rebuilding import rebuild
from hstore.store.values import check_name

if TYPE_CHECKING:
    from uuid import UUID

    from hstore.store.experiment import Experiment
    from hstore.store.store import Store

BATCH = 500
"""Events that are appended at once."""
Progress = Callable[[int], object]


def _ignore(_: int) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Copied:
    """The outcome of a copy."""

    store: Store
    """Where the copy is."""
    name: str
    new: int
    """How many events were new there."""
    missing: tuple[bytes, ...]
    """The SHA-256 of attachments that events name and that the store of the original has lost."""
    events: int
    """How many events the copy has, with what says where it came from."""
    trials: int
    head: bytes

    @cached_property
    def experiment(self) -> Experiment:
        """The copy, all of which is read when it is asked for."""
        return self.store.experiment(self.name)


def copy_experiment(
    experiment: Experiment, *, store: Store | None = None, name: str | None = None, person: str | None = None,
    force: bool = False, on_progress: Progress = _ignore,
) -> Copied:  # fmt: skip
    """Copy *experiment* to *store* (default: its own), there called *name* (default: the same).

    If only a part of it was read (`only=()`), its log is read one chain after the other, and little is kept.
    force: also while workers hold trials; their claims are copied, and workers there requeue them. on_progress: called
    with the number of events that were appended just now. Can be killed and repeated. Under the same name a copy that
    is there already gets what is new. Raises `InvalidValue` if *name* is taken there, `InvalidEvent` for a log with
    events that cannot be read or are part of no chain, `InUse`.
    """
    there, new_name = store or experiment.store, check_name(experiment.name if name is None else name)
    is_renamed = new_name != experiment.name
    if not is_renamed and _is_same_store(there, experiment.store):
        raise InvalidValue(f"{new_name!r} would be copied onto itself", hint="give another name, or another store")
    original = original_of(experiment)
    if not force:
        require_idle(original.state, "copied")
    begins = renamed(original.created, new_name) if is_renamed else original.created
    is_new = _require_free(there, new_name, begins.id, is_renamed=is_renamed)
    missing = () if _is_same_store(there, original.store) else _copy_attachments(original, there)
    events = original.events()
    if is_renamed:
        events = (renamed(event, new_name) for event in events)
    try:
        new = append_all(there, new_name, events, on_progress)
    except Conflict as conflict:
        raise InvalidValue(
            f"{new_name!r} in {there.place} has gone on by itself: {conflict}",
            hint="copy under another name: URL#NAME", name=new_name,
        ) from conflict  # fmt: skip
    if is_renamed:
        origin = {
            "exp": original.name, "store": original.store.url, "head": original.head, "events": original.n,
        }  # fmt: skip
        note: dict[str, Any] = {"copied": origin, "person": person or who_is_there()}
        if original.state.is_archived:
            note["archived"] = False
        there.experiment(new_name, only=()).append_unchecked(Noted, note)
    if not is_new:
        copy = there.experiment(new_name)
        copy.repair()
        n, trials, head = copy.state.events, len(copy.state.trials), copy.head
    else:
        if there.is_durable:
            rebuild(there, new_name)
        own = there.experiment(new_name, only=())
        last = len(own.chain(None)) - 1
        head = original.head_with(last, own.digest(None, last))
        n, trials = original.n + is_renamed, original.trials
    return Copied(store=there, name=new_name, new=new, missing=missing, events=n, trials=trials, head=head)


def _is_same_store(one: Store, other: Store) -> bool:
    return one is other or (one.identity is not None and one.identity == other.identity)


def _require_free(store: Store, name: str, begins: UUID, *, is_renamed: bool) -> bool:
    """Return whether *store* has no experiment *name*; raise `InvalidValue` if another event than *begins* does so."""
    first = next(iter(store.log.chain_documents(name, None)), None)
    if first is None:
        return True
    hint = "choose another name" if is_renamed else "copy under another name: URL#NAME"
    if first.get("_id") != begins:
        raise InvalidValue(f"there is another experiment {name!r} in {store.place}", hint=hint, name=name)
    if is_renamed and any("copied" in each.get("data", {}) for each in _of_copy(store, name)):
        raise InvalidValue(f"{name!r} in {store.place} is a copy of it already", hint=hint, name=name)
    return False


def _of_copy(store: Store, name: str) -> Iterator[dict[str, Any]]:
    """Yield what was written to the own chain of a copy after it was made."""
    return (each for each in store.log.chain_documents(name, None) if "origin" not in each.get("data", {}))


# -- what is copied -------------------------------------------------------------------------------------------


def append_all(store: Store, name: str, events: Iterable[Event], on_progress: Progress = _ignore) -> int:
    """Append *events*, all of experiment *name*, as they are; return how many were not there before."""
    is_new = next(iter(store.log.chain_documents(name, None)), None) is None
    there, new = {} if is_new else store.log.ids(name), 0
    missing = (event for event in events if there.get((event.tid, event.ver)) != event.id)
    while batch := list(islice(missing, BATCH)):
        store.log.append(batch)
        new += len(batch)
        on_progress(len(batch))
    return new


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
    return f"event {event.ver} of {chain_name(event.tid)}"


def _copy_attachments(original: Original, there: Store) -> tuple[bytes, ...]:
    """Put what events of *original* name into the store where they go; return what its own has lost."""
    missing = []
    for sha256 in sorted(original.contents()):
        try:
            there.attachments.put(original.store.attachments.get(sha256))
        except (NotFound, VerificationFailed):
            missing.append(sha256)
    return tuple(missing)
