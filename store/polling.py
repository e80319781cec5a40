"""Polling: how a process waits for what others append."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hstore.store.events import Event
    from hstore.store.folded_log import FoldedLog

QUICK_LOOKS = (0.002, 0.004, 0.008, 0.016, 0.032)
"""Seconds before each of the first looks for new events: in a busy search they come sooner than a stream opens."""


def poll(experiment: FoldedLog, timeout: float) -> list[Event]:
    """Have *experiment* read what is new as soon as there is anything, or after *timeout* seconds; return it."""
    for pause in QUICK_LOOKS:
        pause = min(pause, timeout)
        timeout -= pause
        time.sleep(pause)
        if (news := experiment.refresh()) or timeout <= 0:
            return news
    return experiment.refresh() if experiment.wait(timeout) else []
