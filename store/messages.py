"""Messages of hstore: they go through `logging`, and to stderr if the program has set up no handler of its own."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from hstore.store.terminal_text import printable

ROOT = "hstore"
FIELDS = ("experiment", "trial", "worker")
"""What each record of hstore's loggers has as attributes: a name, a trial's number, a worker's name, or None."""


class Log(logging.LoggerAdapter[logging.Logger]):
    """A logger below `hstore` whose records carry `FIELDS`; those given here hold unless a call gives others."""

    def __init__(self, name: str, *, experiment: str | None = None, worker: str | None = None) -> None:
        super().__init__(logging.getLogger(f"{ROOT}.{name}"), {"experiment": experiment, "worker": worker})

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Move the fields of a call, such as `trial=7`, to where `logging` wants them."""
        given = {name: kwargs.pop(name) for name in FIELDS if name in kwargs}
        kwargs["extra"] = dict.fromkeys(FIELDS) | dict(self.extra or {}) | given
        return msg, kwargs


class StderrHandler(logging.Handler):
    """Prints each message as one line `hstore: …` on stderr, above a progress bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print *record*."""
        try:
            line = f"hstore: {printable(record.getMessage())}"
            if "tqdm" in sys.modules:
                sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
            else:
                print(line, file=sys.stderr)  # noqa: T201 - messages go to stderr
        except Exception:  # noqa: BLE001 - a message that cannot be printed must not end a search
            self.handleError(record)


_lock = threading.Lock()
_shown = 0
_handler = StderrHandler()
_silence = logging.NullHandler()


@contextmanager
def shown_on_stderr(is_wanted: bool = True, *, always: bool = False) -> Iterator[None]:
    """Print hstore's messages on stderr meanwhile, unless the program has handlers of its own for them.

    is_wanted: False prints nothing, warnings included; handlers of the program's own get every record all the same.
    always: print whatever handlers there are, as a command line does.
    """
    logger = logging.getLogger(ROOT)
    if not is_wanted:
        logger.addHandler(_silence)  # without any handler Python itself prints warnings
        try:
            yield
        finally:
            logger.removeHandler(_silence)
        return
    if not always and _is_configured():
        yield
        return
    _show(1)
    try:
        yield
    finally:
        _show(-1)


def _show(step: int) -> None:
    """Count the blocks that want the messages; the first one adds the handler, the last one removes it."""
    global _shown
    logger = logging.getLogger(ROOT)
    with _lock:
        _shown += step
        if _shown == 1 and step == 1:
            logger.addHandler(_handler)
            if logger.level == logging.NOTSET:
                logger.setLevel(logging.INFO)
        elif _shown == 0:
            logger.removeHandler(_handler)
            if logger.level == logging.INFO:
                logger.setLevel(logging.NOTSET)


def _is_configured() -> bool:
    handlers = [*logging.getLogger(ROOT).handlers, *logging.getLogger().handlers]
    return any(handler is not _handler and not isinstance(handler, logging.NullHandler) for handler in handlers)
