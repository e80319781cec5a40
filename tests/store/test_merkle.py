"""The Merkle tree: the hashes of RFC 6962, grown and changed leaf by leaf."""

import hashlib
import random

import pytest

from hstore.store.merkle import EMPTY, MerkleTree, leaf_hash, node_hash, root_of

# Leaves and roots of Certificate Transparency's own tests, which everybody's implementation is checked with.
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def by_definition(hashes: list[bytes]) -> bytes:
    """RFC 6962, 2.1, word for word."""
    n = len(hashes)
    if n < 2:
        return hashes[0] if hashes else hashlib.sha256(b"").digest()
    k = 1 << ((n - 1).bit_length() - 1)
    return node_hash(by_definition(hashes[:k]), by_definition(hashes[k:]))


def test_roots_are_those_of_certificate_transparency() -> None:
    tree = MerkleTree()
    assert tree.root == EMPTY
    for n, (leaf, root) in enumerate(zip(LEAVES, ROOTS, strict=True)):
        tree.update([(n, leaf_hash(leaf))])
        assert tree.root.hex() == root


@pytest.mark.parametrize("seed", range(4))
def test_whatever_order_leaves_come_and_change_in_the_root_is_that_of_the_definition(seed: int) -> None:
    rng = random.Random(seed)
    tree, hashes = MerkleTree(), list[bytes]()
    for _ in range(40):
        new = [(len(hashes) + i, rng.randbytes(32)) for i in range(rng.randrange(4))]
        changed = [(index, rng.randbytes(32)) for index in rng.sample(range(len(hashes)), min(len(hashes), 3))]
        tree.update([*changed, *new])
        hashes += [hash for _, hash in new]
        for index, hash in changed:
            hashes[index] = hash
        assert tree.root == by_definition(hashes)
    assert len(tree) == len(hashes)


@pytest.mark.parametrize("size", [1, 2, 3, 6, 7, 8, 33])
def test_each_leaf_is_proven_by_its_path_and_by_no_other(size: int) -> None:
    tree = MerkleTree()
    hashes = [leaf_hash(bytes([i])) for i in range(size)]
    tree.update(enumerate(hashes))
    for index in range(size):
        path = tree.path(index)
        assert root_of(hashes[index], index, size, path) == tree.root
        assert root_of(leaf_hash(b"another"), index, size, path) != tree.root
        assert root_of(hashes[index], index, size, [*path, b"\0" * 32]) is None
        assert not path or root_of(hashes[index], index, size, path[:-1]) is None
    assert root_of(hashes[0], size, size, tree.path(0)) is None


def test_a_leaf_that_would_leave_a_gap_is_refused() -> None:
    with pytest.raises(IndexError):
        MerkleTree().update([(1, b"")])
    with pytest.raises(IndexError):
        MerkleTree().path(0)
