"""Workers on Dask: one loop of an hstore worker on each worker of a Dask cluster, the search here.

python dask_workers.py tcp://scheduler:8786     (without an address: a cluster on this machine)
"""

import os
import sys
import time
from typing import Any

import numpy as np
from distributed import Client

from hstore import fmin, hp, tpe, workers

EXPERIMENT = "deployed-on-dask"


def objective(config: dict[str, Any]) -> float:
    """Return how far the point is from a minimum that is known beforehand."""
    time.sleep(0.1)  # so much for the training
    return float((np.log10(config["lr"]) + 2) ** 2 + config["dropout"])


def search(client: Client, url: str, max_evals: int = 20) -> dict[str, Any]:
    """Search with one worker on each of Dask's; return the best point."""
    # Where Dask loses one of its workers it begins the loop again, on another. A call of its own for each (pure=False):
    # Dask takes two that look the same for one.
    loops = [
        client.submit(workers.run, url, max_idle=60, pure=False, workers=[address], allow_other_workers=True)
        for address in client.nthreads()
    ]
    space = {"lr": hp.loguniform("lr", np.log(1e-5), np.log(1)), "dropout": hp.uniform("dropout", 0, 0.5)}
    best: dict[str, Any] = fmin(
        objective, space, algo=tpe.suggest, max_evals=max_evals, rstate=np.random.default_rng(0),
        experiment=EXPERIMENT, store=url, workers=0,
    )  # fmt: skip
    print(f"exit codes of the workers: {client.gather(loops)}")
    return best


if __name__ == "__main__":
    with Client(*sys.argv[1:2]) as client:
        print(search(client, os.environ["HSTORE_URL"]))
