"""The server of the page: a socket, uvicorn, and an end in time although browsers hold connections open."""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import uvicorn

from hstore.cli.page.site import Site, make_app
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from types import TracebackType

    from hstore.cli.page.access import Access
    from hstore.store.store import Store


class PageServer:
    """Listens on *host* and *port* (0: a free one) from its making on; `run` serves *store* until it is stopped.

    Set `access` before `run`: it depends on the port. Raises `InvalidValue` if it cannot listen there.
    """

    access: Access

    def __init__(self, store: Store, *, host: str, port: int) -> None:
        self._store = store
        self._host = host
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._socket.bind((host, port))
            self._socket.listen(128)
        except OSError as error:
            self._socket.close()
            hint = "--port 0 takes a free port"
            raise InvalidValue(f"cannot listen on {host} port {port}: {error.strerror}", hint=hint) from error
        self.port: int = self._socket.getsockname()[1]
        self._server: Any = None

    @property
    def address(self) -> str:
        """Return the address of the page, without a path."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)
        return f"http://{f'[{host}]' if ':' in host and not host.startswith('[') else host}:{self.port}"

    def run(self) -> None:
        """Serve until Ctrl-C, a signal, or `stop`."""
        site = Site(self._store, self.access)
        config = uvicorn.Config(
            make_app(site), log_level="error", access_log=False, server_header=False, root_path=self.access.root_path,
            proxy_headers=False, timeout_graceful_shutdown=1, ws="none", lifespan="on",
        )  # fmt: skip
        server = self._server = uvicorn.Server(config)
        site.is_closing = lambda: server.should_exit  # streams end by themselves
        with suppress(KeyboardInterrupt):  # uvicorn raises the signal again when it has closed
            server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Have `run` return soon; for another thread."""
        if self._server is not None:
            self._server.should_exit = True

    @property
    def is_running(self) -> bool:
        """Whether requests are answered."""
        return bool(self._server is not None and self._server.started)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def __enter__(self) -> PageServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self.close()
