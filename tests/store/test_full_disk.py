"""A full disk under mongod: the search waits and says so, and goes on when there is room."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.waiting import GENEROUS

import hstore
from hstore.engine.audit.replay import derive_again
from hstore.store.server import ensure_server
from hstore.store.verify import verify

SEARCH = """
import os
import numpy as np
from hstore import fmin, hp, rand

def objective(config):
    print("trial", flush=True)
    return {"status": "ok", "loss": config["x"] ** 2, "text": os.urandom(20_000).hex()}

fmin(objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=1000, show_progressbar=False,
     rstate=np.random.default_rng(0), experiment="crowded")
"""


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200m", "none", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.long
def test_a_search_waits_for_room_on_the_disk_and_goes_on(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSTORE_HOME", str(small_disk / "home"))
    server = ensure_server()
    search = subprocess.Popen([sys.executable, "-c", SEARCH], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert search.stdout is not None
    assert search.stderr is not None
    for _ in range(10):
        assert "trial" in search.stdout.readline()
    ballast = small_disk / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"\0" * 100_000):  # until there is no room
            pass
    drain = threading.Thread(target=search.stdout.read, daemon=True)
    drain.start()
    said = search.stderr.readline()
    assert "waiting for the embedded MongoDB" in said
    assert search.poll() is None
    ballast.unlink()
    _, rest = search.communicate(timeout=GENEROUS)
    assert search.returncode == 0, said + rest
    with hstore.open() as store:
        found = store.experiment("crowded")
        assert [trial.state for trial in found.trials] == ["done"] * 1000
        assert verify(found.documents()).findings == ()
        assert derive_again(found).is_same
    server.release()
