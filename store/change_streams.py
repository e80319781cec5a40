"""How a process learns that others appended to a MongoDB: by a change stream, else by asking less and less often."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pymongo.errors import OperationFailure, PyMongoError

from hstore.store.retry import let_go

if TYPE_CHECKING:
    from pymongo.collection import Collection

FIRST_POLL, LONGEST_POLL = 0.005, 0.25


def wait_for_news(events: Collection[Any], exp: str, has_news: Callable[[], bool], timeout: float) -> bool:
    """Return True as soon as there may be events of *exp* that a reader does not know, False after *timeout* seconds.

    has_news: asks the server whether there are any.
    """
    deadline = time.monotonic() + timeout
    pipeline = [{"$match": {"operationType": "insert", "fullDocument.exp": exp}}]
    # Equal rounds of up to a second, so that the last one ends when the time is over.
    seconds = min(timeout, 3600.0)
    round_ms = max(1, int(seconds * 1000 / max(1, math.ceil(seconds))))
    try:
        with events.watch(pipeline, max_await_time_ms=round_ms) as stream:
            if has_news():  # what came before the stream was open
                return True
            while time.monotonic() < deadline:
                if stream.try_next() is not None:
                    return True
        return False
    except OperationFailure as error:  # a server without change streams
        let_go(error)
        return _poll(has_news, deadline)
    except PyMongoError as error:
        let_go(error)
        return True  # the caller's next read waits for the server, and reports it


def _poll(has_news: Callable[[], bool], deadline: float) -> bool:
    pause = FIRST_POLL
    try:
        while not has_news():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_POLL)
    except PyMongoError:
        pass  # likewise
    return True
