"""Stores of long searches, and the same trials in Optuna's and hyperopt's storages: made once, kept in a cache folder.

A search is run in memory, by fmin; what its log holds is appended to a store on an embedded MongoDB as it is. So the
events are those of a real search, and `hstore replay` derives them again.
"""

import contextlib
import json
import os
import pickle
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from hstore import hp

LAYOUT = 3
"""Raised when what is kept here changes: the stores are then made anew."""
AT_ONCE = 5_000
"""Events that are appended at a time."""
NAME = "filled"
"""The experiment of a store; each size has a database of its own."""

SPACE = {
    **{f"u{i}": hp.uniform(f"u{i}", -1, 1) for i in range(5)},
    **{f"l{i}": hp.loguniform(f"l{i}", -7, 0) for i in range(3)},
    "q": hp.quniform("q", 1, 100, 1),
    "c": hp.choice("c", ["a", "b", "c", "d"]),
}
"""Ten labels."""


def objective(point: Mapping[str, Any]) -> float:
    """Take no time."""
    spread = sum((point[f"u{i}"] - 0.1 * i) ** 2 for i in range(5)) + sum(point[f"l{i}"] for i in range(3))
    return float(spread + point["q"] / 100 + "abcd".index(point["c"]))


def say(message: str) -> None:
    """Tell what takes so long."""
    print(message, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Cache:
    """The folder that all is kept in, and the server that runs there."""

    folder: Path
    uri: str

    def url(self, size: int, kind: str = "trials") -> str:
        """Return the URL of the store with a search of so many trials."""
        return self.uri.replace("/hstore?", f"/{kind}_{size}?")


@contextlib.contextmanager
def cache() -> Iterator[Cache]:
    """Yield the cache of this version of hstore and of its schema; `$HSTORE_BENCH_CACHE` says where it is."""
    from hstore.migrations import MIGRATIONS
    from hstore.store.server import ensure_server

    root = os.environ.get("HSTORE_BENCH_CACHE") or platformdirs.user_cache_dir("hstore-bench")
    folder = Path(root) / f"{version('hstore')}-{MIGRATIONS[-1].number}-{LAYOUT}"
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["HSTORE_HOME"] = str(folder / "store")
    os.environ.pop("HSTORE_URL", None)
    server = ensure_server()
    try:
        yield Cache(folder, server.uri)
    finally:
        server.release()


def fill(url: str, size: int) -> None:
    """Have the store at *url* hold a search of *size* trials, with its read models and a snapshot, unless it does."""
    import hstore
    from hstore.store.experiment import Experiment
    from hstore.store.snapshot_format import FOLD
    from hstore.store.snapshots import save_snapshot

    with hstore.open(url) as store:
        assert store.database is not None
        if store.database["bench"].find_one({"_id": NAME}) is not None:
            if store.database["snapshots"].find_one({"exp": NAME, "fold": FOLD}) is None:  # that of another version
                save_snapshot(store.experiment(NAME))
            return
        for name in ("events", "trials", "experiments", "bench"):  # what was left of one that was interrupted
            store.database[name].delete_many({})
        say(f"filling a store with {size:,} trials …")
        began = time.perf_counter()
        events = searched(size, store.keys)
        found = time.perf_counter()
        for start in range(0, len(events), AT_ONCE):
            store.log.append(events[start : start + AT_ONCE])
        appended = time.perf_counter()
        del events
        experiment = Experiment(store, NAME)
        experiment.refresh()
        store.models.rebuild(experiment.state)
        save_snapshot(experiment)
        store.database["bench"].insert_one({"_id": NAME, "events": experiment.state.events})
        seconds = (found - began, appended - found, time.perf_counter() - appended)
        say("  searched in {:.0f} s, appended in {:.0f} s, read models in {:.0f} s".format(*seconds))


def searched(size: int, keys: Any = None) -> list[Any]:
    """Return the events of a random search of *size* trials in memory, as `hstore.fmin` makes them."""
    from hstore import Trials, fmin, rand
    from hstore.store.attachments import MemoryAttachments
    from hstore.store.experiment import Experiment
    from hstore.store.memory import MemoryLog
    from hstore.store.store import Store

    store = Store(MemoryLog(), MemoryAttachments(), keys=keys)
    trials = Trials(experiment=Experiment(store, NAME))
    fmin(
        objective, SPACE, algo=rand.suggest, max_evals=size, rstate=np.random.default_rng(0), verbose=False,
        trials=trials,
    )  # fmt: skip
    return list(trials.experiment.received)


def points(size: int) -> Iterator[tuple[dict[str, Any], float]]:
    """Yield what `SPACE` draws, and the losses; for the storages of others."""
    from hstore.engine.space import Space, as_apply

    space = Space(as_apply(SPACE))
    rng = np.random.default_rng(0)
    for _ in range(size):
        params = dict(space.params(space.sample(rng)))
        yield params, objective(params)


# -- Optuna ---------------------------------------------------------------------------------------------------


def optuna_where(folder: Path, size: int, kind: str) -> str:
    """Return where the study of that *kind* ("sqlite" or "journal") and *size* is; make it unless it is there."""
    path = folder / f"optuna-{size}.{kind}"
    where = f"sqlite:///{path}" if kind == "sqlite" else str(path)
    done = path.with_suffix(f".{kind}.done")
    if done.exists():
        return where
    import optuna

    from bench.peers import optuna_storage

    path.unlink(missing_ok=True)
    say(f"filling an Optuna study ({kind}) with {size:,} trials …")
    float_, int_ = optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution
    distributions = {
        **{f"u{i}": float_(-1, 1) for i in range(5)},
        **{f"l{i}": float_(float(np.exp(-7)), 1.0, log=True) for i in range(3)},
        "q": int_(1, 100),
        "c": optuna.distributions.CategoricalDistribution(["a", "b", "c", "d"]),
    }
    began = time.perf_counter()
    study = optuna.create_study(study_name=NAME, storage=optuna_storage(where))
    for params, loss in points(size):
        params["q"] = int(params["q"])
        study.add_trial(optuna.create_trial(params=params, distributions=distributions, value=loss))
    done.write_text(json.dumps({"seconds": time.perf_counter() - began}))
    return where


def optuna_ask(study: Any) -> Any:
    """Ask *study* for one more trial, with each of its parameters suggested."""
    trial = study.ask()
    for i in range(5):
        trial.suggest_float(f"u{i}", -1, 1)
    for i in range(3):
        trial.suggest_float(f"l{i}", float(np.exp(-7)), 1.0, log=True)
    trial.suggest_int("q", 1, 100)
    trial.suggest_categorical("c", ["a", "b", "c", "d"])
    return trial


# -- hyperopt -------------------------------------------------------------------------------------------------


def hyperopt_pickle(folder: Path, url: str, size: int) -> Path:
    """Return a file with the trials of the store at *url* as hyperopt pickles them; make it unless it is there."""
    path = folder / f"hyperopt-{size}.pkl"
    if path.exists():
        return path
    import hyperopt

    from hstore import MongoTrials

    say(f"pickling hyperopt's Trials with {size:,} trials …")
    documents = [dict(document) for document in MongoTrials(url, exp_key=NAME).trials]
    for document in documents:
        document.pop("params", None)
    trials = hyperopt.trials_from_docs(documents, validate=False)
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(trials))
    part.rename(path)
    return path
