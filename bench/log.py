"""How fast a log folds, and how fast a long experiment opens in a fresh process."""

import datetime as dt
import os
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from bench.table import show, verdict
from hstore.store.events import Created, Done, Event, Queued, Reserved, Running
from hstore.store.state import fold

TRIALS = 10_000

REOPEN = """
import sys, time
import numpy, pymongo, gridfs, msgpack
import hstore.store.mongo, hstore.store.read_models, hstore.store.gridfs_attachments, hstore.store.open_store
began = time.perf_counter()
store = hstore.open(sys.argv[1])
experiment = store.experiment(sys.argv[2])
assert len(experiment.trials) == int(sys.argv[3])
print(time.perf_counter() - began)
"""


def events(exp: str) -> list[Event]:
    """A search of `TRIALS` trials, four events each."""
    at = dt.datetime.now(dt.UTC).replace(microsecond=0)
    nothing: Any = {
        key: {} for key in ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
    }
    made: list[Event] = [Created(exp=exp, ver=0, id=uuid.uuid4(), at=at, by="bench", **nothing)]
    algorithm = {"name": "rand", "version": 1, "settings": {}}
    for tid in range(TRIALS):
        point = {f"p{i}": tid / (i + 1) for i in range(5)}
        loss = abs(tid - 5000.5)

        def envelope(ver: int, tid: int = tid) -> Any:
            return {
                "exp": exp,
                "tid": tid,
                "ver": ver,
                "id": uuid.uuid4(),
                "at": at,
                "by": "host:1:Main",
                "prev": b"x" * 32,
            }

        made += [
            Queued(
                point=point,
                params=point,
                observed=[[tid - 1, 3, b"x" * 32]] if tid else [],
                seed=tid,
                algorithm=algorithm,
                **envelope(0),
            ),
            Reserved(worker="host:1:Main", host="host", attempt=1, process={"machine": "m", "pid": 1}, **envelope(1)),
            Running(pid=1, python="3.11", hstore="0.1", objective="0" * 16, **envelope(2)),
            Done(result={"loss": loss, "status": "ok"}, status="ok", loss=loss, duration=0.1, **envelope(3)),
        ]
    return made


def main() -> None:
    log = events("folded")
    rates = []
    for _ in range(5):
        began = time.perf_counter()
        fold("folded", log)
        rates.append(len(log) / (time.perf_counter() - began))
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        from hstore.store.open_store import open_store
        from hstore.store.server import ensure_server

        server = ensure_server()
        with open_store(server.uri) as store:
            for start in range(0, len(log), 1000):
                store.log.append(log[start : start + 1000])
        command = [sys.executable, "-c", REOPEN, server.uri, "folded", str(TRIALS)]
        times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) for _ in range(5)]
        server.release()
    rate, reopen = statistics.median(rates), statistics.median(times)
    show(
        f"The log of {TRIALS:,} trials, {len(log):,} events",
        [
            ("", "measured", "goal"),
            ("fold, thousand events/s", f"{rate / 1e3:.0f}", verdict(rate / 1e3, 150, at_most=False)),
            ("open in a fresh process beyond imports, s", f"{reopen:.2f}", verdict(reopen, 1.0)),
        ],
    )
