"""`hstore ui`: a page that shows searches live and controls them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import click

from hstore.cli.completion import EXPERIMENT
from hstore.cli.printing import print_json, print_note, print_text
from hstore.store.errors import InvalidValue

if TYPE_CHECKING:
    from hstore.cli.session import Session

EXTRA = "the page needs more packages: pip install 'hstore[ui]'"


@click.command()
@click.argument("experiment", required=False, type=EXPERIMENT)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8722, show_default=True, help="Port; 0 takes any free one."
)
@click.option(
    "--token-file", type=click.Path(path_type=Path), metavar="FILE", help="File with the token; else it is random."
)
@click.option("--allow-host", multiple=True, metavar="NAME:PORT", help="Another name of the page, as behind a proxy.")
@click.option("--root-path", default="", metavar="/PATH", help="Path under which a reverse proxy shows the page.")
@click.option("--read-only", is_flag=True, help="Show everything, change nothing.")
@click.option("--api", is_flag=True, help="Let programs ask for trials and tell their losses: see /api/docs there.")
@click.option("--no-browser", is_flag=True, help="Print the address, open no browser.")
@click.option("--json", "as_json", is_flag=True, help="Print the address as one JSON object.")
@click.pass_obj
def ui(
    session: Session,
    experiment: str | None,
    host: str,
    port: int,
    token_file: Path | None,
    allow_host: tuple[str, ...],
    root_path: str,
    read_only: bool,
    api: bool,
    no_browser: bool,
    as_json: bool,
) -> None:
    """Show the searches of the store in a browser, live.

    The address that is printed contains a token; without it nothing is shown. Only this machine reaches the page,
    unless --host says otherwise, which needs a --token-file.

    \b
    hstore ui
    hstore ui digits --port 0 --no-browser
    hstore ui --read-only --token-file ~/.hstore-token
    hstore ui --api --no-browser
    """
    try:
        from hstore.cli.page.page_server import PageServer
    except ImportError as error:
        if (error.name or "").partition(".")[0] in ("starlette", "uvicorn", "jinja2", "bokeh", "anyio"):
            raise InvalidValue(EXTRA) from error
        raise
    from hstore.cli.page.access import Access, hosts_of, is_loopback, new_token, read_token

    if not is_loopback(host) and token_file is None:
        raise InvalidValue(
            f"on {host} other machines reach the page, so it needs a token of your own", hint="give --token-file FILE"
        )
    if root_path and (not root_path.startswith("/") or root_path.startswith("//")):
        raise InvalidValue("--root-path begins with one slash")
    token = new_token() if token_file is None else read_token(token_file)
    store = session.store
    if experiment is not None:
        store.experiment(experiment)  # raises NotFound
    with PageServer(store, host=host, port=port) as server:
        server.access = Access(
            token=token, hosts=hosts_of(host, server.port, allow_host), port=server.port, is_read_only=read_only,
            root_path=root_path.rstrip("/"), has_api=api,
        )  # fmt: skip
        path = "/" if experiment is None else "/search"
        query = {"token": token} if experiment is None else {"name": experiment, "token": token}
        address = f"{server.address}{path}?{urlencode(query)}"
        print_json({"url": address, "read_only": read_only}, indent=None) if as_json else print_text(address)
        if api:
            print_note(f"programs: {server.address}/api/v1/, described at /api/docs; the token is their Bearer token")
        print_note("press Ctrl-C to end it" + ("; it changes nothing (--read-only)" if read_only else ""))
        if not no_browser:
            import webbrowser

            webbrowser.open(address)
        server.run()
