"""Workers: processes that claim trials, evaluate them and record the results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hstore.workers.run_in import run_in

__all__ = ["run", "run_in"]


def run(url: str | None = None, experiments: Sequence[str] = (), **options: Any) -> int:
    """Evaluate the trials of *experiments* (none: of every open one) of the store at *url*; return the exit code.

    options: those of `hstore worker` with underscores, and `slots` for `-j`; durations in seconds.

    Waits for a server that cannot be reached. In the main thread SIGINT, SIGTERM and SIGUSR1 stop the work as they
    stop `hstore worker`; in another thread only the options end it. The exit code is 0 if a limit was reached or
    nothing was queued, 3 if an experiment that was waited for was not created, 8 after too many failures in a row, 9
    if no objective could be loaded, 130 or 143 after a signal. Raises `HstoreError`: `NotFound` for an experiment that
    does not exist, without `wait`; `StoreUnreachable` if the store refuses access.
    """
    from hstore.workers.serve import serve
    from hstore.workers.worker_options import WorkerOptions

    return serve(url, WorkerOptions(experiments=tuple(experiments), **options))
