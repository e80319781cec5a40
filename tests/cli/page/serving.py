"""A page served for a test: its server in a thread, and requests with any header."""

from __future__ import annotations

import http.client
import json
import threading
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.waiting import until

from hstore.cli.page.access import Access, hosts_of
from hstore.cli.page.page_server import PageServer
from hstore.store.open_store import open_store
from hstore.store.server import EmbeddedServer
from hstore.store.store import Store

TOKEN = "a-token-that-only-tests-have"


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def data(self) -> Any:
        """The body as JSON says it."""
        return json.loads(self.text)


@dataclass(frozen=True)
class Page:
    """A page that is served."""

    port: int
    access: Access

    @property
    def host(self) -> str:
        """The Host header that the server answers to."""
        return f"127.0.0.1:{self.port}"

    @property
    def cookie(self) -> str:
        """The Cookie header of a browser that has opened the printed address."""
        return f"{self.access.cookie_name}={self.access.cookie}"

    def ask(
        self,
        method: str,
        path: str,
        headers: Mapping[str, str | None] | None = None,
        body: str | None = None,
        **query: Any,
    ) -> Answer:
        """Return the answer to a request of a browser; *headers* replace its own, or with None leave them out."""
        sent = {"Host": self.host, "Cookie": self.cookie, **(headers or {})}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.putrequest(
            method,
            path + (f"?{urlencode(query, doseq=True)}" if query else ""),
            skip_host=True,
            skip_accept_encoding=True,
        )
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        content = None if body is None else body.encode()
        if content is not None:
            connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        response = connection.getresponse()
        answer = Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read().decode())
        connection.close()
        return answer

    def get(self, path: str, **query: Any) -> Answer:
        """Return the answer to a GET of the page's own."""
        return self.ask("GET", path, **query)

    def act(self, headers: Mapping[str, str | None] | None = None, **wanted: Any) -> Answer:
        """Return the answer to an action as the page's own script asks for it."""
        sent = {"Origin": f"http://{self.host}", "Content-Type": "application/json", **(headers or {})}
        return self.ask("POST", "/api/act", sent, json.dumps(wanted))


@contextmanager
def new_store(mongod: EmbeddedServer) -> Iterator[Store]:
    """Yield a store in a fresh database; several tests may share it, which saves half a second each."""
    url = mongod.uri.replace("/hstore?", f"/test_{uuid.uuid4().hex}?")
    with open_store(url) as store:
        yield store
        assert store.database is not None
        store.database.client.drop_database(store.database.name)


@contextmanager
def served(
    store: Store, *, port: int = 0, is_read_only: bool = False, root_path: str = "", has_api: bool = False
) -> Iterator[Page]:
    """Serve *store* meanwhile, on a free port unless *port* is given."""
    with PageServer(store, host="127.0.0.1", port=port) as server:
        server.access = Access(
            token=TOKEN, hosts=hosts_of("127.0.0.1", server.port, ("lab.example",)), port=server.port,
            is_read_only=is_read_only, root_path=root_path, has_api=has_api,
        )  # fmt: skip
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            until(lambda: server.is_running, "the page is served")
            yield Page(server.port, server.access)
        finally:
            server.stop()
            thread.join()
