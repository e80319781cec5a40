"""Who holds a trial, and whether that process is still there. Leases across machines are the workers' part."""

from __future__ import annotations

import os
import platform
import socket
import threading
from functools import cache
from typing import Any

from hstore.store.fold import Trial


@cache
def _machine() -> str:
    """Return the identity of this boot and process namespace, as far as the system has one."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return f"{file.read().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {platform.system()}"


@cache
def _process(pid: int) -> dict[str, Any]:
    return {"machine": _machine(), "pid": pid, "started": _started(pid)}


def _started(pid: int) -> float:
    """Return what distinguishes process *pid* from others that had or get that number; raises `psutil.NoSuchProcess`.

    Ticks since the machine booted, if the system has them: the time of day that psutil computes is another one after
    the system's clock was set.
    """
    import psutil

    process = psutil.Process(pid)
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return float(file.read().rpartition(b")")[2].split()[19])
    except (OSError, IndexError):
        return process.create_time()


def this_process() -> dict[str, Any]:
    """Return what names this process for good."""
    return _process(os.getpid())


def is_dead(trial: Trial, *, is_local: bool) -> bool:
    """Return whether the process that holds *trial* is known to have ended.

    A trial that was given out for some time (`hstore ask`) has no process: its lease alone decides.
    A process of this machine (boot and namespace) can be looked up. One of another boot is known to be gone only
    if the store *is_local*, embedded: then its users ran on this machine.
    """
    if trial.reserved is None:
        return False
    holder = trial.reserved.process
    if holder is None:
        return is_local
    if "lease" in holder:
        return False
    if holder["machine"] != _machine():
        return is_local
    if holder["pid"] == os.getpid() and holder == this_process():
        # This very process. A thread of another name may be at it; this one, which asks, is not.
        thread = trial.reserved.worker.rpartition(":")[2]
        others = {t.name for t in threading.enumerate()} - {threading.current_thread().name}
        return thread not in others
    import psutil

    try:
        process = psutil.Process(holder["pid"])
        return _started(process.pid) != holder["started"] or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
