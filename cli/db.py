"""`hstore db`: the embedded server by hand."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hstore.store.server import EmbeddedServer


def embedded_server() -> EmbeddedServer:
    """Return the handle of the embedded server, which may or may not run."""
    from hstore.store.server import EmbeddedServer, default_home

    return EmbeddedServer(default_home())


@click.group()
def db() -> None:
    """Start, stop and find the embedded MongoDB.

    It starts by itself when it is needed and stops when nobody uses it, so that these are seldom needed.

    \b
    hstore db status
    """


@db.command()
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="Open 127.0.0.1:PORT to everyone on this machine; 0: any free one.",
)
def start(port: int | None) -> None:
    """Start the server and keep it until `hstore db stop`.

    \b
    hstore db start
    hstore db start --port 0
    """
    server = embedded_server()
    server.keep(port=port)
    click.echo(f"runs until `hstore db stop` (pid {server.pid})", err=True)
    click.echo(server.tcp_uri or server.uri)


@db.command()
def stop() -> None:
    """Stop the server, at once or when its last user is gone.

    \b
    hstore db stop
    """
    server = embedded_server()
    pid = server.pid
    users = server.stop()
    if users is None:
        click.echo("stopped" if pid else "was not running", err=True)
    else:
        who = f" (pid {', '.join(map(str, users))})" if users else ""
        click.echo(f"still in use{who}; it stops when the last user is gone", err=True)


@db.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def status(as_json: bool) -> None:
    """Say whether the server runs, since when, for whom, and where everything is.

    \b
    hstore db status --json
    """
    report = embedded_server().status()
    if as_json:
        click.echo(json.dumps(report))
        return
    for name, value in report.items():
        if value not in (None, []):
            click.echo(f"{name:8} {_readable(name, value)}")


@db.command()
def uri() -> None:
    """Print the URI under which any MongoDB program finds the server.

    \b
    mongosh "$(hstore db uri)"
    """
    server = embedded_server()
    click.echo(server.uri)
    if server.pid is None:
        click.echo("the server does not run; `hstore db start` starts it", err=True)


@db.command()
def path() -> None:
    """Print the folder that holds the data.

    For backups, while the server does not run.

    \b
    tar -c "$(hstore db path)"
    """
    click.echo(embedded_server().data)


def _readable(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name == "bytes":
        return f"{value / 1e6:.1f} MB"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
