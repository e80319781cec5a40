"""Removal: the only way in which events leave a store; a tombstone stays.

It is written before anything is removed, and holds the head of all that was: a file of `hstore export` can be checked
against it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

from hstore.store.composing import now
from hstore.store.errors import NotFound
from hstore.store.idle import require_idle
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.named_hashes import named_in
from hstore.store.person import person as who_is_there
from hstore.store.tombstones import Removal, latest_removal

if TYPE_CHECKING:
    from hstore.store.store import Store

Progress = Callable[[int], object]


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The outcome of a removal."""

    removal: Removal
    events: int
    """How many events were removed now."""
    attachments: int
    """How many attachments that no other experiment names."""


def remove(
    store: Store, name: str, *, reason: str = "", person: str | None = None, force: bool = False,
    on_progress: Progress = lambda _: None,
) -> Removed:  # fmt: skip
    """Remove experiment *name* from *store*, and leave a tombstone; see `Store.remove`.

    on_progress: called with the number of events of other experiments that were just searched for attachments. Can be
    killed and repeated: the tombstone comes first, then the event that began it, then all else.
    """
    if not (first := next(iter(store.log.chain_documents(name, None)), None)) or first.get("ver") != 0:
        return _finish(store, name, on_progress)
    from hstore.store.settled_reading import settled_experiment

    experiment = settled_experiment(store, name)
    if not force:
        require_idle(experiment.state, "removed")
    removal = Removal(
        id=uuid.uuid4(), exp=name, created=experiment.chain(None)[0].id, at=now(), person=person or who_is_there(),
        reason=reason.strip() or None, head=experiment.head, events=experiment.state.events,
        trials=len(experiment.state.trials),
    )  # fmt: skip
    named = _named_by(store, name)
    store.removals.add(removal)
    return _clear(store, removal, named, on_progress)


def _finish(store: Store, name: str, on_progress: Progress) -> Removed:
    """Remove what a removal that was interrupted, or a process that did not know of it, has left."""
    removal = latest_removal(store, name)
    if removal is None or next(iter(store.log.documents(name)), None) is None:
        store.experiment(name)  # raises `NotFound`, which names the tombstone
        raise NotFound(f"experiment {name!r} has no beginning", hint=f"see `hstore check {name}`", name=name)
    return _clear(store, removal, _named_by(store, name), on_progress)


def _clear(store: Store, removal: Removal, named: set[bytes], on_progress: Progress) -> Removed:
    name = removal.exp
    n = store.log.remove(name)
    store.models.remove_all(name)
    store.snapshots.remove(name)
    store.latest.pop(name, None)
    store.rewound.pop(name, None)
    alone = named - _named_by_all(store, named, on_progress) if named else set()
    for sha256 in sorted(alone):
        store.attachments.remove(sha256)
    return Removed(removal=removal, events=n, attachments=len(alone))


def _named_by(store: Store, name: str, on_progress: Progress = lambda _: None) -> set[bytes]:
    """Return the SHA-256 of each attachment that events of experiment *name* name, or that holds a part of them."""
    named = set[bytes]()
    for document in store.log.documents(name):
        named |= named_in(document, store.attachments.get)
        on_progress(1)
    return named


def _named_by_all(store: Store, wanted: set[bytes], on_progress: Progress) -> set[bytes]:
    """Return which of *wanted* an event that is still in the store names."""
    found = set[bytes]()
    for name in store.log.experiments():
        found |= wanted & _named_by(store, name, on_progress)
        if found == wanted:
            break
    return found
