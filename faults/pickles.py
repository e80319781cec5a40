"""Mutated pickles, read as `hstore import` reads them: none may end the process, run code or take memory without end.

    python -m faults.pickles [N]

reads N of them (100,000 by default) in a process of its own and returns 0 if it lived, and nothing was run.
"""

from __future__ import annotations

import contextlib
import pickle
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from hstore.engine.hyperopt.importing.pickle_source import HyperoptFile
from hstore.store.errors import HstoreError

DEFAULT, MEMORY = 100_000, 4 << 30
OPCODES = [value for name, value in vars(pickle).items() if name.isupper() and isinstance(value, bytes)]
NAMES = [
    b"cposix\nsystem\n", b"cbuiltins\neval\n", b"cbuiltins\nexec\n", b"cnumpy\nndarray\n", b"cnumpy\ndtype\n",
    b"cnumpy._core.multiarray\nscalar\n", b"cnumpy._core.multiarray\n_reconstruct\n", b"cos\nsystem\n",
    b"cnumpy._core.numeric\n_frombuffer\n", b"ccollections\ndeque\n", b"ccopyreg\n_reconstructor\n",
]  # fmt: skip


class Runs:
    """An object whose pickle, read by pickle itself, would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def seeds(trap: Path) -> list[bytes]:
    """Return pickles of documents as hyperopt has them, of several protocols, with arrays and one hostile object."""
    result = {
        "status": "ok", "loss": np.float64(1.0), "curve": np.arange(6.0).reshape(2, 3),
        "when": np.datetime64("2020-01-01"),
        "names": np.array(["a", "bc"]), "objects": np.array([{}, None], dtype=object), "trap": Runs(trap),
    }  # fmt: skip
    document = {"tid": 0, "state": 2, "misc": {"tid": 0, "idxs": {"x": [0]}, "vals": {"x": [0.5]}}, "result": result}
    return [pickle.dumps([document], protocol) for protocol in (0, 2, 4, 5)]


def mutated(rng: random.Random, content: bytes) -> bytes:
    """Return *content* with a few bytes, opcodes or names changed, added, doubled or left out."""
    found = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        place = rng.randrange(len(found) + 1)
        match rng.randrange(6):
            case 0:
                found[place : place + 1] = bytes([rng.randrange(256)])
            case 1:
                found[place:place] = rng.choice(OPCODES)
            case 2:
                found[place:place] = rng.choice(NAMES)
            case 3:
                del found[place : place + rng.randrange(1, 9)]
            case 4:
                found[place : place + 4] = rng.choice((b"\xff\xff\xff\x7f", b"\xff" * 4, b"\0" * 4))
            case _:
                end = place + rng.randrange(1, 40)
                found[place:place] = found[place:end]
    return bytes(found)


def read(n: int, *, seed: int = 0) -> int:
    """Read *n* mutated pickles; return how many were taken for trials. Raises `AssertionError` if one ran something."""
    rng, taken = random.Random(seed), 0
    with tempfile.TemporaryDirectory() as folder:
        trap, file = Path(folder) / "trap", Path(folder) / "t.pkl"
        kinds = seeds(trap)
        for k in range(n):
            file.write_bytes(mutated(rng, rng.choice(kinds)))
            with contextlib.suppress(HstoreError):
                source = HyperoptFile(file)
                list(source.shared(None))
                taken += 1
            assert not trap.exists(), f"pickle {k} of seed {seed} ran what it holds"
    return taken


def main() -> int:
    """Read as many as the first argument says in a child with little memory; return 0 if it lived."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    code = (
        "import logging, resource; logging.disable(logging.CRITICAL); "
        f"resource.setrlimit(resource.RLIMIT_AS, ({MEMORY}, {MEMORY})); "
        f"from faults.pickles import read; print({n}, 'pickles read,', read({n}), 'taken for trials')"
    )
    return subprocess.run([sys.executable, "-c", code], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
