"""Workers through an executor: here a pool of processes, in the same way any other with the `submit` of PEP 3148."""

import os
import time
from concurrent.futures import Executor, ProcessPoolExecutor
from typing import Any

import numpy as np

from hstore import fmin, hp, tpe
from hstore.workers import run_in

EXPERIMENT = "deployed-in-a-pool"
WORKERS = 2


def objective(config: dict[str, Any]) -> float:
    """Return how far the point is from a minimum that is known beforehand."""
    time.sleep(0.1)  # so much for the training
    return float((np.log10(config["lr"]) + 2) ** 2 + config["dropout"])


def search(executor: Executor, url: str | None, max_evals: int = 20) -> dict[str, Any]:
    """Search with workers in *executor*; return the best point."""
    workers = run_in(executor, WORKERS, url, max_idle=60)
    space = {"lr": hp.loguniform("lr", np.log(1e-5), np.log(1)), "dropout": hp.uniform("dropout", 0, 0.5)}
    best: dict[str, Any] = fmin(
        objective, space, algo=tpe.suggest, max_evals=max_evals, rstate=np.random.default_rng(0),
        experiment=EXPERIMENT, store=url, workers=0,
    )  # fmt: skip
    print(f"exit codes of the workers: {[worker.result() for worker in workers]}")
    return best


if __name__ == "__main__":
    with ProcessPoolExecutor(WORKERS) as executor:
        print(search(executor, os.environ.get("HSTORE_URL")))
