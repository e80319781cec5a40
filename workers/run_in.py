"""run_in: workers through any executor, on this machine or on a cluster."""

from __future__ import annotations

import os
import socket
import uuid
from concurrent.futures import Executor, Future
from typing import Any


def run_in(executor: Executor, n: int, url: str | None = None, **options: Any) -> list[Future[int]]:
    """Start *n* workers with `hstore.workers.run` in *executor*; return their futures, the results are exit codes.

    *executor* is anything with the `submit` of PEP 3148: the pools of `concurrent.futures`, Dask's
    `client.get_executor()`, loky, mpi4py. A store is opened by each worker where it runs, so only *url* and *options*
    (those of `run`) travel. Without *url* it is `$HSTORE_URL` as it is here, and without that the embedded server,
    which only serves executors of this machine; a worker elsewhere raises `StoreUnreachable`. Each worker is named
    after *name*, if one is given, and its number.

    A worker stays until one of *options* ends it (`burst`, `max_idle`, `max_runtime`, …), or its process a signal;
    `Future.cancel` cannot. An executor that runs threads cannot be sent signals.
    """
    if n < 1:
        raise ValueError(f"n is {n}: there must be a worker at least")
    url = url or os.environ.get("HSTORE_URL")
    host = None if url else socket.gethostname()
    name = options.pop("name", None)
    names = [{"name": f"{name}-{number}"} if name else {} for number in range(n)]
    # Dask takes two calls that look the same for one.
    return [executor.submit(_run, url, host, options | named, uuid.uuid4().hex) for named in names]


def _run(url: str | None, host: str | None, options: dict[str, Any], _unique: str) -> int:
    from hstore.store.errors import StoreUnreachable
    from hstore.workers import run

    if host not in (None, here := socket.gethostname()):
        raise StoreUnreachable(
            f"the embedded MongoDB of {host} cannot be used on {here}",
            hint="name one that both can reach: run_in(executor, n, url), or HSTORE_URL",
        )
    return run(url, **options)
