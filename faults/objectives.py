"""What the searches evaluate: little, mostly; now and then for long enough that a worker can be killed at it."""

from __future__ import annotations

import os
import time
from typing import Any

from hstore import Ctrl, hp

SPACE = {"x": hp.uniform("x", -3, 3), "how": hp.uniform("how", 0, 1)}
LONG = 1.5
"""Seconds that the longest take: less than the lease, but not much."""
SLOW = float(os.environ.get("FAULTS_SLOW", "0"))
"""Seconds that all of them take on top of that."""
LARGE = float(os.environ.get("FAULTS_LARGE", "0"))
"""How many of a hundred return more than fits into an event."""


def objective(config: dict[str, Any], ctrl: Ctrl) -> Any:
    """Return a loss, for one in a hundred after a long time; raise for one in fifty; stop early at times."""
    how = config["how"]
    time.sleep(SLOW)
    if how < 0.01:
        time.sleep(LONG)
    elif how < 0.2:
        for step in (1, 2, 3):
            ctrl.report(step, config["x"] ** 2 + 1 / step)
            if ctrl.should_stop():
                break
            time.sleep(how / 6)
    elif how < 0.8:
        time.sleep(how / 2)
    elif how > 0.98:
        raise ValueError("one that fails")
    loss = float(config["x"] ** 2)
    if config["x"] * 1e6 % 100 < LARGE:
        return {"status": "ok", "loss": loss, "content": repr(config["x"]).encode() * 5000}
    return loss
