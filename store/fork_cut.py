"""The cut of a fork: which events it takes, so that none of them builds on one that is left out. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hstore.store.chain_digests import Chain, own_first
from hstore.store.events import Event, Finished, Queued, Reported, Sealed
from hstore.store.fold import Trial, evolve
from hstore.store.head import chain_at, index_of

Chains = Mapping[Chain, Sequence[Event]]


class Cut(Mapping[Chain, Sequence[Event]]):
    """The events that a fork begins with, by chain, the experiment's own first."""

    def __init__(self, chains: Chains, ends: Mapping[Chain, int]) -> None:
        self._chains = chains
        self.ends = {tid: ends[tid] for tid in sorted(ends, key=own_first)}
        """Up to which place each chain is taken."""

    def __getitem__(self, tid: Chain) -> Sequence[Event]:
        return self._chains[tid][: self.ends[tid] + 1]

    def __iter__(self) -> Iterator[Chain]:
        return iter(self.ends)

    def __len__(self) -> int:
        return len(self.ends)


def cut_of(some: Iterable[tuple[Chain, int]], chains: Chains) -> Cut:
    """Return the cut that ends where *some* say, as `as_of.ends_at` does, with what of *chains* these events build on.

    Where the clocks of several machines disagree, an event may be known before what it refers to. That is taken as
    well. What refers to a trial that is left out is left out, with all behind it in its chain.
    """
    ends: dict[Chain, int] = dict(some)
    ended: dict[Chain, int] = {}
    looked: dict[Chain, int] = {}
    while waiting := [tid for tid, end in ends.items() if looked.get(tid, -1) < end]:
        for tid in waiting:
            for event in chains[tid][looked.get(tid, -1) + 1 : ends[tid] + 1]:
                needed = dict(_references(event, chains, ended))
                if not needed.keys() <= ends.keys():
                    ends[tid] = event.ver - 1
                    break
                for other, ver in needed.items():
                    ends[other] = max(ends[other], ver)
            looked[tid] = max(ends[tid], looked.get(tid, -1))
    return Cut(chains, ends)


def _references(event: Event, chains: Chains, ended: dict[Chain, int]) -> Iterator[tuple[Chain, int]]:
    """Yield the chains that *event* refers to, and up to which place. ended: keeps where chains end."""
    if isinstance(event, (Queued, Finished)):
        for tid, ver, _ in event.observed:
            yield tid, ver
    if isinstance(event, (Sealed, Finished)):
        for tid, n, ver in event.tips or ():
            yield from ((chain_at(index), ver) for index in range(index_of(tid), index_of(tid) + n))
    if isinstance(event, Reported) and event.pruning is not None:
        seen = event.pruning["seen"]
        yield from seen["open"]
        for first, last in seen["ended"]:
            for tid in range(first, last + 1):
                if tid not in ended:
                    ended[tid] = _end_of(chains.get(tid, ()))
                yield tid, ended[tid]


def _end_of(chain: Sequence[Event]) -> int:
    """Return the place of the first event of *chain* that ends its trial; that of the last one if none does."""
    trial: Trial | None = None
    for event in chain:
        trial = evolve(trial, event)
        if trial.is_finished:
            return event.ver
    return len(chain) - 1
