"""Merkle tree: one hash over a list of leaves, any of which can be proven by itself. Pure.

The hashes are those of RFC 6962 (Certificate Transparency): a leaf is SHA-256 of a zero byte and its data, a node that
of a one byte and its two children, and a list is split at the largest power of two below its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence

SIZE = 32
"""Bytes of a hash."""
EMPTY = hashlib.sha256(b"").digest()
"""The root of no leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash (32 bytes) of a leaf that holds *data*."""
    return hashlib.sha256(b"\0" + data).digest()


def leaf_hashes(data: Iterable[bytes]) -> Iterator[bytes]:
    """Yield `leaf_hash` of each of *data*."""
    sha256 = hashlib.sha256
    return (sha256(b"\0" + each).digest() for each in data)


def node_hash(left: bytes | bytearray, right: bytes | bytearray) -> bytes:
    """Return the hash (32 bytes) of the node over *left* and *right*."""
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleTree:
    """A tree over the hashes of its leaves. To replace a leaf, or to add one, takes time for its depth alone."""

    def __init__(self) -> None:
        # Level by level from the leaves up; the last node of a level of odd length is also the last one above it. The
        # hashes of a level lie one behind the other: as objects they would take twice the memory.
        self._levels = [bytearray()]

    def __len__(self) -> int:
        return len(self._levels[0]) // SIZE

    @property
    def root(self) -> bytes:
        """The hash over all leaves."""
        return bytes(self._levels[-1]) or EMPTY

    def update(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Put each of *leaves*, (index, hash), into its place. Raises `IndexError` for one that would leave a gap."""
        if not self._levels[0]:
            self._begin(leaves)
            return
        changed: set[int] = set()
        for index, hash in leaves:
            _put(self._levels[0], index, hash)
            changed.add(index)
        depth = 0
        while len(below := self._levels[depth]) > SIZE:
            depth += 1
            if depth == len(self._levels):
                self._levels.append(bytearray())
            level = self._levels[depth]
            changed = {index // 2 for index in changed}
            # In order, so that new nodes are added one after the other.
            for index in sorted(changed):
                _put(level, index, _above(below[2 * SIZE * index : 2 * SIZE * (index + 1)]))

    def _begin(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Do so with an empty tree: level by level, in a third of the time."""
        level = bytearray()
        for n, (index, hash) in enumerate(leaves):
            if index != n:
                raise IndexError(index)
            level += hash
        self._levels = [level]
        sha256 = hashlib.sha256
        while len(level) > SIZE:
            below, pairs = bytes(level), len(level) // (2 * SIZE)
            hashes = [sha256(b"\1" + below[at : at + 2 * SIZE]).digest() for at in range(0, 2 * SIZE * pairs, 2 * SIZE)]
            level = bytearray().join([*hashes, below[2 * SIZE * pairs :]])
            self._levels.append(level)

    def path(self, index: int) -> list[bytes]:
        """Return the hashes beside the way from leaf *index* to the root, from the leaf up: the proof of the leaf."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        hashes = []
        for level in self._levels[:-1]:
            beside = SIZE * (index ^ 1)
            if beside < len(level):
                hashes.append(bytes(level[beside : beside + SIZE]))
            index //= 2
        return hashes


def _put(level: bytearray, index: int, hash: bytes) -> None:
    if SIZE * index > len(level):
        raise IndexError(index)
    level[SIZE * index : SIZE * (index + 1)] = hash


def _above(pair: bytearray) -> bytes:
    """Return the node over a pair of hashes, or over one that is the last of its level."""
    return node_hash(pair[:SIZE], pair[SIZE:]) if len(pair) > SIZE else bytes(pair)


def root_of(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """Return the root of *size* leaves, of which the one at *index* has the hash *leaf*; None if *path* fits none."""
    if not 0 <= index < size:
        return None
    hash, left = leaf, list(path)
    while size > 1:
        if index ^ 1 < size:
            if not left:
                return None
            beside = left.pop(0)
            hash = node_hash(beside, hash) if index % 2 else node_hash(hash, beside)
        index, size = index // 2, (size + 1) // 2
    return None if left else hash
