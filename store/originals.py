"""Originals: experiments that are copied, read as a whole or one chain after the other. See `copying`."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hstore.store.arrival import events_as_they_arrived
from hstore.store.digest import digest_chain
from hstore.store.errors import Conflict, InvalidEvent
from hstore.store.event_documents import from_document, to_document
from hstore.store.events import Event, Unreadable
from hstore.store.head import leaf
from hstore.store.merkle import MerkleTree
from hstore.store.named_hashes import hashes_in
from hstore.store.rebuilding import PassingFold, chains

if TYPE_CHECKING:
    from hstore.store.experiment import Experiment
    from hstore.store.state import State
    from hstore.store.store import Store


@dataclass(kw_only=True)
class Original:
    """An experiment as it was when the copying began."""

    store: Store
    name: str
    state: State
    """What is known of it; of trials that have ended maybe nothing."""
    created: Event
    """The event that began it."""
    n: int
    """Its number of events."""
    leaves: list[bytes]
    """The leaves of its head, of its own chain and of each trial: 32 bytes each."""
    events: Callable[[], Iterator[Event]]
    """Yields them in the order in which the store received them, so that heads which were published are found again."""
    contents: Callable[[], set[bytes]]
    """Returns the SHA-256 of each attachment that they name."""

    @property
    def trials(self) -> int:
        """How many trials it has."""
        return len(self.leaves) - 1

    @property
    def head(self) -> bytes:
        """See `Experiment.head`."""
        return _root(self.leaves)

    def head_with(self, last: int, digest: bytes) -> bytes:
        """Return the head if its own chain ended at *last*, with this *digest*."""
        return _root([leaf(None, last, digest), *self.leaves[1:]])


def _root(leaves: list[bytes]) -> bytes:
    tree = MerkleTree()
    tree.update(enumerate(leaves))
    return tree.root


def original_of(experiment: Experiment) -> Original:
    """Return what is copied of *experiment*; if only a part of it was read, with as little in memory as possible.

    Raises `InvalidEvent` for a log with events that cannot be read, or that are part of no chain.
    """
    if not experiment.is_whole:
        store, name = experiment.store, experiment.name
        if store.log.is_on_disk and (streamed := _streamed(store, name)) is not None:
            return streamed
        experiment = store.experiment(name)
    experiment.refresh()
    state = experiment.state
    if state.unreadable or experiment.set_aside:
        raise InvalidEvent(
            f"{experiment.name!r} has events that cannot be read, or that are part of no chain",
            hint=f"see `hstore check {experiment.name}`",
        )
    events = experiment.events
    cut = experiment.seals.cut
    tids = [None, *range(len(cut) - 1)]
    return Original(
        store=experiment.store, name=experiment.name, state=state, created=events[0], n=len(events),
        leaves=[leaf(tid, ver, experiment.digest(tid, ver)) for tid, ver in zip(tids, cut, strict=True)],
        events=lambda: (readable(each, experiment.store.attachments.get) for each in events_as_they_arrived(events)),
        contents=lambda: {sha256 for event in events for sha256 in hashes_in(to_document(event))},
    )  # fmt: skip


def _streamed(store: Store, name: str) -> Original | None:
    """Return experiment *name*, read chain by chain; None if something in it has no place, or cannot be read."""

    def read() -> Iterator[list[Event] | None]:
        return chains(store.log.documents(name), store.attachments.get)

    fold, lasts, leaves = PassingFold(name), array("i"), list[bytes]()
    contents: set[bytes] = set()
    created: Event | None = None
    for chain in read():
        if chain is None or any(isinstance(event, Unreadable) for event in chain):
            return None
        created = created or chain[0]
        fold.take(chain)
        lasts.append(len(chain) - 1)
        leaves.append(leaf(chain[0].tid, lasts[-1], digest_chain(chain)))
        for event in chain:
            contents.update(hashes_in(to_document(event)))
    if created is None:
        return None

    def events() -> Iterator[Event]:
        """Read it again, as far as it went."""
        again = read()
        for last in lasts:
            chain = next(again, None)
            if chain is None or len(chain) <= last:
                raise Conflict(f"{name!r} lost events while it was copied", hint=f"see `hstore verify {name}`")
            yield from chain[: last + 1]

    return Original(
        store=store, name=name, state=fold.state, created=created, n=sum(lasts) + len(lasts), leaves=leaves,
        events=lambda: events_as_they_arrived(events()), contents=lambda: contents,
    )  # fmt: skip


def readable(event: Event, fetch: Callable[[bytes], bytes]) -> Event:
    """Return *event* as it was written, if it stands for one that was quarantined and this program can read that."""
    if not isinstance(event, Unreadable) or "raw" in (document := event.stored()):
        return event
    return from_document(document, fetch)
