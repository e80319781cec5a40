"""Running a worker in this process: opening its store, and the signals that stop it."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

from hstore.store.messages import shown_on_stderr
from hstore.workers.worker import Worker
from hstore.workers.worker_options import WorkerOptions


class _StoppedEarly(BaseException):
    """A signal that came before there was a worker to stop."""


def serve(url: str | None, options: WorkerOptions) -> int:
    """See `hstore.workers.run`."""
    from hstore.store.open_store import open_store

    worker: Worker | None = None

    def on_signal(number: int, _: FrameType | None) -> None:
        if worker is None:
            raise _StoppedEarly(number)
        # Not in the handler itself, which may have interrupted a thread that holds the lock that it needs.
        threading.Thread(target=worker.stop, args=(number,), daemon=True).start()

    with shown_on_stderr(), _handling(on_signal):
        try:
            store = open_store(url, patience=math.inf)
        except _StoppedEarly as early:
            return 128 + int(early.args[0])
        with store:
            store.recovers = options.recover
            worker = Worker(store, options)
            return worker.run()


@contextlib.contextmanager
def _handling(on_signal: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Call *on_signal* for the signals that stop a worker, if this is the main thread: Python allows it there only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32":
        numbers.append(signal.SIGUSR1)
    before = {number: signal.signal(number, on_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
