"""The pages and the data of `hstore ui`, by address. Names are in query strings: they may hold slashes."""

from __future__ import annotations

import gzip
import re
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bokeh
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from pymongo.errors import PyMongoError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from hstore.cli.page.actions import act
from hstore.cli.page.api import Api, status_of
from hstore.cli.page.api_document import PREFIX
from hstore.cli.page.guard import Guard, error_answer
from hstore.cli.page.search_data import SearchData
from hstore.cli.page.snippets import of_search, of_searches, of_trial
from hstore.cli.page.stream import stream_response
from hstore.cli.page.trial_view import attachment, trial_view
from hstore.cli.printing import for_json
from hstore.store.errors import HstoreError, InvalidValue, NotFound
from hstore.store.indigestible import BROKEN, indigestible
from hstore.store.messages import Log
from hstore.store.person import person as who_is_there
from hstore.store.terminal_text import printable, printable_lines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from hstore.cli.page.access import Access
    from hstore.store.store import Store

LOG = Log("page")

MOST_COMPARED = 6
BOKEH_FILES = ("bokeh.min.js", "bokeh-gl.min.js")
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
YEAR = "private, max-age=31536000, immutable"
"""For files whose address holds the version."""


class Site:
    """Answers requests about the experiments of *store*."""

    def __init__(self, store: Store, access: Access) -> None:
        self.store = store
        self.access = access
        self.data = SearchData(store)
        self._person = who_is_there()
        self.is_closing: Callable[[], bool] = lambda: False
        self._templates = Environment(
            loader=PackageLoader("hstore.cli.page"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
            autoescape=select_autoescape(default=True),
        )  # fmt: skip
        self._templates.filters |= {"shown": printable, "shown_lines": printable_lines}

    # -- pages ------------------------------------------------------------------------------------------------

    async def searches(self, request: Request) -> Response:
        """Show the list of searches."""
        return self.page(request, "searches.html", title="Searches")

    async def search(self, request: Request) -> Response:
        """Show one search; `name`."""
        name = _name(request)
        known = await run_in_threadpool(self.data.heading, name)
        return self.page(request, "search.html", title=name, name=name, snippets=of_search(name), **known)

    async def trial(self, request: Request) -> Response:
        """Show one trial; `name` and `tid`."""
        name, tid = _name(request), _tid(request)
        view = await run_in_threadpool(trial_view, self.store.for_thread(), name, tid)
        return self.page(
            request, "trial.html", title=f"trial {tid} of {name}", name=name, tid=tid, snippets=of_trial(name, tid),
            **view,
        )  # fmt: skip

    async def compare(self, request: Request) -> Response:
        """Show two to six searches beside each other; each is a `name`."""
        names = list(dict.fromkeys(request.query_params.getlist("name")))[:MOST_COMPARED]
        if not names:
            raise InvalidValue("no search was chosen to compare", hint="choose some in the list of searches")
        known = {each["name"]: each for each in await run_in_threadpool(self.data.overview)}
        if missing := [name for name in names if name not in known]:
            raise NotFound(f"there is no experiment {missing[0]!r}", name=missing[0])
        searches = [known[name] for name in names]
        labels = list(dict.fromkeys(label for each in searches for label in each["best"].get("params", {})))
        return self.page(
            request, "compare.html", title="Compare", searches=searches, labels=labels, snippets=of_searches(names)
        )

    # -- data -------------------------------------------------------------------------------------------------

    async def overview(self, request: Request) -> Response:
        """Return all searches, from the read models."""
        return _json({"searches": await run_in_threadpool(self.data.overview)})

    async def sparks(self, request: Request) -> Response:
        """Return a few losses of each `name`, for sparklines."""
        names = request.query_params.getlist("name")[:100]
        return _json({"sparks": await run_in_threadpool(self.data.sparks, names)})

    async def columns(self, request: Request) -> Response:
        """Return the trials of `name` as columns, perhaps as of `at`, perhaps of a part of the chart."""
        text = await run_in_threadpool(self.data.columns, _name(request), request.query_params)
        return Response(text, media_type="application/json", headers={"Cache-Control": "no-store"})

    async def live(self, request: Request) -> Response:
        """Send what changes in `name` after message `tick`, as server-sent events."""
        watch = await run_in_threadpool(self.data.watches, _name(request))
        since = request.headers.get("last-event-id") or request.query_params.get("tick", "0")
        return stream_response(watch, _number(since), request, self.is_closing)

    async def trials(self, request: Request) -> Response:
        """Return a page of the table of `name`; sorted, filtered and cut by MongoDB."""
        return _json(await run_in_threadpool(self.data.table, _name(request), dict(request.query_params)))

    async def workers(self, request: Request) -> Response:
        """Return the workers of `name`, and the trials that they hold."""
        return _json(await run_in_threadpool(self.data.workers, _name(request)))

    async def chart(self, request: Request) -> Response:
        """Return a chart of Bokeh's: `kind`, `theme`, and `name` once or several times; see `SearchCharts`."""
        query = request.query_params
        names = query.getlist("name")[:MOST_COMPARED]
        return _json(await run_in_threadpool(self.data.charts, query.get("kind", ""), _theme(request), names, query))

    async def facts(self, request: Request) -> Response:
        """Return the notes and tags of `name`."""
        return _json(await run_in_threadpool(self.data.facts, _name(request)))

    async def why(self, request: Request) -> Response:
        """Return why trial `tid` of `name` is where it is."""
        return _json(await run_in_threadpool(self.data.evidence.why, _name(request), _tid(request)))

    async def calibration(self, request: Request) -> Response:
        """Return how far the model of `name` is right."""
        return _json(await run_in_threadpool(self.data.evidence.calibration, _name(request), _theme(request)))

    async def verification(self, request: Request) -> Response:
        """Return whether the log of `name` is what was written."""
        return _json(await run_in_threadpool(self.data.evidence.verification, _name(request)))

    async def difference(self, request: Request) -> Response:
        """Return in what two searches differ: `name` twice, `all` for what is the same as well."""
        names, is_all = request.query_params.getlist("name"), bool(request.query_params.get("all"))
        return _json(await run_in_threadpool(partial(self.data.evidence.difference, names, is_all=is_all)))

    async def snippets(self, request: Request) -> Response:
        """Return what a person copies from the page of `name`, with each `figure` on it, perhaps as of `at`."""
        query = request.query_params
        return _json(of_search(_name(request), at=query.get("at", ""), figures=query.getlist("figure")[:20]))

    async def attachment(self, request: Request) -> Response:
        """Return an attachment of a trial as a file; never as a page."""
        name, tid, called = _name(request), _tid(request), request.query_params.get("attachment", "")
        content = await run_in_threadpool(attachment, self.store.for_thread(), name, tid, called)
        shown = re.sub(r"[^A-Za-z0-9._-]", "_", called).lstrip(".")[:80] or "attachment"
        return Response(
            content, media_type="application/octet-stream",
            headers={"Content-Disposition": f'attachment; filename="{shown}"'},
        )  # fmt: skip

    async def act(self, request: Request) -> Response:
        """Do what a person asks for; see `actions.act`."""
        try:
            wanted = await request.json()
        except (ValueError, RecursionError):
            raise InvalidValue("the request is not JSON, or nested too deeply") from None
        return _json(await run_in_threadpool(act, self.store.for_thread(), wanted))

    # -- files ------------------------------------------------------------------------------------------------

    async def static(self, request: Request) -> Response:
        """Return a file of the page's own, or of Bokeh's installed package."""
        found = await run_in_threadpool(_file, request.path_params["file"])
        if found is None:
            return PlainTextResponse("there is no such file\n", 404)
        content, kind = found
        headers = {"Cache-Control": YEAR, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            del headers["Content-Encoding"]
            content = gzip.decompress(content)
        return Response(content, media_type=kind, headers=headers)

    def page(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page, made of *template*."""
        text = self._templates.get_template(template).render(
            root=self.access.root_path, is_read_only=self.access.is_read_only, version=version_of_files(),
            style_nonce=request.state.style_nonce, store=_place(self.store), person=self._person, **values,
        )  # fmt: skip
        return HTMLResponse(text, status, headers={"Cache-Control": "no-store"})

    async def failed(self, request: Request, error: Exception) -> Response:
        """Say what went wrong: on a page, or to a program as JSON. What one search holds leaves all others alone."""
        name = request.query_params.get("name", "")
        if isinstance(error, BROKEN) and not isinstance(error, HstoreError) and name:
            error = indigestible(name, error)
        status = status_of(error)
        said, hint = str(error) or type(error).__name__, getattr(error, "hint", "") or ""
        if _is_a_bug(error):
            LOG.error(f"{request.method} {request.url.path:.200} failed: {error!r}")
            hint = "this is a bug in hstore; the messages of the server say more"
        if not _is_for_a_program(request):
            if status == 404 and isinstance(error, HTTPException):
                said, name = "there is no such page", ""
            return self.page(request, "failed.html", status, title="Error", error=said, hint=hint, name=name)
        if isinstance(error, HTTPException):
            said = f"{request.method} {request.url.path:.200}: {error.detail}"
            if PREFIX in request.url.path and not self.access.has_api:
                hint = "start the server with `hstore ui --api`"
        elif _is_a_bug(error):
            said = f"the server is at fault: {type(error).__name__}"
        answer = error_answer(status, said, hint)
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer


def make_app(site: Site) -> ASGIApp:
    """Return the application that answers for *site*, behind its guard."""
    pages = {"/": site.searches, "/search": site.search, "/trial": site.trial, "/compare": site.compare}
    data = {
        "overview": site.overview, "sparks": site.sparks, "columns": site.columns, "live": site.live,
        "trials": site.trials, "workers": site.workers, "chart": site.chart, "attachment": site.attachment,
        "facts": site.facts, "why": site.why, "calibration": site.calibration, "verification": site.verification,
        "difference": site.difference, "snippets": site.snippets,
    }  # fmt: skip
    routes = [Route(path, answer) for path, answer in pages.items()]
    routes += [Route(f"/api/{name}", answer) for name, answer in data.items()]
    routes += [Route("/api/act", site.act, methods=["POST"]), Route("/static/{version}/{file}", site.static)]

    api = Api(site.store, site.access.root_path) if site.access.has_api else None
    if api is not None:
        routes += api.routes(site.page)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        site.data.watches.close()
        if api is not None:
            await run_in_threadpool(api.close)

    kinds = (HstoreError, PyMongoError, HTTPException, *BROKEN, Exception)
    app = Starlette(
        routes=routes, middleware=[Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5)],
        exception_handlers=dict.fromkeys(kinds, site.failed), lifespan=lifespan,
    )  # fmt: skip
    return Guard(app, site.access)  # around all of it: Starlette answers its own errors outside of its middleware


def _is_a_bug(error: Exception) -> bool:
    return not isinstance(error, (HstoreError, PyMongoError, HTTPException))


@lru_cache(maxsize=1)
def version_of_files() -> str:
    """Return what changes with the versions of hstore's files and of Bokeh: browsers keep files by their address."""
    import hashlib

    own = sorted((each.name, each.read_bytes()) for each in files("hstore.cli.page").joinpath("static").iterdir())
    return hashlib.sha256(repr((own, bokeh.__version__)).encode()).hexdigest()[:12]


@lru_cache(maxsize=32)
def _file(name: str) -> tuple[bytes, str] | None:
    """Return the file called *name*, compressed, and its media type; None if there is none of ours or Bokeh's."""
    kind = TYPES.get(Path(name).suffix)
    if kind is None or not re.fullmatch(r"[a-z_-]+[a-z_.-]*", name):
        return None
    if name in BOKEH_FILES:
        file: Any = Path(bokeh.__file__).parent / "server" / "static" / "js" / name
    else:
        file = files("hstore.cli.page").joinpath("static", name)
    return (gzip.compress(file.read_bytes(), 6), kind) if file.is_file() else None


def _is_for_a_program(request: Request) -> bool:
    return "/api/" in request.url.path


def _place(store: Store) -> str:
    return store.url if store.server is None else f"embedded MongoDB in {store.server.home}"


def _json(value: Any) -> Response:
    return JSONResponse(for_json(value), headers={"Cache-Control": "no-store"})


def _name(request: Request) -> str:
    name: str | None = request.query_params.get("name")
    if not name:
        raise InvalidValue("the address names no search")
    return name


def _theme(request: Request) -> str:
    return "dark" if request.query_params.get("theme") == "dark" else "light"


def _tid(request: Request) -> int:
    return _number(request.query_params.get("tid", ""))


def _number(text: str) -> int:
    if not text.isdecimal() or len(text) > 15:
        raise InvalidValue(f"{text!r:.40} is not a number of a trial")
    return int(text)
