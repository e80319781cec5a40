"""Who runs it: claim, evaluate, record."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hstore.workers.run_in import run_in

__all__ = ["run", "run_in"]


def run(url: str | None = None, experiments: Sequence[str] = (), **terms: Any) -> int:
    """Work on the trials of *experiments* (none: of every open one) of the store at *url*; return the exit code.

    *terms* are the options of `hstore worker` with underscores, `slots` for `-j`. A server that is away is waited for,
    as long as it takes. In the main thread signals end the work as they end `hstore worker`, in another nothing does
    but its terms. 0: done; 8: too many failures in a row; 130, 143: stopped by a signal. Raises `HstoreError`.
    """
    from hstore.workers.worker import WorkerOptions, serve

    return serve(url, WorkerOptions(experiments=tuple(experiments), **terms))
