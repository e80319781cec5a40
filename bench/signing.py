"""What signing costs an append: the same searches with a key and without, trial by trial in turns."""

import os
import secrets
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.table import show, verdict
from hstore.store.events import Done, Queued, Reserved, Running
from hstore.store.experiment import Experiment
from hstore.store.keys import KEY_BYTES, Keys
from hstore.store.open_store import open_store
from hstore.store.store import Store

TRIALS = 600
GOAL = 1.03


def begun(store: Store, name: str) -> Experiment:
    """Return a new experiment."""
    experiment = Experiment(store, name)
    parts = ("space", "objective", "algorithm", "generator", "limits", "retries", "fingerprint")
    experiment.begin({part: {} for part in parts})
    return experiment


def seconds(experiment: Experiment, tid: int) -> float:
    """Return how long trial *tid* takes from its decision to its end, as in a serial search: two appends."""
    point = {f"p{i}": tid / (i + 1) for i in range(5)}
    algorithm = {"name": "rand", "version": 1, "settings": {}}
    began: list[Any] = [
        (Queued, tid, {"point": point, "params": point, "seed": tid, "algorithm": algorithm, "observed": []}),
        (Reserved, tid, {"worker": "host:1:Main", "host": "host", "attempt": 1, "process": {"machine": "m", "pid": 1}}),
        (Running, tid, {"pid": 1, "python": "3.11", "hstore": "0.1", "objective": "0" * 16}),
    ]
    result = {"loss": float(tid), "status": "ok"}
    ended: Any = (Done, tid, {"result": result, "status": "ok", "loss": float(tid), "duration": 0.1})
    start = time.perf_counter()
    experiment.append(experiment.compose(*began))
    experiment.append(experiment.compose(ended))
    return time.perf_counter() - start


def main() -> None:
    """Print what a trial costs with a key and without."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        os.environ.pop("HSTORE_KEY", None)
        with open_store() as plain, open_store() as signing:
            signing.keys = Keys(secrets.token_bytes(KEY_BYTES))
            plain.keys = None
            searches = [begun(plain, "plain"), begun(signing, "signed")]
            taken: list[list[float]] = [[], []]
            for tid in range(TRIALS):
                for which in (0, 1) if tid % 2 else (1, 0):
                    taken[which].append(seconds(searches[which], tid))
    without, with_key = (statistics.median(each) for each in taken)
    show(
        f"What signing costs two appends, four events ({TRIALS} trials each, in turns; medians)",
        [
            ("", "ms a trial", "as a ratio"),
            ("without a key", f"{without * 1e3:.3f}", ""),
            ("signed", f"{with_key * 1e3:.3f}", verdict(with_key / without, GOAL)),
        ],
    )


if __name__ == "__main__":
    main()
