"""What a durable trial costs beyond its objective: hstore, Optuna on SQLite, raw pymongo with the same writes."""

import os
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench.table import show, verdict

TRIALS = 500
ROUNDS = 3


def objective(config: dict[str, float]) -> float:
    return config["x"] ** 2 + config["y"]


def hstore_search(url: str, name: str, max_evals: int) -> None:
    from hstore import fmin, hp, rand

    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    fmin(
        objective,
        space,
        algo=rand.suggest,
        max_evals=max_evals,
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment=name,
        store=url,
    )


def hstore_trial(url: str) -> float:
    """Seconds per trial."""
    name = uuid.uuid4().hex
    hstore_search(url, name, 10)
    began = time.perf_counter()
    hstore_search(url, name, 10 + TRIALS)
    return (time.perf_counter() - began) / TRIALS


def raw_trial(url: str) -> float:
    """Seconds per trial of raw pymongo that makes the same durable writes: the very documents, in the same inserts."""
    import pymongo

    import hstore

    with hstore.open(url) as store:
        database = store.database
        assert database is not None
        documents = [d for d in store.log.documents(store.experiments()[0]) if "tid" in d]
        by_tid: dict[int, list[dict[str, object]]] = {}
        for document in documents:
            by_tid.setdefault(document["tid"], []).append(document | {"_id": uuid.uuid4(), "exp": "raw"})
        trials = [by_tid[tid] for tid in sorted(by_tid)][:TRIALS]
        events = database["raw"].with_options(write_concern=pymongo.WriteConcern(w="majority"))
        events.create_index([("exp", 1), ("tid", 1), ("ver", 1)], unique=True)
        began = time.perf_counter()
        for trial in trials:
            events.insert_many(trial[:3])
            events.insert_one(trial[3])
        spent = (time.perf_counter() - began) / len(trials)
        events.drop()
        return spent


def optuna_trial(folder: str) -> float:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)

    def optuna_objective(trial: optuna.Trial) -> float:
        return objective({"x": trial.suggest_float("x", -1, 1), "y": trial.suggest_float("y", 0, 1)})

    study = optuna.create_study(
        storage=f"sqlite:///{folder}/{uuid.uuid4().hex}.db", sampler=optuna.samplers.RandomSampler(seed=0)
    )
    study.optimize(optuna_objective, n_trials=10)
    began = time.perf_counter()
    study.optimize(optuna_objective, n_trials=TRIALS)
    return (time.perf_counter() - began) / TRIALS


def in_rounds(*measure: Callable[[], float]) -> list[float]:
    """Return the median of each, measured in turns so that a slow moment of the machine hits all."""
    taken = [[f() for f in measure] for _ in range(ROUNDS)]
    return [float(np.median(column)) for column in zip(*taken, strict=True)]


def flatness(url: str) -> tuple[float, float]:
    """Seconds per trial around trial 100 and around trial 10,000 of one search."""
    from hstore import fmin, hp, rand

    space = {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}
    moments: list[float] = []

    def timed(config: dict[str, float]) -> float:
        moments.append(time.perf_counter())
        return objective(config)

    fmin(
        timed,
        space,
        algo=rand.suggest,
        max_evals=10_300,
        rstate=np.random.default_rng(0),
        verbose=False,
        experiment=uuid.uuid4().hex,
        store=url,
    )
    steps = np.diff(moments)
    return float(np.median(steps[100:400])), float(np.median(steps[10_000:10_298]))


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        os.environ.pop("HSTORE_URL", None)
        from hstore.store.server import ensure_server

        server = ensure_server()
        url = server.uri
        ours, raw, theirs = in_rounds(lambda: hstore_trial(url), lambda: raw_trial(url), lambda: optuna_trial(folder))
        early, late = flatness(url)
        server.release()
    show(
        f"A durable serial trial, random search, trivial objective ({TRIALS} trials, median of {ROUNDS} rounds)",
        [
            ("", "ms a trial", "hstore's cost as a ratio"),
            ("hstore", f"{ours * 1e3:.2f}", ""),
            ("raw pymongo, same writes", f"{raw * 1e3:.2f}", verdict(ours / raw, 2)),
            ("Optuna on SQLite", f"{theirs * 1e3:.2f}", verdict(ours / theirs, 1 / 3)),
            ("hstore at trial 100", f"{early * 1e3:.2f}", ""),
            ("hstore at trial 10,000", f"{late * 1e3:.2f}", verdict(late / early, 1.15)),
        ],
    )
