"""A TCP proxy on loopback that can be cut, stalled and healed: the network between a worker and its server."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Literal

CHUNK = 1 << 16
Direction = Literal["requests", "answers"]


class Proxy:
    """Passes on what comes to its `port` to *target*, a Unix socket or a loopback port, until it is to do otherwise.

    `cut`, `stall` and `heal` may be called by any thread; they have had their effect when they return.
    """

    def __init__(self, target: Path | int) -> None:
        self.target = target
        self.port = 0
        self._is_cut = False
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loop = asyncio.new_event_loop()
        self._flows: dict[Direction, asyncio.Event] = {}
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def start(self) -> Proxy:
        """Listen; return when `port` is known."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(10)
        return self

    def cut(self) -> None:
        """Reset all connections and refuse new ones."""
        self._do(self._cut)

    def stall(self, *directions: Direction) -> None:
        """Hold back what is sent in *directions* (both, if none is named): connections stay, nothing arrives."""
        for direction in directions or ("requests", "answers"):
            self._do(self._flows[direction].clear)

    def heal(self) -> None:
        """Let everything pass again, what was held back first."""

        def heal() -> None:
            self._is_cut = False
            for flow in self._flows.values():
                flow.set()

        self._do(heal)

    def close(self) -> None:
        """Reset all connections and end."""
        if self._thread.is_alive():
            self._do(self._cut)
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def __enter__(self) -> Proxy:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    # Below: what runs in the thread of the loop.

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _do(self, what: object) -> None:
        async def do() -> None:
            what()  # type: ignore[operator]

        asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)

    async def _listen(self) -> None:
        self._flows = {"requests": asyncio.Event(), "answers": asyncio.Event()}
        for flow in self._flows.values():
            flow.set()
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])

    async def _close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        self._is_cut = True
        for line in self._lines:
            line.transport.abort()

    async def _accepted(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        if self._is_cut:
            to_client.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        to_server: asyncio.StreamWriter | None = None
        try:
            if isinstance(self.target, Path):
                server, to_server = await asyncio.open_unix_connection(str(self.target))
            else:
                server, to_server = await asyncio.open_connection("127.0.0.1", self.target)
            self._lines |= {to_client, to_server}
            await asyncio.gather(
                self._pump(client, to_server, self._flows["requests"]),
                self._pump(server, to_client, self._flows["answers"]),
            )
        except OSError:
            pass  # the server is not there, which looks from here as it should
        finally:
            for line in (to_client, to_server):
                if line is not None:
                    self._lines.discard(line)
                    line.transport.abort()
            self._tasks.discard(task)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, flow: asyncio.Event) -> None:
        with contextlib.suppress(OSError):
            while chunk := await source.read(CHUNK):
                await flow.wait()
                sink.write(chunk)
                await sink.drain()
        sink.transport.abort()
