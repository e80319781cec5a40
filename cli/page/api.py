"""The API of `hstore ui --api`: a search that is asked and told over HTTP. The calls are in `api_calls`."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from pymongo.errors import PyMongoError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hstore.cli.page.api_calls import calls_of
from hstore.cli.page.api_document import ERRORS, PREFIX, document_of, errors_of
from hstore.cli.page.api_fields import read_fields
from hstore.cli.printing import for_json
from hstore.engine.bridges.open_searches import OpenSearches
from hstore.store.errors import (
    BadSearchSpace,
    ClosedChain,
    Conflict,
    HstoreError,
    InvalidName,
    InvalidValue,
    NotFound,
    SpaceChanged,
    StoreRewound,
    StoreUnreachable,
    VerificationFailed,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    from hstore.cli.page.api_calls import Call
    from hstore.store.store import Store

THREADS = 8
"""Requests that are worked on at a time; those of one search wait for each other."""
STATUSES: tuple[tuple[type[Exception] | tuple[type[Exception], ...], int], ...] = (
    ((NotFound, InvalidName), 404),
    ((StoreUnreachable, PyMongoError), 503),
    ((Conflict, SpaceChanged, ClosedChain, StoreRewound), 409),
    (BadSearchSpace, 400),
    (VerificationFailed, 500),
)
"""The status of an error of ours; the first that fits, else 400."""


def status_of(error: Exception) -> int:
    """Return the status that says what *error* says."""
    if isinstance(error, HTTPException):
        return error.status_code
    rest = 400 if isinstance(error, HstoreError) else 500
    return next((status for kind, status in STATUSES if isinstance(error, kind)), rest)


class Api:
    """Answers the calls on *store*."""

    def __init__(self, store: Store, root_path: str) -> None:
        self._searches = OpenSearches(store)
        self.calls = calls_of(store, self._searches)
        # Threads of its own: what a call writes says `http` as its writer, and pages are answered meanwhile.
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="http")
        self.document = document_of(self.calls, root_path=root_path)

    def routes(self, show: Callable[..., Response]) -> list[Route]:
        """Return the routes. show: makes a page of a request, a template and values."""
        documented = [
            (call, f"{PREFIX}/{call.name}", self.document["paths"][f"{PREFIX}/{call.name}"][call.method.lower()])
            for call in self.calls
        ]

        async def page(request: Request) -> Response:
            shown = [(call, path, errors_of(call)) for call, path, _ in documented]
            return show(request, "api.html", title="API", calls=shown, errors=ERRORS, shown_json=_shown)

        async def document(_: Request) -> Response:
            return JSONResponse(self.document)

        return [
            Route("/api/docs", page),
            Route("/api/openapi.json", document),
            *(Route(path, partial(self._answer, call), methods=[call.method]) for call, path, _ in documented),
        ]

    async def _answer(self, call: Call, request: Request) -> Response:
        is_query = call.method == "GET"
        given = _query(request) if is_query else _body(await request.body())
        values = read_fields(call.fields, given, is_query=is_query)

        def run() -> bytes:
            return json.dumps(for_json(call.run(**values)), separators=(",", ":")).encode()

        content = await asyncio.get_running_loop().run_in_executor(self._threads, run)
        return Response(content, media_type="application/json", headers={"Cache-Control": "no-store"})

    def close(self) -> None:
        """Finish what was begun, and close the searches."""
        self._threads.shutdown()
        self._searches.close()


def _query(request: Request) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if name in given:
            raise InvalidValue(f"the address names {name!r:.60} twice")
        given[name] = value
    return given


def _body(content: bytes) -> dict[str, Any]:
    try:
        given = json.loads(content)
        json.dumps(given, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidValue(f"the body is no JSON: {said:.200}") from None
    if not isinstance(given, dict):
        raise InvalidValue("the body is no JSON object")
    return given


def _shown(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
