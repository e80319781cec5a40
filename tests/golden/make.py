"""Run the golden searches with the hstore that is installed, and write each one's whole log to a file.

    git worktree add /tmp/released v0.2 && cd /tmp/released && make dev
    .venv/bin/python CHECKOUT/tests/golden/make.py CHECKOUT/tests/golden/0.2 [NAME…]

This is done once for each released version, and never again: from then on, every later version must read the files. A
file holds, in MongoDB's canonical extended JSON, one document a line, what a real store held: the events, and the files
of GridFS with their chunks. `summary` says what the version that wrote them made of it.
"""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from bson.binary import UuidRepresentation
from bson.json_util import CANONICAL_JSON_OPTIONS, dumps
from golden_searches import SEARCHES, Search

import hstore

AS_STORED = CANONICAL_JSON_OPTIONS.with_options(uuid_representation=UuidRepresentation.STANDARD)
COLLECTIONS = ("events", "attachments.files", "attachments.chunks")


def main(folder: Path, names: list[str]) -> None:
    """Write the files of the searches called *names*, or of all, into *folder*."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home:
        os.environ["HSTORE_HOME"] = home
        with hstore.open() as store:
            for name in names or SEARCHES:
                url = store.uri.replace("/hstore?", f"/golden_{name.replace('-', '_')}?")
                text = made(name, SEARCHES[name], url)
                path = folder / f"{name}.json.gz"
                path.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
                print(f"{path.stat().st_size:8} bytes  {path}", flush=True)


def made(name: str, search: Search, url: str) -> str:
    """Run *search* in the database at *url*, and return the text of its file."""
    environment = {**os.environ, "HSTORE_URL": url, "PYTHONPATH": os.pathsep.join(sys.path)}
    minimise(name, search, url, search.max_evals)
    for command in search.commands:
        words = [name if word == "EXP" else word for word in command]
        subprocess.run([sys.executable, "-m", "hstore", *words], check=True, env=environment)
    if search.more:
        minimise(name, search, url, search.max_evals + search.more)
    with hstore.open(url) as store:
        database = store.database
        assert database is not None
        return written(name, summary(store.experiment(name)), database)


def minimise(name: str, search: Search, url: str, max_evals: int) -> None:
    """Search for *max_evals* trials in all."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        hstore.fmin(
            search.fn, search.space, algo=search.algo, max_evals=max_evals, experiment=name, store=url,
            rstate=search.seed, verbose=False, **search.arguments,
        )  # fmt: skip


def summary(experiment: Any) -> dict[str, Any]:
    """Return what an experiment came to, in plain values: what later versions have to make of the same log."""
    state = experiment.state
    return {
        "version": hstore.__version__,
        "events": state.events,
        "status": state.status,
        "head": experiment.decision_digest.hex(),
        "limits": dict(state.limits),
        "best": state.best.tid if state.best is not None else None,
        "pareto": [trial.tid for trial in state.pareto],
        "trials": [
            {
                "tid": trial.tid,
                "ver": trial.ver,
                "state": trial.state,
                "attempt": trial.attempt,
                "point": dict(trial.point),
                "params": dict(trial.params),
                "loss": trial.loss,
                "losses": None if trial.losses is None else list(trial.losses),
                "constraints": None if trial.constraints is None else list(trial.constraints),
                "is_pruned": trial.is_pruned,
                "error": trial.error,
                "reports": len(trial.reports),
                "source": trial.queued.source,
            }
            for trial in experiment.trials
        ],
    }


def written(name: str, about: dict[str, Any], database: Any) -> str:
    """Return the text of a file: an object with a summary and the documents of each collection, one a line."""
    parts = [f'"search": {as_json(name)}', f'"summary": {as_json(about)}']
    for collection in COLLECTIONS:
        documents = ",\n".join(map(as_json, database[collection].find().sort("_id" if "." in collection else "at")))
        parts.append(f'"{collection}": [\n{documents}\n]')
    return "{\n" + ",\n".join(parts) + "\n}\n"


def as_json(value: Any) -> str:
    """Return *value* in canonical extended JSON."""
    return str(dumps(value, json_options=AS_STORED))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
