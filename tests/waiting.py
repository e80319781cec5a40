"""Waits until something is so: never for a time."""

import time
from collections.abc import Callable
from typing import Any

from hstore.store.experiment import Experiment

GENEROUS = 300.0
"""Seconds that anything gets before a test calls it broken. An idle machine needs one or two; one that runs eight times
as much as it has cores for needs many more, and then nothing is broken."""


def until(condition: Callable[[], Any], what: object = "", seconds: float = GENEROUS) -> Any:
    """Return what *condition* returns as soon as that is true; raise `TimeoutError`, with *what*, if it never is."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {what() if callable(what) else what}")
        time.sleep(0.02)
    return found


def until_read(experiment: Experiment, condition: Callable[[], Any], seconds: float = GENEROUS) -> Any:
    """Return what *condition* returns once it is true of what is read of *experiment*; raise `TimeoutError`."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s: {[(e.type, e.by) for e in experiment.events[1:]]}")
        experiment.wait(0.2)
        experiment.refresh()
    return found
