"""The guard in front of every answer: Host, token, Origin, read-only mode, and the headers that bind the browser."""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from hstore.cli.page.access import Access

READS = ("GET", "HEAD")
BODY_BYTES = 64 * 1024
"""The longest body of a request of the page."""
API_BODY_BYTES = 1024 * 1024
"""The longest body of a request to the API: a result may hold what a program measured."""
DISCARDED_BYTES, DISCARD_SECONDS = 64 * 1024 * 1024, 10.0
"""What is read of a body that is not looked at, so that its sender gets the answer: most send all of it before."""


class Guard:
    """ASGI middleware: a request reaches *app* if it comes from a browser or program that has the token.

    Host must be a name of ours (a site that rebinds its name to 127.0.0.1 sends its own). A write needs an Origin of
    ours, unless a program sends the token itself, and a body of JSON, which no form of another site can send.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # there are no web sockets here
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["style_nonce"] = nonce
        request = Request(scope)
        app = self._refusal(request) or self._login(request) or self._app
        headers = _headers(nonce)
        body = _Body(request, receive)

        async def send_secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(headers)
                await body.discard()
            await send(message)

        await app(scope, body, send_secured)

    def _refusal(self, request: Request) -> Response | None:
        """Return why *request* is not answered, None if it is."""
        access = self._access
        if not access.accepts_host(request.headers.get("host", "")):
            return _refused(
                request, 421, "This server does not answer under that name. Start it with --allow-host NAME:PORT."
            )
        if request.headers.get("sec-fetch-site", "same-origin") == "cross-site" and request.method not in READS:
            return _refused(request, 403, "The request does not come from this page.")
        if self._login(request) is not None:
            return None
        has_bearer = self._has_bearer(request)
        if not has_bearer and not access.accepts_cookie(request.cookies.get(access.cookie_name, "")):
            return _refused(
                request, 401, "Open the address that `hstore ui` printed: it contains the token.",
                "a program sends the token in a header, Authorization: Bearer TOKEN",
            )  # fmt: skip
        if request.method != "POST":  # no address takes any other method but for reading
            return None
        if access.is_read_only:
            return _refused(request, 403, "This server is read-only.")
        origin = request.headers.get("origin")
        if not access.accepts_origin(origin) if origin is not None else not has_bearer:
            return _refused(request, 403, "The request does not come from this page.")
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(request, 415, "Send JSON.")
        length = request.headers.get("content-length", "")
        most = API_BODY_BYTES if "/api/v1/" in request.url.path else BODY_BYTES
        if not length.isdecimal() or len(length) > 15 or int(length) > most:
            return _refused(request, 413, f"Send a body of at most {most} bytes, with its length.")
        return None

    def _has_bearer(self, request: Request) -> bool:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        return scheme.lower() == "bearer" and self._access.accepts_token(given.strip())

    def _login(self, request: Request) -> Response | None:
        """Return the answer to an address with the right token: a cookie, and the same address without it."""
        given = request.query_params.get("token")
        if request.method != "GET" or given is None or not self._access.accepts_token(given):
            return None
        rest = urlencode([item for item in request.query_params.multi_items() if item[0] != "token"])
        path = request.scope["path"] if self._is_ours(request.scope["path"]) else "/"
        root = self._access.root_path
        path = path if root and path.startswith(f"{root}/") else root + path
        answer = RedirectResponse(path + (f"?{rest}" if rest else ""), 303)
        answer.set_cookie(
            self._access.cookie_name, self._access.cookie, httponly=True, samesite="strict",
            path=f"{root}/", secure=request.url.scheme == "https",
        )  # fmt: skip
        return answer

    @staticmethod
    def _is_ours(path: str) -> bool:
        """Return whether a redirect to *path* stays here: browsers read //host as another site."""
        return path.startswith("/") and not path.startswith(("//", "/\\"))


class _Body:
    """Hands out the body of *request* as it comes by *receive*.

    A connection that is closed while bytes of it wait there is reset, and its sender may never see the answer.
    """

    def __init__(self, request: Request, receive: Receive) -> None:
        self._receive = receive
        self._has_ended = not {"content-length", "transfer-encoding"} & set(request.headers)
        self._waits_for_leave = request.headers.get("expect", "").lower() == "100-continue"

    async def __call__(self) -> Message:
        """Return the next part."""
        self._waits_for_leave = False
        message = await self._receive()
        self._has_ended = message["type"] == "http.disconnect" or not message.get("more_body", False)
        return message

    async def discard(self) -> None:
        """Read what is left, and keep nothing. A sender that waits to be told to send is not told to."""
        if self._waits_for_leave:
            return
        left, end = DISCARDED_BYTES, asyncio.get_running_loop().time() + DISCARD_SECONDS
        while not self._has_ended and left > 0:
            try:
                message = await asyncio.wait_for(self(), end - asyncio.get_running_loop().time())
            except TimeoutError:
                return
            left -= len(message.get("body", b""))


def _refused(request: Request, status: int, why: str, hint: str = "") -> Response:
    """Return an answer that says *why*: to a program as JSON."""
    if "/api/" in request.url.path:
        return error_answer(status, why, hint)
    return PlainTextResponse(f"{why}\n", status)


def error_answer(status: int, error: str, hint: str = "") -> Response:
    """Return the answer that tells a program of *error*, and in *hint* what to do about it."""
    headers = {"Cache-Control": "no-store", **({"WWW-Authenticate": "Bearer"} if status == 401 else {})}
    return JSONResponse({"error": error, "hint": hint}, status, headers=headers)


def _headers(style_nonce: str) -> dict[str, str]:
    """Return the headers of every answer.

    Scripts come from files of ours and Bokeh's, never from text of a page, and none may call `eval`. Bokeh makes style
    elements; `style_nonce.js` gives them the nonce of the page, so that no other inline style is allowed.
    """
    policy = {
        "default-src": "'none'", "script-src": "'self'", "style-src": f"'self' 'nonce-{style_nonce}'",
        "img-src": "'self' data:", "connect-src": "'self'", "frame-ancestors": "'none'", "base-uri": "'none'",
        "form-action": "'none'",
    }  # fmt: skip
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    }
