"""SoonWritten: the documents of a busy search's trials, written by a thread beside it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from hstore.store.errors import HstoreError
from hstore.store.messages import Log

if TYPE_CHECKING:
    from hstore.store.null_objects import NoReadModels
    from hstore.store.read_models import ReadModels

LOG = Log("models")

SECONDS = 0.03
"""How long what was deferred waits for more that is written with it."""
AWAY_SECONDS = 2.0
"""How long `stop` waits for a server that may be away: a search that ends, by Ctrl-C say, is not kept by it."""


class SoonWritten:
    """Writes the documents of trials that were deferred, in a thread of its own, *seconds* after `ask`, until `stop`.

    For a search whose trials take milliseconds, which would wait for one update per trial: those of many trials go into
    one, while the search goes on, and a trial that takes longer than expected is shown nevertheless.
    """

    def __init__(self, models: ReadModels | NoReadModels, *, seconds: float = SECONDS) -> None:
        self._models = models
        self._seconds = seconds
        self._is_asked = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have what is deferred by now written soon."""
        self._is_asked.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._write, name="read models", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the thread. What is still deferred is left to the next `project` or `flush`."""
        self._is_stopping.set()
        self._is_asked.set()
        if self._thread is not None:
            self._thread.join(AWAY_SECONDS)

    def _write(self) -> None:
        while self._is_asked.wait() and not self._is_stopping.wait(self._seconds):
            self._is_asked.clear()
            if self._is_stopping.is_set():  # `stop` has asked for the last time, and that was just cleared
                return
            try:
                self._models.write_waiting_trials()
            except HstoreError as error:  # an append raises it as well, where the search can end
                LOG.warning(str(error))
            except Exception:
                if not self._is_stopping.is_set():  # else it was not waited for, and its store is closed by now
                    raise
