"""Hyperopt's mongo backend at work; run by `bench.peers` in a venv of its own, for it needs pymongo 3."""

import contextlib
import json
import logging
import multiprocessing
import sys
import time
from typing import Any

import cloudpickle
import hyperopt
import numpy as np
from hyperopt.mongoexp import MongoJobs, MongoTrials, MongoWorker, ReserveTimeout

CONTEXT = multiprocessing.get_context("fork")
SPACE = {"x": hyperopt.hp.uniform("x", -1, 1), "y": hyperopt.hp.uniform("y", 0, 1)}
LONG_QUEUE = 500
FILLED = 300
"""Trials per second of measurement in a queue that is filled beforehand: more than are worked off."""


def objective(config: dict[str, float]) -> float:
    return config["x"] ** 2 + config["y"]


def work(url: str, barrier: Any, seconds: float, way: Any) -> None:
    worker = MongoWorker(MongoJobs.new_from_connection_str(url), poll_interval=0.1, exp_key="bench")
    moments = []
    barrier.wait(60)
    began = time.time()
    while time.time() - began < seconds:
        with contextlib.suppress(ReserveTimeout):
            worker.run_one(reserve_timeout=1.0)
            moments.append(time.time())
    way.send((moments, began))


def search(url: str, queue: int) -> None:
    hyperopt.fmin(
        objective,
        SPACE,
        algo=hyperopt.rand.suggest,
        max_evals=10_000,
        max_queue_len=queue,
        trials=MongoTrials(url, exp_key="bench"),
        rstate=np.random.default_rng(0),
        verbose=False,
    )


def fill(url: str, size: int) -> None:
    trials = MongoTrials(url, exp_key="bench")
    domain = hyperopt.Domain(objective, SPACE)
    trials.attachments["FMinIter_Domain"] = cloudpickle.dumps(domain)
    documents = [hyperopt.rand.suggest([tid], domain, trials, tid)[0] for tid in trials.new_trial_ids(size)]
    trials.insert_trial_docs(documents)


def main(url: str, n: int, how: str, seconds: float) -> None:
    """Work with *n* processes for so many *seconds*; print when trials ended, and since when all were there.

    how: "fmin" as it comes, one trial queued and a look a second; "queue" with a queue so long that no worker waits;
    "filled" with no fmin at all: the queue was filled beforehand.
    """
    logging.disable()
    driver = CONTEXT.Process(target=search, args=(url, LONG_QUEUE if how == "queue" else 1), daemon=True)
    barrier = CONTEXT.Barrier(n)
    ways = [CONTEXT.Pipe(duplex=False) for _ in range(n)]
    workers = [CONTEXT.Process(target=work, args=(url, barrier, seconds, way)) for _, way in ways]
    if how != "filled":
        driver.start()
    else:
        filling = CONTEXT.Process(target=fill, args=(url, int(FILLED * seconds)))  # no client before a fork
        filling.start()
        filling.join()
    for worker in workers:
        worker.start()
    answers = [heard.recv() for heard, _ in ways]
    for worker in workers:
        worker.join()
    if how != "filled":
        driver.terminate()
    moments = sorted(moment for moments, _ in answers for moment in moments)
    print(json.dumps({"moments": moments, "up": max(began for _, began in answers)}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
