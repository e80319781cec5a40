"""A gate before each experiment of this process: one thread at a time reads and appends, any number evaluate."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakKeyDictionary

from hstore.store.experiment import Experiment

_GATES: WeakKeyDictionary[Experiment, threading.RLock] = WeakKeyDictionary()
_GATES_GATE = threading.Lock()


def gate(experiment: Experiment) -> threading.RLock:
    """Return the lock that threads which share *experiment* hold while they read and append.

    It is kept here rather than in the experiment, which is pickled in the `Trials` that show it.
    """
    with _GATES_GATE:
        return _GATES.setdefault(experiment, threading.RLock())


@contextmanager
def left(experiment: Experiment) -> Iterator[None]:
    """Let other threads use *experiment* meanwhile; the caller holds its gate once, or not at all."""
    lock = gate(experiment)
    try:
        lock.release()
        was_held = True
    except RuntimeError:  # not ours: a driver that is used without the gate
        was_held = False
    try:
        yield
    finally:
        if was_held:
            lock.acquire()
