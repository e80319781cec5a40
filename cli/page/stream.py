"""Server-sent events: what a watch publishes, sent to one viewer."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import TYPE_CHECKING

from anyio import CapacityLimiter, to_thread
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from starlette.requests import Request

    from hstore.cli.page.watch import SearchWatch

QUIET_SECONDS = 0.5
"""How long a viewer's thread waits at once: a server that closes waits as long for it."""
KEEP_ALIVE = 30
"""Rounds of that without news after which a line says that the connection still stands."""
MOST_VIEWERS = 200
_limit: list[CapacityLimiter] = []


def stream_response(
    watch: SearchWatch, since: int, request: Request, is_closing: Callable[[], bool]
) -> StreamingResponse:
    """Return the messages of *watch* after number *since* as they come.

    An event `reload` tells a viewer that it has missed some; it then loads everything again. An event `failed` has an
    `error`: why nothing more comes.
    """

    async def events() -> AsyncIterator[str]:
        if not _limit:
            _limit.append(CapacityLimiter(MOST_VIEWERS))  # not the threads that answer everything else
        tick, quiet = since, 0
        yield "retry: 1000\n\n"
        while not is_closing() and not await request.is_disconnected():
            look = partial(watch.messages_since, tick, timeout=QUIET_SECONDS)
            news = await to_thread.run_sync(look, limiter=_limit[0])
            if news is None:
                failure = json.dumps({"error": watch.failure})
                yield f"event: failed\ndata: {failure}\n\n" if watch.failure else "event: reload\ndata: 0\n\n"
                return
            for tick, message in news:
                yield f"id: {tick}\ndata: {message}\n\n"
            quiet = 0 if news else quiet + 1
            if quiet >= KEEP_ALIVE:
                quiet = 0
                yield ": still here\n\n"

    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", "Content-Encoding": "identity"}
    return StreamingResponse(events(), media_type="text/event-stream", headers=headers)
