"""run_in: workers through any executor, on this machine or on a cluster."""

from __future__ import annotations

import os
import socket
import uuid
from concurrent.futures import Executor, Future
from typing import Any

from hstore.store.errors import InvalidValue, StoreUnreachable


def run_in(executor: Executor, n: int, url: str | None = None, **options: Any) -> list[Future[int]]:
    """Start *n* workers, each by `hstore.workers.run` in *executor*; return their futures: results are exit codes.

    executor: anything with the `submit` of PEP 3148: the pools of `concurrent.futures`, Dask's
        `client.get_executor()`, loky's, mpi4py's. Processes and threads will both do.
    url: of the store, which each worker opens where it is. Without it that is `$HSTORE_URL` as it is here, and without
        that the embedded server, which serves executors of this machine only: a worker elsewhere raises
        `StoreUnreachable`.
    options: those of `run`; a *name* is followed by the number of the worker.

    A worker stays until its *options* end it (`max_idle`, `max_jobs`, …), or a signal does if it is in the main thread
    of its process; `Future.cancel` cannot.
    """
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise InvalidValue(f"the number of workers must be a whole number of at least 1, not {n!r}")
    url = url or os.environ.get("HSTORE_URL")
    host = None if url else socket.gethostname()
    name = options.pop("name", None)
    named = [options if name is None else {**options, "name": f"{name}-{number}"} for number in range(n)]
    # The last argument is there since Dask takes two calls that look the same for one.
    return [executor.submit(_run, url, host, each, uuid.uuid4().hex) for each in named]


def _run(url: str | None, host: str | None, options: dict[str, Any], _: str) -> int:
    from hstore.workers import run

    if host not in (None, here := socket.gethostname()):
        raise StoreUnreachable(
            f"the embedded MongoDB of {host} cannot be used on {here}",
            hint="name one that both can reach: run_in(executor, n, url), or HSTORE_URL",
        )
    return run(url, **options)
