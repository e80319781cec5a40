"""What proof costs: sealing a search, comparing a log before it goes on, verifying it, as ratios in the same run."""

import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.durable import objective
from bench.table import show, verdict
from hstore import Trials, fmin, hp, rand
from hstore.engine.search import driver
from hstore.store.experiment import Experiment
from hstore.store.head import position
from hstore.store.log_chains import chains_of
from hstore.store.published_head import find_head
from hstore.store.store import Store
from hstore.store.verify import verify

TRIALS, ROUNDS = 2_000, 3
NEVER = 10**9


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def search(every: int, n: int, **place: Any) -> None:
    """Search with a seal every so many decisions."""
    before, driver.SEAL_EVERY = driver.SEAL_EVERY, every
    try:
        fmin(
            objective, {"x": hp.uniform("x", -1, 1), "y": hp.uniform("y", 0, 1)}, algo=rand.suggest, max_evals=n,
            rstate=np.random.default_rng(0), verbose=False, **place,
        )  # fmt: skip
    finally:
        driver.SEAL_EVERY = before


def sealing() -> float:
    """Time of a search in memory that is sealed, to that of one that is not."""
    every = driver.SEAL_EVERY
    pairs = [[timed(partial(search, n, TRIALS, trials=Trials())) for n in (NEVER, every)] for _ in range(ROUNDS)]
    return statistics.median(sealed / bare for bare, sealed in pairs)


def opening(store: Store) -> tuple[float, float, float]:
    """Return the three other ratios, of the search in *store*."""
    spent: list[float] = []
    compare = Experiment.check_links
    Experiment.check_links = lambda self: spent.append(timed(lambda: compare(self)))  # type: ignore[method-assign]
    try:
        trials = range(TRIALS + 1, TRIALS + 1 + ROUNDS)
        whole = [timed(partial(search, NEVER, n, experiment="e", store=store)) for n in trials]
    finally:
        Experiment.check_links = compare  # type: ignore[method-assign]
    compared = statistics.median(part / (all_ - part) for part, all_ in zip(spent, whole, strict=True))
    experiment = store.experiment("e")
    documents = list(experiment.documents())
    read = timed(lambda: list(experiment.documents()))
    verified = timed(lambda: verify(documents))
    head, at, chains = experiment.head, position(experiment.seals.cut), chains_of(documents)
    assert find_head(chains, head, at=at) is not None
    return compared, verified / read, timed(lambda: find_head(chains, head)) / verified


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.environ["HSTORE_HOME"] = str(Path(folder) / "store")
        from hstore.store.open_store import open_store

        with open_store() as store:
            search(driver.SEAL_EVERY, TRIALS, experiment="e", store=store)
            compared, verified, found = opening(store)
    sealed = sealing()
    show(
        f"Proof, of {TRIALS:,} trials, as ratios",
        [
            ("", "measured", "goal"),
            ("a search in memory, sealed : not sealed", f"{sealed:.2f}", verdict(sealed, 1.1)),
            ("comparing what fmin continues : the rest of its opening", f"{compared:.2f}", verdict(compared, 0.15)),
            ("verify : reading the log", f"{verified:.2f}", ""),
            ("looking for a published head : verify", f"{found:.2f}", ""),
        ],
    )
