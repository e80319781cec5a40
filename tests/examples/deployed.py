"""Searches for what is deployed, and commands as a machine that runs it starts them."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from tests.waiting import GENEROUS, until

import hstore
from hstore import fmin, hp, rand

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "examples" / "deploy"
BIN = Path(sys.executable).parent
USAGE, UNKNOWN, REFUSED, FAILURES, UNLOADABLE, TERMINATED = 2, 3, 5, 8, 9, 128 + signal.SIGTERM
"""Exit codes of `hstore worker`, as its help lists them."""
Objective = Callable[..., Any]


@contextmanager
def searching(url: str, name: str, objective: Objective, max_evals: int) -> Iterator[None]:
    """Have a search go on beside, evaluated by workers only; wait for its end."""

    def search() -> None:
        fmin(
            objective, {"x": hp.uniform("x", -1, 1)}, algo=rand.suggest, max_evals=max_evals, timeout=GENEROUS,
            rstate=np.random.default_rng(0), verbose=False, return_argmin=False, experiment=name, store=url, workers=0,
        )  # fmt: skip

    with ThreadPoolExecutor(1) as driver, hstore.open(url) as store:
        ended = driver.submit(search)
        until(lambda: name in store.experiments() or ended.done())
        yield
        ended.result(GENEROUS)


@contextmanager
def started(words: Sequence[str], url: str, *path: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    """Start a command in an environment of its own, with the console scripts of this one on its path."""
    env |= {"HSTORE_URL": url, "PATH": os.pathsep.join(map(str, [*path, BIN, "/usr/bin", "/bin"]))}
    env |= {"HSTORE_HOME": os.environ["HSTORE_HOME"], "HOME": os.environ["HSTORE_HOME"]}
    process = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        print(process.communicate()[0])


def run(words: Sequence[str], url: str, **env: str) -> tuple[int, str]:
    with started(words, url, **env) as process:
        said, _ = process.communicate(timeout=GENEROUS)
        return process.returncode, said


def square(config: Any) -> float:
    return float(config["x"] ** 2)


def by_value(objective: Objective) -> Objective:
    """Return the same for workers that cannot import this file."""
    return lambda config: objective(config)
