"""The head: one hash that commits to every event of an experiment, and the proof that a trial is among them. Pure.

It is the root of a Merkle tree over the tips of all chains. A tip is the last event of a chain: leaf 0 is that of the
experiment's own chain, leaf k + 1 that of trial k, and a leaf holds msgpack of [tid or nil, ver, digest], where the
digest is that of the chain up to there (see `digest`). So the head says how many trials there are, where each chain
ends, and what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, groupby
from typing import Any, TypeAlias

import msgpack

from hstore.store.errors import InvalidValue
from hstore.store.merkle import MerkleTree, leaf_hash, leaf_hashes, root_of

Chain: TypeAlias = int | None
Cut: TypeAlias = Sequence[int]
"""How far each chain goes: the ver of the last event of the experiment's own chain, then of trials 0, 1, 2, …"""
Runs: TypeAlias = list[list[Any]]
"""[tid or None, n, ver] of each run of n chains, from that of *tid* on, whose last event is *ver*."""

MOST_CHAINS = 2**24
"""More than any log has: what is read from outside may not fill the memory."""


def leaf(tid: Chain, ver: int, digest: bytes, pack: Callable[[Any], bytes] = msgpack.packb) -> bytes:
    """Return the hash of the leaf of a chain whose last event is *ver*, with the *digest* (32 bytes) up to there."""
    return leaf_hash(pack([tid, ver, digest]))


def index_of(tid: Chain) -> int:
    """Return the place of a chain among the leaves, and in a `Cut`."""
    return 0 if tid is None else tid + 1


def chain_at(index: int) -> Chain:
    """Return the chain at that place."""
    return index - 1 if index else None


class HeadTree:
    """The head of chains that grow. *digest*: that of a chain (its tid) up to a ver."""

    def __init__(self, digest: Callable[[Chain, int], bytes]) -> None:
        self._digest = digest
        self._tree = MerkleTree()

    @property
    def head(self) -> bytes:
        """The head (32 bytes) of the tips that it was given."""
        return self._tree.root

    def __len__(self) -> int:
        return len(self._tree)

    def move(self, tips: Iterable[tuple[Chain, int]]) -> None:
        """Move the ends of the chains in *tips* to these vers. New chains must come without gaps."""
        ordered = sorted((index_of(tid), tid, ver) for tid, ver in tips)
        pack = msgpack.Packer().pack  # to make one takes longer than to pack a leaf
        self._tree.update((index, leaf(tid, ver, self._digest(tid, ver), pack)) for index, tid, ver in ordered)

    def begin(self, cut: Cut, digests: Sequence[bytes]) -> None:
        """Begin with the ends of all chains, as *cut* says, which have these *digests*: in a third of the time."""
        pack = msgpack.Packer().pack
        chains = chain([None], range(len(cut) - 1))
        hashes = leaf_hashes(pack([tid, ver, digest]) for tid, ver, digest in zip(chains, cut, digests, strict=True))
        self._tree = MerkleTree()
        self._tree.update(enumerate(hashes))

    def prove(self, tid: Chain, ver: int) -> dict[str, Any]:
        """Return the proof that the head holds the chain of *tid*, which ends with *ver*; plain data."""
        return {
            "trial": tid, "ver": ver, "digest": self._digest(tid, ver), "chains": len(self._tree),
            "path": self._tree.path(index_of(tid)),
        }  # fmt: skip


def is_proven(proof: Mapping[str, Any], head: bytes) -> bool:
    """Return whether *proof*, made by `HeadTree.prove`, shows that *head* commits to the chain that it names.

    What the chain holds is for `digest` to say: the digest in the proof must be that of the events at hand.
    """
    found = leaf(proof["trial"], proof["ver"], proof["digest"])
    return root_of(found, index_of(proof["trial"]), proof["chains"], proof["path"]) == head


# -- cuts: which events a head covers -------------------------------------------------------------------------


def runs(tips: Iterable[tuple[Chain, int]]) -> Runs:
    """Return *tips*, (chain, ver), as runs in the order of chains."""
    numbered = enumerate(sorted((index_of(tid), ver) for tid, ver in tips))
    grouped = groupby(numbered, key=lambda item: (item[1][0] - item[0], item[1][1]))
    found: Runs = []
    for (_, ver), members in grouped:
        indexes = [index for _, (index, _) in members]
        found.append([chain_at(indexes[0]), len(indexes), ver])
    return found


def move(cut: list[int], moves: Sequence[Sequence[Any]], *, most: int) -> bool:
    """Move *cut* on by *moves*, as `runs` returns them; return False, and leave it, if they fit no log.

    most: how many chains there can be.
    """
    size = len(cut)
    for tid, n, _ in moves:
        first = index_of(tid)
        if first > size or first + n > most:
            return False
        size = max(size, first + n)
    for tid, n, ver in moves:
        first = index_of(tid)
        cut[first : first + n] = [ver] * n
    return True


def position(cut: Cut) -> str:
    """Return *cut* as a short text that `read_position` reads: "5,3x12,2" is ver 5, then twelve times 3, then 2."""
    counted = [(ver, len(list(same))) for ver, same in groupby(cut)]
    return ",".join(str(ver) if n == 1 else f"{ver}x{n}" for ver, n in counted)


def read_position(text: str, *, most: int = MOST_CHAINS) -> list[int]:
    """Return the cut that *text* stands for. Raises `InvalidValue` for other text, or for more than *most* chains."""
    cut: list[int] = []
    try:
        for part in text.split(","):
            ver, times, n = part.partition("x")
            count = int(n) if times else 1
            if count < 1 or int(ver) < 0 or len(cut) + count > most:
                raise ValueError(part)
            cut += [int(ver)] * count
    except ValueError:
        raise InvalidValue(
            f"{text[:80]!r} is no position of a log", hint="`hstore head EXPERIMENT --json` prints one", path="at"
        ) from None
    return cut
