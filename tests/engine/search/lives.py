"""A search in many lives: each is a forked process that dies by SIGKILL where it is told to; the last one ends it.

    python lives.py URL EXPERIMENT '[{"how": "append", "n": 3, "side": "before"}, {"how": "time", "after": 0.05}, …]'

Prints how many lives were killed. Imports come before the forks, so that a life is short.
"""

import json
import math
import os
import signal
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from hstore import Trials, fmin, hp, tpe
from hstore.store.mongo import MongoLog
from hstore.store.read_models import ReadModels

MAX_EVALS = 30
SPACE = {
    "x": hp.uniform("x", -3, 3),
    "lr": hp.loguniform("lr", -8, 0),
    "kind": hp.choice("kind", [{"name": "flat"}, {"name": "steep", "slope": hp.quniform("slope", 1, 9, 2)}]),
    "n": hp.uniformint("n", 1, 20),
}


def objective(config: dict[str, Any]) -> dict[str, Any]:
    """Return a loss that depends on all of the point; fail for some, be NaN for others."""
    loss = config["x"] ** 2 + abs(math.log(config["lr"]) + 4) + config["kind"].get("slope", 3) / config["n"]
    if config["n"] == 7:
        return {"status": "fail"}
    loss = math.nan if config["n"] == 11 else loss
    return {
        "status": "ok",
        "loss": loss,
        "big": "x" * 70_000 if config["n"] == 5 else None,
        "attachments": {"a": b"1"},
    }


def learner(config: dict[str, Any], ctrl: Any) -> float:
    """Return a loss that is reported on the way to it, five times."""
    loss: float = config["x"] ** 2 + abs(math.log(config["lr"]) + 4)
    for step in range(1, 6):
        ctrl.report(step, loss + 1 / step)
        if ctrl.should_stop():
            break
    return loss


def search(*, early: Any = None, max_queue_len: int = 1, **where: Any) -> Any:
    """Run the search, in memory or wherever *where* says."""
    return fmin(
        learner if where.get("pruner") else objective,
        SPACE,
        algo=partial(tpe.suggest, n_startup_jobs=5),
        max_evals=MAX_EVALS,
        rstate=np.random.default_rng(3),
        verbose=False,
        early_stop_fn=early,
        max_queue_len=max_queue_len,
        **where,
    )


def undisturbed(max_queue_len: int = 1, pruner: str | None = None) -> Trials:
    """Return the trials of the search that nothing happens to."""
    trials = Trials()
    search(trials=trials, max_queue_len=max_queue_len, pruner=pruner)
    return trials


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _aim(kill: dict[str, Any]) -> None:
    """Arrange for this process to die on one side of its n-th append, or of the read models' n-th update."""
    owner, name = (MongoLog, "append") if kill["how"] == "append" else (ReadModels, "project")
    original, count = getattr(owner, name), 0

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == kill["n"] and kill["side"] == "before":
            _die()
        result = original(*args, **kwargs)
        if count == kill["n"]:
            _die()
        return result

    setattr(owner, name, deadly)


def _live(url: str, experiment: str, max_queue_len: int, pruner: str | None, kill: dict[str, Any] | None) -> None:
    if kill is not None and kill["how"] != "time":
        _aim(kill)
    search(experiment=experiment, store=url, max_queue_len=max_queue_len, pruner=pruner)


def main(url: str, experiment: str, plan: str, max_queue_len: str = "1", pruner: str | None = None) -> None:
    """Live through the plan, then once more to the end."""
    killed = 0
    for kill in [*json.loads(plan), None]:
        pid = os.fork()
        if pid == 0:
            try:
                _live(url, experiment, int(max_queue_len), pruner, kill)
                os._exit(0)
            except BaseException:  # noqa: BLE001 - whatever it is, the parent must hear of it
                import traceback

                traceback.print_exc()
                os._exit(1)
        if kill is not None and kill["how"] == "time":
            time.sleep(kill["after"])  # the moment itself is what is tested, whatever the process is doing
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            killed += 1
        elif os.WEXITSTATUS(status):
            sys.exit(1)
    print(killed)


if __name__ == "__main__":
    main(*sys.argv[1:])
