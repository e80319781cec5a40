"""A program of version 0.1 that runs while the store is migrated, and goes on beside programs of today."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from faults import released
from pymongo.database import Database
from tests.waiting import GENEROUS, until

import hstore
from hstore import migrations
from hstore.engine.audit.check import check
from hstore.store.events import Sealed
from hstore.store.seals import seal
from hstore.store.verify import verify

SEARCH = """
import sys, time
from pathlib import Path
import numpy as np
from hstore import fmin, hp
folder, called = Path(sys.argv[2]), []
def objective(config):
    called.append(config)
    if len(called) == 4:
        (folder / "waits").touch()
        while not (folder / "go").exists():
            time.sleep(0.02)
    return config["x"] ** 2
fmin(objective, {"x": hp.uniform("x", -1, 1)}, max_evals=8, rstate=np.random.default_rng(0), experiment="old",
     store=sys.argv[1], show_progressbar=False, algo="tpe")
"""


@pytest.mark.absent
@pytest.mark.skipif(released.why_not() is not None, reason=released.why_not() or "")
def test_a_search_of_0_1_skips_what_today_writes_and_a_new_process_of_it_is_refused(
    mongo_url: str, database: Database[Any], tmp_path: Path
) -> None:
    source = released.unpack(tmp_path)
    program: Any = {
        "cwd": source, "env": {**os.environ, "PYTHONPATH": str(source / "src")}, "text": True,
        "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
    }  # fmt: skip
    old = subprocess.Popen([sys.executable, "-c", SEARCH, mongo_url, str(tmp_path)], **program)
    try:
        until((tmp_path / "waits").exists, lambda: old.poll())
        migrations.apply(database, by_version="test")
        with hstore.open(mongo_url) as store:
            search = store.experiment("old")
            assert isinstance(seal(search), Sealed)
            search.tag("mended")
            search.amend(0, loss=0.25, reason="r")
            (tmp_path / "go").touch()
            printed, _ = old.communicate(timeout=GENEROUS)
            assert old.returncode == 0, printed
            search = store.experiment("old")
            assert [trial.state for trial in search.trials] == ["done"] * 8
            assert verify(search.documents()).findings == ()
            assert [(each.kind, each.tid) for each in check(store, "old")] == [("observed", 0)]  # that it was amended
            assert search.trials[0].loss == 0.25
    finally:
        old.kill()
    again = subprocess.run([sys.executable, "-m", "hstore", "--store", mongo_url, "ls"], **program, check=False)
    assert again.returncode == 5, again.stdout
    assert "newer" in again.stdout
