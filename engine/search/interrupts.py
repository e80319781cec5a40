"""Interrupts: Ctrl-C ends a search, wherever Python was when it came."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupts:
    """While it is entered, remembers that Ctrl-C came, and raises `KeyboardInterrupt` as Python does.

    Python raises it in whatever the main thread is doing. In the `__del__` of an object, or in what the garbage
    collector calls, it prints the error and goes on: a search that reads its log all the time would miss Ctrl-C now
    and then. A handler that is not Python's own is left alone.
    """

    def __init__(self) -> None:
        self._came = False
        self._replaced: Any = None

    def __enter__(self) -> Interrupts:
        """Take the place of Python's handler, in the main thread."""
        self._came = False
        is_main = threading.current_thread() is threading.main_thread()
        if is_main and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._replaced = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def __exit__(self, *error: object) -> None:
        """Put Python's handler back."""
        replaced, self._replaced = self._replaced, None
        if replaced is not None and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, replaced)

    def forget(self) -> None:
        """Forget what came: the code of a user that was running then went on on purpose."""
        self._came = False

    def require_none(self) -> None:
        """Raise `KeyboardInterrupt` if Ctrl-C came and was lost."""
        if self._came:
            self._came = False
            raise KeyboardInterrupt

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        signal.default_int_handler(number, frame)
