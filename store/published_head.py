"""Whether a head that was published earlier is that of a part of this log: nothing in it was changed since. Pure."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from bson import Timestamp

from hstore.store.events import Document
from hstore.store.head import chain_at, read_position
from hstore.store.lazy_dataclass import lazy_dataclass
from hstore.store.log_chains import Chains, data_of, head_tree, is_whole, observed_by
from hstore.store.recorded_heads import RecordedHead

if TYPE_CHECKING:
    from hstore.store.verify import Report

FIRST = -1.0
"""Before all decisions."""


@lazy_dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The part of a log that a head commits to."""

    decisions: int
    events: int
    ver: int | None = None
    """Place of the event that records the head, if one does, in the experiment's own chain."""


def recorded_as(head: bytes, report: Report) -> Published | None:
    """Return the part of a log that *head* commits to, if the *report* on it says so; all other states are left out."""
    if head == report.head:
        return Published(decisions=report.decisions, events=report.events)
    for each in report.recorded:
        if each.head == head:
            return Published(decisions=each.decisions, events=each.events, ver=each.ver)
    return None


def find_head(
    chains: Chains, head: bytes, *, recorded: Sequence[RecordedHead] = (), at: str | None = None
) -> Published | None:
    """Return the part of the log that *head* (32 bytes) commits to; None if it is that of no part of it.

    recorded: heads in the log that were computed again. at: the position that `hstore head --json` prints; without one
    all states are tried that the log went through, in the order in which the store received the events. A process that
    reads while several others write may see one that is not among these.
    Raises `InvalidValue` for an *at* that is no position.
    """
    if not is_whole(chains):
        return None
    if at is not None:
        return _at(chains, head, at)
    for each in recorded:
        if each.head == head:
            return Published(decisions=each.decisions, events=each.events, ver=each.ver)
    tree = head_tree(chains)
    for n, place in enumerate(_in_order(chains), 1):
        tree.move([place])
        if tree.head == head:
            return Published(decisions=len(tree) - 1, events=n)
    return None


def _at(chains: Chains, head: bytes, at: str) -> Published | None:
    cut = read_position(at)
    ends = [(chain_at(index), ver) for index, ver in enumerate(cut)]
    if len(cut) > len(chains) or any(ver >= len(chains[tid].digests) for tid, ver in ends):
        return None
    tree = head_tree(chains)
    tree.move(ends)
    return Published(decisions=len(cut) - 1, events=sum(cut) + len(cut)) if tree.head == head else None


def _in_order(chains: Chains) -> Iterator[tuple[int | None, int]]:
    """Yield the places of all events in the order in which the store received them, as far as they say.

    Each comes after those that it follows. In memory there is only the writer's clock, which has milliseconds: events
    of one are put in the order of a search that evaluates one trial after the other.
    """
    times = _times(chains)
    ranks = _ranks_of_own(chains)
    keys: list[tuple[Any, float, int, int | None]] = []
    begun = times[None][0]
    for tid in (None, *range(len(chains) - 1)):
        latest = begun
        for ver, time in enumerate(times[tid]):
            latest = max(latest, time)
            if ver == 0:
                begun = latest  # the next trial was queued after this one
            keys.append((latest, ranks[ver] if tid is None else float(tid), ver, tid))
    keys.sort(key=lambda key: key[:3])
    for _, _, ver, tid in keys:
        yield tid, ver


def _times(chains: Chains) -> dict[int | None, list[Any]]:
    """Return when the store received each event; if it does not say so of all, when they were written."""
    documents = [document for chain in chains.values() for document in chain.documents]
    name = "ts" if all(isinstance(document.get("ts"), Timestamp) for document in documents) else "at"
    return {tid: [_time(document, name) for document in chain.documents] for tid, chain in chains.items()}


def _time(document: Document, name: str) -> Any:
    found = document.get(name)
    if isinstance(found, Timestamp):
        return found.time, found.inc
    return found if isinstance(found, dt.datetime) else dt.datetime(1, 1, 1, tzinfo=dt.UTC)


def _ranks_of_own(chains: Chains) -> list[float]:
    """Return between which decisions the events of the experiment's own chain were written, as far as these say."""
    own = chains[None].documents
    ranks = [FIRST, *[math.inf] * (len(own) - 1)]
    for tid in range(len(chains) - 1):
        for observed, ver, _ in observed_by(chains[tid].documents[0]):
            if observed is None:
                ranks[: ver + 1] = [min(rank, tid - 0.5) for rank in ranks[: ver + 1]]
    for ver, document in enumerate(own):
        decisions = data_of(document).get("decisions")
        if document.get("type") == "sealed" and isinstance(decisions, int):
            ranks[ver] = min(ranks[ver], decisions - 0.5)
    for ver in range(1, len(own)):
        ranks[ver] = max(ranks[ver], ranks[ver - 1])
    return ranks
