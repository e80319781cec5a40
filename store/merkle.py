"""Merkle tree: one hash over a list of leaves, any of which can be proven by itself. Pure.

The hashes are those of RFC 6962 (Certificate Transparency): a leaf is SHA-256 of a zero byte and its data, a node that
of a one byte and its two children, and a list is split at the largest power of two below its length.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

EMPTY = hashlib.sha256(b"").digest()
"""The root of no leaves."""


def leaf_hash(data: bytes) -> bytes:
    """Return the hash (32 bytes) of a leaf that holds *data*."""
    return hashlib.sha256(b"\0" + data).digest()


def leaf_hashes(data: Iterable[bytes]) -> list[bytes]:
    """Return `leaf_hash` of each of *data*."""
    sha256 = hashlib.sha256
    return [sha256(b"\0" + each).digest() for each in data]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash (32 bytes) of the node over *left* and *right*."""
    return hashlib.sha256(b"\1" + left + right).digest()


class MerkleTree:
    """A tree over the hashes of its leaves. To replace a leaf, or to add one, takes time for its depth alone."""

    def __init__(self) -> None:
        # Level by level from the leaves up; the last node of a level of odd length is also the last one above it.
        self._levels: list[list[bytes]] = [[]]

    def __len__(self) -> int:
        return len(self._levels[0])

    @property
    def root(self) -> bytes:
        """The hash over all leaves."""
        return self._levels[-1][0] if self._levels[0] else EMPTY

    def update(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Put each of *leaves*, (index, hash), into its place. Raises `IndexError` for one that would leave a gap."""
        level = self._levels[0]
        if not level:
            self._begin(leaves)
            return
        changed: set[int] = set()
        for index, hash in leaves:
            if index == len(level):
                level.append(hash)
            else:
                level[index] = hash
            changed.add(index)
        depth = 0
        while len(below := self._levels[depth]) > 1:
            depth += 1
            if depth == len(self._levels):
                self._levels.append([])
            level = self._levels[depth]
            changed = {index // 2 for index in changed}
            # In order, so that new nodes are added one after the other.
            for index in sorted(changed):
                left, right = below[2 * index], below[2 * index + 1 : 2 * index + 2]
                hash = node_hash(left, right[0]) if right else left
                if index == len(level):
                    level.append(hash)
                else:
                    level[index] = hash

    def _begin(self, leaves: Iterable[tuple[int, bytes]]) -> None:
        """Do so with an empty tree: level by level, in a third of the time."""
        level: list[bytes] = []
        for index, hash in leaves:
            if index != len(level):
                raise IndexError(index)
            level.append(hash)
        self._levels = [level]
        sha256 = hashlib.sha256
        while len(level) > 1:
            pairs = zip(level[::2], level[1::2], strict=False)
            above = [sha256(b"\1" + left + right).digest() for left, right in pairs]
            level = [*above, level[-1]] if len(level) % 2 else above
            self._levels.append(level)

    def path(self, index: int) -> list[bytes]:
        """Return the hashes beside the way from leaf *index* to the root, from the leaf up: the proof of the leaf."""
        if not 0 <= index < len(self):
            raise IndexError(index)
        hashes = []
        for level in self._levels[:-1]:
            if (beside := index ^ 1) < len(level):
                hashes.append(level[beside])
            index //= 2
        return hashes


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
