"""What a user can set about a worker."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

IDLE_TICK = 10.0


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """How much a worker takes and when it exits. Durations are in seconds; None means no limit."""

    experiments: Sequence[str] = ()
    """Those to serve; none: every open one."""
    wait: bool = False
    """Whether experiments that do not exist yet are waited for; without it they are an error."""
    slots: int = 1
    """How many trials are evaluated at a time."""
    burst: bool = False
    """Exit when nothing is queued."""
    max_jobs: int | None = None
    max_idle: float | None = None
    max_runtime: float | None = None
    max_consecutive_failures: int | None = None
    trial_timeout: float | None = None
    isolate: str = "process"
    """Where objectives are called: "process", one of their own, or "none", the worker's."""
    workdir: Path = field(default_factory=Path.cwd)
    objective: str | None = None
    """pkg.mod:name of the objective to call instead of the recorded one."""
    lease: float = 60.0
    """How long a worker may be silent before others requeue its trials."""
    grace: float = 10.0
    """How long a running trial may go on after the worker was told to stop, or its trial was reassigned."""
    poll_interval: float = IDLE_TICK
    max_jobs_per_child: int | None = None
    """After how many trials objectives are called in a new process."""
    name: str | None = None
    """host:pid by default."""
    force: bool = False
    """Serve experiments even if their logs do not fit their digests."""
    quiet: bool = False
    """Do not report start and exit."""
    recover: bool = False
    """Put back events that the store lost and this worker still holds, and go on, rather than to exit with 10."""
    parent: int | None = None
    """The process that started this worker, which stops when that ends."""
